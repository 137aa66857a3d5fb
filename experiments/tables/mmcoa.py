"""MMCoA's tables (Zhou et al., 2024): fifteen sets, three attacks; figures are not at hand."""

from experiments.tables.short_trainings import FARE, MMCOA, TECOA
from experiments.tables.table import Table

DEFENDED = (TECOA, FARE, MMCOA)
MODELS = ",".join(["scenes-clip", *(one.model for one in DEFENDED)])
ATTACKS = "--attacks pgd_ce,mmcoa_text,mmcoa,mmcoa_joint"

TABLES = (
    Table(
        name="mmcoa_sets",
        title="MMCoA: clean, image, text and joint attacks on the training set and on others",
        commands=(
            "python -m mat_jax.train --config experiments/papers/mmcoa_cifar100.py --set root=data",
            "for SET in cifar100 cifar10 dtd eurosat; do",
            "  python -m mat_jax.evaluate --task zero_shot --model clip-vit-base-patch32,MMCOA \\",
            f"    --data set:$SET {ATTACKS} --eps 1/255 --steps 100 \\",
            "    --mlm google-bert/bert-base-uncased --suite none --out DIR/$SET",
            "done",
        ),
        miniature=f"--task zero_shot --model {MODELS} {ATTACKS} --eps 2/255 --limit 300 --checks 0 "
        "--suite none",
        trainings=DEFENDED,
        note="The miniature has one set, the kinds of `scenes`, that TeCoA and MMCoA train on. All "
        "sets by name: `data.PUBLISHED_SETS`.",
    ),
)
