"""The studies: which runs there are, and what each is called in tables."""

from dataclasses import replace
from fnmatch import fnmatch
from functools import cache

from mat_jax.study.plan import Run, home

MODELS = {"clip": "scenes-clip", "albef": "scenes-albef"}

# Setting -> title, in the order of the tables.
DEFENSES = {
    "none": "none",
    "fine_tune": "fine-tuning",
    "tecoa": "TeCoA",
    "tecoa_itr": "TeCoA-ITR",
    "fare": "FARE",
    "mmcoa": "MMCoA",
    "mava": "MAVA",
    "leaf": "LEAF",
    "fare_leaf": "FARE + LEAF",
    "mat": "MAT",
    "mat_plus": "MAT+",
}


def main() -> list[Run]:
    """Every defence on CLIP and ALBEF."""
    return [
        Run(
            study="main",
            name=f"{short}-{defense}",
            title=title,
            config=home() / "defenses.py",
            settings=(f"model={model}", *_setting(defense)),
            trained=defense != "none",
            minutes=(8.0 if short == "clip" else 16.0) if defense != "none" else 4.0,
        )
        for short, model in MODELS.items()
        for defense, title in DEFENSES.items()
    ]


def _setting(defense: str) -> tuple[str, ...]:
    # What is not trained has no defence; the setting only has to be one.
    return ("defense=fine_tune",) if defense == "none" else (f"defense={defense}",)


@cache
def every() -> dict[str, tuple[Run, ...]]:
    """Study -> its runs of seed 0; one run may be in several studies and is carried out once."""
    return {"main": tuple(main())}


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
    for name, runs in studies.items():
        for seed in range(seeds):
            for run in runs:
                wanted = not only or any(p == name or fnmatch(run.key, p) for p in only)
                if wanted and (run.trained or seed == 0):
                    found.setdefault(f"{run.key}-{seed}", replace(run, seed=seed))
    return list(found.values())
