"""Settings of our own: what is tried on validation scenes, and what of it the test scenes see."""

from dataclasses import replace

from experiments.study.augmented import DATA
from experiments.study.plan import RUNS, Run
from experiments.study.published import main, named_on, on

# The attack and loss are TeCoA-ITR's, and the text tower stays as it was.
STILL = ("part=vision", "words=0")
# Settings of our own on CLIP, beside MAT and MAT+: {run: (title, settings)}.
BEYOND: dict[str, tuple[str, tuple[str, ...]]] = {
    "mat": ("MAT", ()),
    "wide": ("MAT, radius 9/255", ("radius=9/255",)),
    "promising": ("MAT, promising words", ("search=promising",)),
    "truthful": ("MAT, words that leave captions true", ("constraint=truthful",)),
    "vision": ("MAT, image tower alone", ("part=vision",)),
    "vision_still": ("TeCoA-ITR, image tower alone", STILL),
    "vision_plus": ("MAT+, image tower alone", ("part=vision", "texts=5")),
    "vision_plus_clean": (
        "MAT+, image tower alone, with clean pairs",
        ("part=vision", "clean=1.0", "texts=5"),
    ),
    "still_plus": ("TeCoA-ITR with five texts, image tower alone", (*STILL, "texts=5")),
    "still_plus_high": (
        "TeCoA-ITR with five texts, image tower alone, 1 step, rate kept high",
        (*STILL, "texts=5", "pgd_steps=1", "horizon=3"),
    ),
    "fast": ("MAT, 3 updates a batch", ("pgd_steps=1", "replays=3")),
    "fast_plus": ("MAT+, 3 updates a batch", ("texts=5", "pgd_steps=1", "replays=3")),
    # These in no more computing than MAT+ of 200 steps.
    "vision_longer": ("MAT, image tower alone, 600 steps", ("part=vision", "steps=600")),
    "still_longer": ("TeCoA-ITR, image tower alone, 1,300 steps", (*STILL, "steps=1300")),
    "fast_plus_short": (
        "MAT+, 3 updates a batch, 152 batches",
        ("texts=5", "pgd_steps=1", "replays=3", "steps=152"),
    ),
    "fast_longer": (
        "MAT, 3 updates a batch, 434 batches",
        ("pgd_steps=1", "replays=3", "steps=434"),
    ),
    "fast_vision_longer": (
        "MAT, image tower alone, 3 updates a batch, 484 batches",
        ("part=vision", "pgd_steps=1", "replays=3", "steps=484"),
    ),
    "high": ("MAT, 1 step, rate kept high", ("pgd_steps=1", "horizon=3")),
    "high_random": (
        "MAT, 1 step, rate kept high, random words",
        ("pgd_steps=1", "horizon=3", "search=random"),
    ),
    "high_plus": ("MAT+, 1 step, rate kept high", ("texts=5", "pgd_steps=1", "horizon=3")),
    "pictures": ("MAT with two T-I2I pictures", ("pictures=2",)),
    "pictures_plus": ("MAT+ with two T-I2I pictures", ("texts=5", "pictures=2")),
}
# The partner pictures of these.
PICTURES = "t_i2i_whole"
DRAWN = ("--data", "scenes", "--limit", "4000", "--how", "t_i2i", "--count", "2")
# Means of the weights that runs trained, above or in `main`; of one run, its model.
SOUPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "plus": ("MAT+", ("clip-mat_plus",)),
    "soup_two": ("soup of MAT and MAT+", ("clip-mat", "clip-mat_plus")),
    "soup_three": (
        "soup of MAT, MAT+ and MAT, rate kept high",
        ("clip-mat", "clip-mat_plus", "high"),
    ),
    "soup_vision": (
        "soup of MAT+, and MAT+ of the image tower alone",
        ("clip-mat_plus", "vision_plus"),
    ),
    "soup_still": (
        "soup of MAT+, and TeCoA-ITR of the image tower alone",
        ("clip-mat_plus", "vision_still"),
    ),
    "soup_longer": (
        "soup of MAT, all and image tower alone, 600 steps each",
        ("longer", "vision_longer"),
    ),
    "soup_fast_longer": (
        "soup of MAT, all and image tower alone, 3 updates a batch",
        ("fast_longer", "fast_vision_longer"),
    ),
    "soup_fare": ("soup of FARE and MAT+", ("clip-fare", "clip-mat_plus")),
    "soup_plus": ("soup of MAT+, and MAT+ kept high", ("clip-mat_plus", "high_plus")),
    "soup_plus_fare": (
        "soup of FARE, MAT+, and MAT+ kept high",
        ("clip-fare", "clip-mat_plus", "high_plus"),
    ),
}
# Of these, the ones that the validation scenes favoured, measured on the test scenes; and
# `fast_plus_short`, which is there to set `fast_plus` beside MAT+ at equal cost.
CHOSEN: tuple[str, ...] = (
    "high",
    "high_plus",
    "soup_plus",
    "pictures",
    "pictures_plus",
    "vision_still",
    "vision_plus",
    "fast_plus",
    "fast_plus_short",
    "fast_longer",
    "vision_longer",
    "fast_vision_longer",
    "soup_longer",
)
# Of these, the ones that ALBEF's test scenes see too.
CHOSEN_ALBEF: tuple[str, ...] = ("vision_still", "vision_plus")
# Not ours: the published in more steps, by which those are measured that cost more; MAT in as much
# computing as MAT+, and as `soup_longer`, and MAT+ in as much as with three updates a batch.
LONGER: dict[str, tuple[str, tuple[str, ...]]] = {
    "longer": ("MAT, three times the steps", ("steps=600",)),
    "longest": ("MAT, six times the steps", ("steps=1200",)),
    "longer_plus": ("MAT+, a third more steps", ("texts=5", "steps=264")),
}


def beyond() -> list[Run]:
    """Our settings on the validation scenes, and those chosen there on the test scenes."""
    names = [(name, "val") for name in (*BEYOND, *LONGER, *SOUPS)]
    names += [(name, "test") for name in (*CHOSEN, *LONGER)]
    of_clip = [_mixed(*one) if one[0] in SOUPS else _ours(*one) for one in names]
    return [*of_clip, *(on_albef(name, "test") for name in CHOSEN_ALBEF)]


def on_albef(name: str, split: str = "val") -> Run:
    """One of our settings on ALBEF; with "val" no run, but a training for others to measure."""
    run = _ours(name, split)
    of_test = "test-" if split == "test" else ""
    training = named_on("albef", name)
    return replace(on("albef", run), name=f"albef-{of_test}{name}", training=training)


def _ours(name: str, split: str) -> Run:
    title, settings = (BEYOND | LONGER)[name]
    drawn = any(setting.startswith("pictures=") for setting in settings)
    steps = int(dict(setting.split("=") for setting in settings).get("steps", 200))
    return Run(
        study="beyond",
        name=f"{split}-{name}",
        title=title,
        config=RUNS / "beyond.py",
        settings=(*settings, f"split={split}"),
        training=name,
        manifest=DRAWN if drawn else (),
        folder=DATA / PICTURES if drawn else None,
        minutes=(24.0 if "texts=5" in settings else 8.0) * steps / 200,
    )


def _mixed(name: str, split: str) -> Run:
    title, trained = SOUPS[name]
    of_main = {run.name: run for run in main()}
    ingredients = tuple(of_main.get(one) or _ours(one, "val") for one in trained)
    return replace(
        _ours("mat", split),
        name=f"{split}-{name}",
        title=title,
        training=name,
        ingredients=ingredients,
        minutes=3.0,
    )
