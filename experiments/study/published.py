"""The main table: defences that others published, on CLIP and ALBEF; some gently, some longer."""

from dataclasses import replace

from experiments.study.plan import RUNS, Run

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
            config=RUNS / "defenses.py",
            settings=(f"model={model}", *setting_of(defense)),
            trained=defense != "none",
            minutes=(8.0 if short == "clip" else 16.0) if defense != "none" else 4.0,
        )
        for short, model in MODELS.items()
        for defense, title in DEFENSES.items()
    ]


def on(short: str, run: Run) -> Run:
    """A run of CLIP's on one of the models; on CLIP it is the run itself."""
    model = () if short == "clip" else (f"model={MODELS[short]}",)
    return replace(run, name=named_on(short, run.name), settings=(*model, *run.settings))


def named_on(short: str, name: str) -> str:
    """What a run of CLIP's is called on one of the models: `eda`, `albef-eda`."""
    return name if short == "clip" else f"{short}-{name}"


GENTLE = ("tecoa", "fare", "mmcoa", "mava")
UNIMODAL = ("tecoa", "tecoa_itr", "fare")


def gentle() -> list[Run]:
    """At a tenth of the learning rate, those whose order is not the papers'."""
    return [_once_more("gentle", defense, "lr 6e-5", "lr=6e-5") for defense in GENTLE]


def longer() -> list[Run]:
    """Those that attack images alone in twice the steps: what MAT costs (TeCoA 0.9 of it)."""
    return [_once_more("longer", defense, "400 steps", "steps=400") for defense in UNIMODAL]


def _once_more(study: str, defense: str, said: str, setting: str) -> Run:
    """A run of the main table on CLIP with another setting."""
    return Run(
        study=study,
        name=f"clip-{defense}",
        title=f"{DEFENSES[defense]}, {said}",
        config=RUNS / "defenses.py",
        settings=(f"model={MODELS['clip']}", *setting_of(defense), setting),
    )


def setting_of(defense: str) -> tuple[str, ...]:
    """What chooses a defence, as after `--set`."""
    # What is not trained has no defence; the setting only has to be one.
    return ("defense=fine_tune",) if defense == "none" else (f"defense={defense}",)
