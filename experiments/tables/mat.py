"""MAT's main table and Figures 2 to 5 (Waseda et al., WACV 2026), whose figures are not at hand."""

from experiments.tables.short_trainings import FARE, MAT, MAT_PLUS, TECOA, TECOA_ITR
from experiments.tables.table import Table

DEFENDED = (TECOA, TECOA_ITR, FARE, MAT, MAT_PLUS)
MODELS = ",".join(["scenes-clip", *(one.model for one in DEFENDED)])
TRAIN = "python -m mat_jax.train --config experiments/papers/{}.py --set root=data"
STUDY = "python -m experiments.study --only {} --seeds 3"

TABLES = (
    Table(
        name="mat_main",
        title="MAT, main table: retrieval on Flickr30k and COCO under unimodal and joint attacks",
        commands=(
            *(
                TRAIN.format(name)
                for name in (
                    "mat_clip_flickr30k",
                    "mat_clip_coco",
                    "mat_albef_flickr30k",
                    "mat_plus_clip_flickr30k",
                    "tecoa_itr_clip_flickr30k",
                    "fare_clip_flickr30k",
                )
            ),
            "python -m mat_jax.evaluate \\",
            "    --model clip-vit-base-patch16,TECOA_ITR,FARE,MAT,MAT_PLUS \\",
            "    --data data/flickr30k_test.json --images data/flickr30k \\",
            "    --mlm google-bert/bert-base-uncased --attacks pgd,bert_attack,co_attack,sga \\",
            "    --preset official --out DIR",
            STUDY.format("main"),
        ),
        miniature=f"--model {MODELS} --attacks pgd,bert_attack,co_attack,sga --eps 6/255 "
        "--limit 100 --checks 0 --suite none",
        trainings=DEFENDED,
        note="The last command is it on `scenes` with three seeds: ten defences, two models.",
    ),
    Table(
        name="mat_figure_2",
        title="MAT, Figure 2: alignment, diversity and gap of augmentations against robustness",
        commands=(STUDY.format("augmentations"),),
        note="With real data: `python -m mat_jax.augment` makes the partners and measures them.",
    ),
    Table(
        name="mat_figure_3",
        title="MAT, Figure 3: how many partners",
        commands=(STUDY.format("counts"),),
    ),
    Table(
        name="mat_figure_4",
        title="MAT, Figure 4: new data, 1:N, the same without 1:N, and none",
        commands=(STUDY.format("budget"),),
    ),
    Table(
        name="mat_figure_5",
        title="MAT, Figure 5: what is retrieved under SGA, TeCoA-ITR beside MAT+",
        commands=(
            "python -m mat_jax.evaluate --model TECOA_ITR,MAT_PLUS --attacks sga \\",
            "    --data data/flickr30k_test.json --images data/flickr30k \\",
            "    --mlm google-bert/bert-base-uncased --preset official --suite none --out DIR",
        ),
        miniature=f"--model {TECOA_ITR.model},{MAT_PLUS.model} --attacks sga --eps 6/255 "
        "--limit 100 --checks 0 --suite none",
        trainings=(TECOA_ITR, MAT_PLUS),
        note="The page shows the nearest pictures and captions of some queries.",
    ),
)
