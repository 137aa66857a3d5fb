"""The study's tables as Markdown, and a chart of accuracy over shots."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from experiments.few_shot.sets import short
from experiments.few_shot.study import ATTACKS, Study, results, top
from mat_jax.evaluate.report import plot
from mat_jax.evaluate.report.wording import title
from mat_jax.evaluate.statistics import Spread, spread

COLUMNS = ("none", *ATTACKS, "worst_case")
# (defence, shots) -> set -> attack -> top-1 of each seed
Figures = Mapping[tuple[str, int], Mapping[str, Mapping[str, list[float]]]]


def figures(study: Study) -> Figures:
    """Every top-1 that was measured, in percent; the model as it came is ("none", 0)."""
    rows = [("none", 0, 0), *study.trainings]
    found: dict[tuple[str, int], dict[str, dict[str, list[float]]]] = {}
    for test in study.test:
        for (defense, shots, _), model in zip(rows, results(study, test), strict=True):
            own = found.setdefault((defense, shots), {}).setdefault(test, {})
            for attack in COLUMNS:
                own.setdefault(attack, []).append(top(model, attack))
    return found


def page(study: Study) -> str:
    """In distribution, on each other set, and the mean over those."""
    found = figures(study)
    others = [test for test in study.test if test != study.train]
    parts = [
        f"# Trained on {short(study.train)}",
        f"Top-1 in percent, linf {study.eps}, {study.steps} steps, one word of each class prompt. "
        f"Mean ± standard deviation over {study.seeds} trainings.",
    ]
    if study.train in study.test:
        parts += [f"## In distribution: {short(study.train)}", _table(found, [study.train])]
    parts += [part for test in others for part in (f"## {short(test)}", _table(found, [test]))]
    if len(others) > 1:
        parts += ["## Mean over the other sets", _table(found, others)]
    return "\n\n".join(parts) + "\n"


def chart(study: Study, attack: str) -> str:
    """Top-1 under an attack over shots, in distribution and elsewhere, as SVG text.

    All images of a set stand at the right end, at twice the most shots.
    """
    found = figures(study)
    last = 2.0 * max(study.shots) or 1.0
    series: dict[str, list[plot.Point]] = {}
    for where, tests in (
        (short(study.train), [one for one in study.test if one == study.train]),
        ("others", [one for one in study.test if one != study.train]),
    ):
        for defense in study.defenses if tests else ():
            series[f"{defense}, {where}"] = [
                plot.Point(float(shots) or last, _mean(found[defense, shots], tests, attack))
                for shots in study.shots
            ]
    name = f"{title(attack)}: top-1 over shots (all at {last:g})"
    return plot.lines(series, title=name, x="images of each class", unit="top-1 in %")


def _mean(
    own: Mapping[str, Mapping[str, list[float]]], tests: Sequence[str], attack: str
) -> Spread:
    """Over sets, seed by seed."""
    seeds = zip(*(own[test][attack] for test in tests), strict=True)
    return spread([fmean(values) for values in seeds])


def _table(found: Figures, tests: Sequence[str]) -> str:
    heads = ["defence", "images of each class", *(title(attack) for attack in COLUMNS)]
    lines = [_line(heads), _line(["---"] * len(heads))]
    for (defense, shots), own in found.items():
        told = "" if defense == "none" else str(shots or "all")
        cells = [str(_mean(own, tests, attack)) for attack in COLUMNS]
        lines.append(_line([defense, told, *cells]))
    return "\n".join(lines)


def _line(cells: Sequence[Any]) -> str:
    return f"| {' | '.join(cells)} |"
