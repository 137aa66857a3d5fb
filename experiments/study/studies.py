"""The studies: which runs there are, and what each is called in tables."""

from dataclasses import replace
from fnmatch import fnmatch
from functools import cache

from experiments.study.above import aerial
from experiments.study.answered import classes, judged
from experiments.study.augmented import KINDS, augmentations, augmented_runs
from experiments.study.ours import beyond, on_albef
from experiments.study.plan import RUNS, Run
from experiments.study.published import DEFENSES, MODELS, gentle, longer, main, on, setting_of

# Axis -> {run: (title, settings)}; the default of every axis is MAT itself, the run "mat".
STRATEGIES: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    "order of the attacks": {
        "image_first": ("image, then text", ("order=image_first",)),
        "alternating": ("text, image, text, image", ("order=alternating",)),
        "independent": ("each against the clean other", ("order=independent",)),
    },
    "what the image climbs": {
        "away": ("away from its attacked text", ("objective=away",)),
        "kl": ("KL from the clean image", ("objective=kl",)),
        "far": ("distance from the clean image", ("objective=far",)),
        "nce_both_texts": ("InfoNCE of attacked and clean text", ("objective=nce_both_texts",)),
    },
    "what the text climbs": {
        "text_kl": ("KL from the clean text", ("text_objective=kl",)),
    },
    "pairs learnt from": {
        "both_image": ("(x', t') and (x', t)", ("pairs=both+image",)),
        "both_text": ("(x', t') and (x, t')", ("pairs=both+text",)),
        "both_clean": ("(x', t') and (x, t)", ("pairs=both+clean",)),
        "all_pairs": ("all four", ("pairs=all",)),
        "crossed": ("(x', t) and (x, t')", ("pairs=crossed",)),
    },
    "weights that train": {
        "vision": ("image tower", ("part=vision",)),
        "text": ("text tower", ("part=text",)),
        "projections": ("projections", ("part=projections",)),
        "lora": ("LoRA of rank 8 in both towers", ("rank=8",)),
    },
    "mean of the weights": {
        "average_95": ("decay 0.95", ("average=0.95",)),
    },
    "steps of PGD": {
        "pgd_1": ("1", ("pgd_steps=1",)),
        "pgd_5": ("5", ("pgd_steps=5",)),
    },
    "words replaced": {
        "words_0": ("0", ("words=0",)),
        "words_2": ("2", ("words=2",)),
    },
    "share of texts attacked": {
        "share_25": ("0.25", ("share=0.25",)),
        "share_50": ("0.5", ("share=0.5",)),
    },
    "updates with a batch": {
        "replays_3": ("3, PGD by the gradients of the update before", ("replays=3",)),
        "replays_3_short": ("the same, and as many updates as MAT", ("replays=3", "steps=67")),
    },
}

DEFAULTS = {
    "order of the attacks": "text, then image",
    "what the image climbs": "InfoNCE of the attacked pairs",
    "what the text climbs": "away from the clean image",
    "pairs learnt from": "(x', t')",
    "weights that train": "all",
    "mean of the weights": "none, the last",
    "steps of PGD": "2",
    "words replaced": "1",
    "share of texts attacked": "1",
    "updates with a batch": "1",
}


def strategies() -> list[Run]:
    """MAT, and its strategies, one axis moved at a time, on CLIP."""
    moved = [one for axis in STRATEGIES.values() for one in axis.items()]
    return [
        Run(
            study="strategies",
            name=name,
            title=title,
            config=RUNS / "strategies.py",
            settings=settings,
            minutes=8.0 if name in ("alternating", "pgd_5") else 5.0,
        )
        for name, (title, settings) in [("mat", ("MAT", ())), *moved]
    ]


# Part or size -> {run: (title, x of the figure or None, settings)}; the defaults are run "whole".
MAVA: dict[str, dict[str, tuple[str, float | None, tuple[str, ...]]]] = {
    "parts": {
        "no_cms": ("without CMS", None, ("cms=0",)),
        "no_vsse": ("without VSSE", None, ("vsse=0",)),
        "no_sca": ("without SCA", None, ("sca=0",)),
    },
    "neighbours": {
        f"neighbours_{n}": (f"{n} neighbours", float(n), (f"neighbours={n}",)) for n in (0, 1, 2, 4)
    },
    "captions": {f"texts_{n}": (f"{n} captions", float(n), (f"texts={n}",)) for n in (1, 2, 3)},
    "steps": {f"steps_{n}": (f"{n} updates", float(n), (f"steps={n}",)) for n in (50, 100, 400)},
}
MAVA_DEFAULTS = {"neighbours": 3.0, "captions": 5.0, "steps": 200.0}
MAVA_AXES = {"neighbours": "neighbours N", "captions": "captions M", "steps": "updates"}


def mava() -> list[Run]:
    """MAVA, without each of its parts, and with more or less of each size, on CLIP."""
    moved = [(name, *one) for group in MAVA.values() for name, one in group.items()]
    return [
        Run(
            study="mava",
            name=name,
            title=title,
            config=RUNS / "mava.py",
            settings=settings,
            minutes=7.0,
        )
        for name, title, _, settings in [("whole", "MAVA", None, ()), *moved]
    ]


# Figure 4 of MAT's paper: {run: (title, settings)}.
BUDGET: dict[str, tuple[str, tuple[str, ...]]] = {
    "original": ("(a) original pairs", ("way=original",)),
    "pairs": ("(b) more texts, each a pair", ("way=pairs",)),
    "one_to_many": ("(c) more texts, 1:N (MAT+)", ("way=one_to_many",)),
    "averaged": ("(c) with N losses averaged", ("way=averaged",)),
    "one_to_many_short": ("(c) with as many pairs seen", ("way=one_to_many", "steps=40")),
    "new": ("(d) new pairs", ("way=new",)),
}


def budget(short: str = "clip") -> list[Run]:
    """Four ways to more pairs."""
    runs = (
        Run(
            study="budget",
            name=name,
            title=title,
            config=RUNS / "budget.py",
            settings=settings,
            minutes=9.0 if name in ("one_to_many", "averaged") else 4.0,
        )
        for name, (title, settings) in BUDGET.items()
    )
    return [on(short, run) for run in runs]


def counts() -> dict[str, dict[float, Run]]:
    """Figure 3: modality -> how many partners -> the run; none is a run of `budget`."""
    own = {run.name: run for run in budget()}
    texts = {
        float(n - 1): Run(
            study="counts",
            name=f"texts_{n}",
            title=f"{n} texts, 1:N",
            config=RUNS / "budget.py",
            settings=("way=one_to_many", f"texts={n}"),
            minutes=4.0 + n,
        )
        for n in (2, 3, 4)
    }
    images = {float(n): augmented_runs("counts", "t_i2i", KINDS["t_i2i"], n) for n in (1, 2)}
    whole = {run.name: run for run in augmentations()}
    return {
        "texts": {0.0: own["original"], **texts, 4.0: own["one_to_many"]},
        "pictures": {0.0: own["original"], **images, 4.0: whole["t_i2i"]},
    }


WORDS = {"any": "none", "true": "truthful"}
GROUNDING = ("none", "tecoa", "tecoa_itr", "fare", "mava", "mat", "mat_plus", "mat_truthful")


def grounding() -> list[Run]:
    """Phrases grounded by ALBEF as `main` trained it, under attack by any word and by true ones.

    And by MAT that learnt against true words: whether false ones teach it to heed words less.
    """
    trained = {run.name.removeprefix("albef-"): run for run in main()}
    trained["mat_truthful"] = on_albef("truthful")
    return [
        Run(
            study="grounding",
            name=f"{words}-{name}",
            title=trained[name].title,
            config=RUNS / "grounding.py",
            settings=(f"constraint={constraint}",),
            trained=name != "none",
            ingredients=() if name == "none" else (trained[name],),
            task="grounding",
            minutes=1.5,
        )
        for words, constraint in WORDS.items()
        for name in GROUNDING
    ]


CAPTIONERS = ("none", "fine_tune", "fare", "mava", "mat", "mat_plus")


def captioning() -> list[Run]:
    """BLIP's captioner under attack."""
    return [
        Run(
            study="captioning",
            name=name,
            title=DEFENSES[name],
            config=RUNS / "captioning.py",
            settings=setting_of(name),
            trained=name != "none",
            task="captioning",
            minutes=8.0 if name != "none" else 2.0,
        )
        for name in CAPTIONERS
    ]


PHOTOGRAPHS = ("none", "fine_tune", "tecoa_itr", "fare", "mava", "mat", "mat_plus")


def photographs() -> list[Run]:
    """The main table, short, on Flickr8k."""
    return [
        Run(
            study="photographs",
            name=name,
            title=DEFENSES[name],
            config=RUNS / "photographs.py",
            settings=setting_of(name),
            trained=name != "none",
            minutes=15.0,
        )
        for name in PHOTOGRAPHS
    ]


@cache
def every() -> dict[str, tuple[Run, ...]]:
    """Study -> its runs of seed 0; one run may be in several studies and is carried out once."""
    of_main = {run.key: run for run in main()}
    budgets = {run.name: run for short in MODELS for run in budget(short)}
    originals = (budgets["original"], budgets["albef-original"])
    return {
        "main": tuple(of_main.values()),
        "gentle": tuple(gentle()),
        "longer": tuple(longer()),
        "strategies": tuple(strategies()),
        "mava": tuple(mava()),
        "beyond": tuple(beyond()),
        "budget": tuple(budgets.values()),
        "counts": tuple(run for runs in counts().values() for run in runs.values()),
        "augmentations": (*originals, *(run for short in MODELS for run in augmentations(short))),
        "neighbours": (of_main["main/clip-tecoa_itr"], of_main["main/clip-mat_plus"]),
        "grounding": tuple(grounding()),
        "captioning": tuple(captioning()),
        "entailment": tuple(judged("entailment")),
        "vqa": tuple(judged("vqa")),
        "classes": tuple(classes()),
        "photographs": tuple(photographs()),
        "aerial": tuple(aerial()),
    }


def chosen(only: tuple[str, ...], seeds: int) -> list[Run]:
    """The runs to carry out, each once: one seed of all, then the next.

    Args:
        only: names of studies ("main") or of runs ("main/clip-mat", "main/albef-*"); none for all.
        seeds: 0, 1, ... below this; what is not trained has only 0.

    Raises:
        ValueError: a name that nothing has.
    """
    studies = every()
    for pattern in only:
        if pattern not in studies and not any(
            fnmatch(run.key, pattern) for runs in studies.values() for run in runs
        ):
            raise ValueError(
                f"no study or run {pattern!r}: there are the studies {', '.join(studies)}, and "
                "runs such as main/clip-mat or main/albef-*"
            )
    found: dict[str, Run] = {}
    for seed in range(seeds):
        for name, runs in studies.items():
            for run in runs:
                wanted = not only or any(p == name or fnmatch(run.key, p) for p in only)
                if wanted and (run.trained or seed == 0):
                    found.setdefault(f"{run.key}-{seed}", replace(run, seed=seed))
    return list(found.values())
