"""MMCoA's tables (Zhou et al., 2024): fifteen sets, three attacks; figures are not at hand."""

from experiments.tables.table import Table

TABLES = (
    Table(
        name="mmcoa_sets",
        title="MMCoA: clean, image, text and joint attacks on the training set and on others",
        commands=(
            "python -m experiments.few_shot --model openai/clip-vit-base-patch32 \\",
            "    --train cifar100=cifar-100-python --test mmcoa --shots 1,2,4,8,16,full \\",
            "    --defenses tecoa,fare,mmcoa --eps 1/255 --steps 100 --out DIR",
        ),
        miniature="--miniature",
        module="experiments.few_shot",
        note="The program trains on CIFAR-10, CIFAR-100, TinyImageNet or ImageNet; `--train` takes "
        "any of `data.PUBLISHED_SETS`. `--test mmcoa` measures those that TFDS has; others take a "
        "folder. The miniature trains on the kinds of `scenes`; colours and grounds are its other "
        "sets.",
    ),
)
