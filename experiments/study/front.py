"""Settings of our own against what others published: clean and robust, in tables and figures."""

from pathlib import Path

from experiments.study import studies
from experiments.study.claims import difference
from experiments.study.ours import LONGER
from experiments.study.plan import Run
from experiments.study.published import MODELS
from experiments.study.saved import Shelf
from experiments.study.tables import BRIEF, costs, drawn, protocol, recalls, table
from mat_jax.evaluate.report import plot
from mat_jax.evaluate.report.wording import title

# Each against the clean figure: attacks a defence may have trained on, and the worst case.
FRONT = ("sga", "worst_case")
CLEAN = 80  # percent; of models that lose more a front has no use, and the others would crowd
# The strongest of the published under attacks on both sides, by which ours are measured.
RIVALS = ("fare", "fare_leaf", "mat", "mat_plus")


def section(shelf: Shelf, results: Path) -> str:
    """Our settings as the validation scenes saw them; then the chosen beside the published."""
    runs = studies.every()["beyond"]
    parts = []
    choice = [run for run in runs if run.name.startswith("val-") and run.key in shelf]
    if choice:
        parts += ["**On the validation scenes, where they were chosen**", protocol(shelf, choice)]
        parts += [recalls(shelf, choice, "mean", BRIEF), costs(shelf, choice)]
    for short, start in {"clip": "test-", "albef": "albef-test-"}.items():
        measured = [run for run in runs if run.name.startswith(start) and run.key in shelf]
        longer = [run for run in measured if run.name.removeprefix(start) in LONGER]
        if ours := [run for run in measured if run not in longer]:
            parts += _beside_the_published(shelf, results, short, ours, longer)
    return "\n\n".join(parts)


def _beside_the_published(
    shelf: Shelf, results: Path, short: str, ours: list[Run], longer: list[Run]
) -> list[str]:
    """A table, the fronts, and what ours have more than the strongest, in as many steps or more."""
    published = {
        run.name.removeprefix(f"{short}-"): run
        for run in studies.every()["main"]
        if run.name.startswith(f"{short}-") and run.key in shelf
    }
    beside = [*published.values(), *longer]
    parts = [
        f"**{MODELS[short]}: on the test scenes, beside what others published**",
        protocol(shelf, [*longer, *ours]),
        recalls(shelf, [*beside, *ours], "mean", BRIEF),
    ]
    clean = {run.key: shelf.spread(run.key, "none").mean for run in (*beside, *ours)}
    far = [run.title for run in (*beside, *ours) if clean[run.key] < CLEAN]
    if far:
        parts.append(f"Left of {CLEAN} % clean, and not drawn: {', '.join(far)}.")
    for attack in FRONT:
        marks = [
            plot.Point(clean[run.key], shelf.spread(run.key, attack), run.title, group)
            for group, of in enumerate((beside, ours))
            for run in of
            if clean[run.key] >= CLEAN
        ]
        chart = plot.points(
            marks,
            ("published", "ours"),
            title=f"{title(attack)} against clean: mean of TR@1 and IR@1",
            x="clean R@1 in %",
        )
        drawing = f"clean and {title(attack)}, {MODELS[short]}"
        parts.append(drawn(results, f"beyond-{short}-{attack}", chart, drawing))
    rivals = [*(published[name] for name in RIVALS if name in published), *longer]
    rows = [
        [one.title, other.title, *(difference(shelf, one.key, other.key, a) for a in BRIEF)]
        for one in ours
        for other in rivals
    ]
    if rows:
        parts.append(
            "What ours have more than the strongest of the published, and the noise of the "
            "difference (by the rule of the findings, below); bold where it is more than twice "
            "that:"
        )
        parts.append(table(["ours", "published", *(title(a) for a in BRIEF)], rows))
    return parts
