"""What is drawn of each study: its tables, and figures in the folder beside them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from experiments.study import answered_sections, augmented, studies
from experiments.study.found import neighbours
from experiments.study.front import section as beyond
from experiments.study.orderings import section as orderings
from experiments.study.plan import Run
from experiments.study.published import MODELS
from experiments.study.saved import Shelf, measures
from experiments.study.setting import ATTACKS
from experiments.study.tables import BRIEF, COLUMNS, costs, drawn, protocol, recalls, table, unique
from mat_jax.evaluate.report import plot
from mat_jax.evaluate.report.wording import title

# `(shelf, results) -> Markdown`, empty where nothing of the study was carried out.
Section = Callable[[Shelf, Path], str]


def main(shelf: Shelf, results: Path) -> str:
    """Every defence under every attack, one table a model and metric; a bar chart of means.

    Some of them once more: at a lower learning rate, or in more steps.
    """
    parts = []
    for short, model in MODELS.items():
        runs = [r for r in studies.every()["main"] if r.name.startswith(f"{short}-")]
        parts += compared(shelf, results, runs, f"main-{short}", model)
    for study, how in {"gentle": "a tenth of the learning rate", "longer": "400 steps"}.items():
        runs = list(studies.every()[study])
        name = f"{MODELS['clip']}, {how}"
        parts += compared(shelf, results, runs, f"main-clip-{study}", name)
    return "\n\n".join(parts)


def compared(shelf: Shelf, results: Path, runs: list[Run], file: str, name: str) -> list[str]:
    """Defences side by side: TR@1, IR@1, a chart of their mean, and costs."""
    there = unique(run for run in runs if run.key in shelf)
    if not there:
        return []
    groups = {
        title(attack): {run.title: shelf.spread(run.key, attack) for run in there}
        for attack in COLUMNS
    }
    chart = plot.bars(groups, title=f"{name}: mean of TR@1 and IR@1 ± sd")
    return [
        f"### {name}",
        protocol(shelf, there),
        recalls(shelf, there, "tr@1"),
        recalls(shelf, there, "ir@1"),
        drawn(results, file, chart, f"{name} under every attack"),
        costs(shelf, there),
    ]


def strategies(shelf: Shelf, results: Path) -> str:
    """One table an axis of MAT, its default first."""
    runs = {run.name: run for run in studies.every()["strategies"]}
    parts = []
    for axis, names in studies.STRATEGIES.items():
        own = [replace(runs[name], title=title) for name, (title, _) in names.items()]
        if any(run.key in shelf for run in own):
            default = replace(runs["mat"], title=f"MAT: {studies.DEFAULTS[axis]}")
            parts.append(f"**{axis[0].upper()}{axis[1:]}**")
            parts.append(recalls(shelf, [default, *own], "mean", BRIEF))
    if parts:
        parts.insert(0, protocol(shelf, list(runs.values())))
    return "\n\n".join(parts)


def mava(shelf: Shelf, results: Path) -> str:
    """MAVA's table 4, and a line for each of its sizes."""
    runs = {run.name: run for run in studies.every()["mava"]}
    whole = runs["whole"]
    parts = []
    for group, names in studies.MAVA.items():
        own = [runs[name] for name in names]
        if not any(run.key in shelf for run in own):
            continue
        if group == "parts":
            parts += [recalls(shelf, [whole, *own], figure) for figure in ("tr@1", "ir@1")]
            continue
        places = {runs[name].key: x for name, (_, x, _) in names.items() if x is not None}
        places[whole.key] = studies.MAVA_DEFAULTS[group]
        chart = swept(shelf, places, f"MAVA: {group}", studies.MAVA_AXES[group])
        parts.append(drawn(results, f"mava-{group}", chart, f"MAVA by {group}"))
    if parts:
        parts.insert(0, protocol(shelf, list(runs.values())))
    return "\n\n".join(parts)


def swept(shelf: Shelf, places: Mapping[str, float], name: str, axis: str) -> str:
    """Lines over a size, one an attack: `places` says where each run stands."""
    series = {
        title(attack): [
            plot.Point(x, shelf.spread(key, attack)) for key, x in places.items() if key in shelf
        ]
        for attack in BRIEF
    }
    return plot.lines(series, title=f"{name}: mean of TR@1 and IR@1", x=axis)


def budget(shelf: Shelf, results: Path) -> str:
    """Figure 4 of MAT's paper: ways to more pairs, on each model."""
    parts = [part for short in MODELS for part in _budget(shelf, results, short)]
    return "\n\n".join(parts)


def _budget(shelf: Shelf, results: Path, short: str) -> list[str]:
    there = [run for run in studies.budget(short) if run.key in shelf]
    if not there:
        return []
    groups = {
        title(attack): {run.title: shelf.spread(run.key, attack) for run in there}
        for attack in BRIEF
    }
    name = f"{MODELS[short]}, more pairs four ways"
    chart = plot.bars(groups, title=f"{name}: mean of TR@1 and IR@1")
    return [
        f"### {MODELS[short]}",
        protocol(shelf, there),
        recalls(shelf, there, "mean", BRIEF),
        drawn(results, f"budget-{short}", chart, name),
        costs(shelf, there),
    ]


def counts(shelf: Shelf, results: Path) -> str:
    """Figure 3 of MAT's paper: how many partners."""
    parts = []
    for kind, runs in studies.counts().items():
        places = {run.key: count for count, run in runs.items()}
        if sum(key in shelf for key in places) < 2:
            continue
        chart = swept(shelf, places, f"MAT+ by partner {kind}", f"partner {kind} of a pair")
        own = [
            replace(run, title=f"{n:.0f} partner {kind.removesuffix('s') if n == 1 else kind}")
            for n, run in sorted(runs.items())
        ]
        parts += [protocol(shelf, own), recalls(shelf, own, "mean", BRIEF)]
        parts.append(drawn(results, f"counts-{kind}", chart, f"MAT+ by number of {kind}"))
    return "\n\n".join(parts)


PROPERTIES = {
    "alignment": "alignment: mean cosine with the other modality's original",
    "diversity": "diversity: mean 1 - cosine among the partners of one item",
    "frechet": "distribution gap: Frechet distance to the originals",
    "mmd": "distribution gap: squared MMD to the originals",
}


def augmentations(shelf: Shelf, results: Path) -> str:
    """Figure 2 of MAT's paper: three properties of augmentations against what they are worth."""
    parts = [part for short in MODELS for part in _augmentations(shelf, results, short)]
    return "\n\n".join(parts)


def _augmentations(shelf: Shelf, results: Path, short: str) -> list[str]:
    runs = dict(zip(augmented.KINDS, augmented.augmentations(short), strict=True))
    none = dict(zip(studies.BUDGET, studies.budget(short), strict=True))["original"]
    there = [run for run in (none, *runs.values()) if run.key in shelf]
    if len(there) < 2:
        return []
    parts = [f"### {MODELS[short]}", protocol(shelf, there), recalls(shelf, there, "mean", BRIEF)]
    found = {name: measures(results, name) for name in augmented.KINDS}
    head = ["augmentation", "kind", *PROPERTIES, "truth", title("sga")]
    rows = []
    for name, kind in augmented.KINDS.items():
        own = found[name]
        if own is not None:
            figures = [own.get(p) for p in (*PROPERTIES, "truth")]
            cells = ["–" if value is None else f"{value:.3f}" for value in figures]
            rows.append([kind.title, kind.family, *cells, str(shelf.spread(runs[name].key, "sga"))])
    if rows:
        parts.append(table(head, rows))
    for prop, said in PROPERTIES.items():
        for pictures, what in ((False, "texts"), (True, "pictures")):
            marks = [
                plot.Point(
                    float(own[prop]),
                    shelf.spread(runs[name].key, "sga"),
                    augmented.KINDS[name].title,
                    augmented.FAMILIES.index(augmented.KINDS[name].family),
                )
                for name, own in found.items()
                if own is not None and prop in own and augmented.KINDS[name].pictures is pictures
            ]
            marks = [mark for mark in marks if mark.y.count]
            if len(marks) > 1:
                chart = plot.points(
                    marks,
                    augmented.FAMILIES,
                    title=f"{MODELS[short]}, partner {what}: SGA, mean of TR@1 and IR@1",
                    x=said,
                )
                file = f"augmentations-{short}-{what}-{prop}"
                parts.append(drawn(results, file, chart, f"{what}: {said}"))
    return parts


GROUNDED = "The model says which of a scene's four objects is meant; by chance 25 % are right."


def grounding(shelf: Shelf, results: Path) -> str:
    """Phrases grounded under attack, by any word and by such as leave the phrase true."""
    every = studies.every()["grounding"]
    parts = []
    for words, said in (
        ("any", "Any word may be put in, as in the papers:"),
        ("true", "Only such as leave a phrase naming its object and no other:"),
    ):
        there = [run for run in every if run.name.startswith(f"{words}-") and run.key in shelf]
        if there:
            attacks = shelf.of(there[0].key)[0].content["attacks"]
            if not parts:
                parts = [protocol(shelf, every), GROUNDED]
            parts += [said, recalls(shelf, there, "accuracy", list(attacks))]
    return "\n\n".join(parts)


CAPTIONED = (
    "Of c things that a caption claims and n in the scene, r claims are true of a thing of their "
    "own: 2 r / (c + n). Away from its own captions and towards another picture's climb the "
    "captioner itself; the other attacks are pictures that break the retrieval of scenes-albef."
)


def captioning(shelf: Shelf, results: Path) -> str:
    """What a captioner still says rightly under attack, and what it says of one scene."""
    there = [run for run in studies.every()["captioning"] if run.key in shelf]
    if not there:
        return ""
    first = shelf.of(there[0].key)[0].content
    attacks = list(first["attacks"])
    chance = f"Captions agree with the next scene, not theirs, to {first['protocol']['chance']} %."
    parts = [protocol(shelf, there), f"{CAPTIONED} {chance}"]
    parts += [recalls(shelf, there, figure, attacks) for figure in ("agreement", "true")]
    rows = [
        [run.title, *(shelf.of(run.key)[0].content["written"][attack][0] for attack in attacks)]
        for run in there
    ]
    parts += ["Of the first scene they say:"]
    parts += [table(["", *(title(attack) for attack in attacks)], rows), costs(shelf, there)]
    return "\n\n".join(parts)


def photographs(shelf: Shelf, results: Path) -> str:
    """The main table on photographs; a model that learnt from so few is seen best at ten."""
    runs = list(studies.every()["photographs"])
    parts = compared(shelf, results, runs, "photographs", "Flickr8k")
    if parts:
        # Without the worst case: its suite goes on only with what is still found first.
        parts += [recalls(shelf, runs, figure, ATTACKS) for figure in ("tr@10", "ir@10")]
        parts.append(
            "By chance TR@10 and IR@10 are near 10 %, and both @1 near 1 %: ten of 100 pictures, "
            "and ten of 500 captions, five of them a picture's own."
        )
    return "\n\n".join(parts)


ABOVE = (
    "A world of our own in RSICD's form, not RSICD. "
    "A model learns 3,000 pairs of one caption and one picture, real or drawn for the caption; it "
    "then learns 200 steps more, plainly or with a defence. Measured are real pictures: retrieval, "
    "and which of 30 classes a picture is of (by chance 3.3 %)."
)


def above(shelf: Shelf, results: Path) -> str:
    """Models of real and of drawn pairs, defended and not: retrieval and classes."""
    runs = list(studies.every()["aerial"])
    parts = []
    for task, figures in (("retrieval", ("tr@1", "ir@1")), ("zero_shot", ("accuracy",))):
        there = [run for run in runs if run.task == task and run.key in shelf]
        if there:
            attacks = list(shelf.of(there[0].key)[0].content["attacks"])
            parts.append(protocol(shelf, there))
            parts += [recalls(shelf, there, figure, attacks) for figure in figures]
    return "\n\n".join([ABOVE, *parts]) if parts else ""


SECTIONS: dict[str, tuple[str, Section]] = {
    "main": ("Every defence under every attack", main),
    "strategies": ("MAT's strategies, inside and outside", strategies),
    "beyond": ("Settings of our own", beyond),
    "mava": ("MAVA's parts and sizes", mava),
    "budget": ("More pairs, four ways", budget),
    "counts": ("How many partners", counts),
    "augmentations": ("What makes a good augmentation", augmentations),
    "neighbours": ("What is found under attack", neighbours),
    "grounding": ("Phrases grounded under attack", grounding),
    "captioning": ("Captions under attack", captioning),
    "entailment": ("Verdicts on sentences under attack", answered_sections.entailment),
    "vqa": ("Answers to questions under attack", answered_sections.questions),
    "classes": ("Classes in and out of distribution", answered_sections.classes),
    "photographs": ("On photographs", photographs),
    "aerial": ("Aerial pictures, real and drawn", above),
    "orderings": ("What the papers found, looked for here", orderings),
}
