"""What is drawn of each study: its tables, and figures in the folder beside them."""

from collections.abc import Callable
from pathlib import Path

from mat_jax.metrics import write_text
from mat_jax.report.words import title
from mat_jax.study import plot, studies
from mat_jax.study.plan import Run
from mat_jax.study.saved import Shelf
from mat_jax.study.tables import COLUMNS, costs, protocol, recalls, unique

# `(shelf, results) -> Markdown`, empty where nothing of the study was carried out.
Section = Callable[[Shelf, Path], str]


def main(shelf: Shelf, results: Path) -> str:
    """Every defence under every attack, one table a model and metric; a bar chart of means."""
    parts = []
    for short, model in studies.MODELS.items():
        runs = [r for r in studies.every()["main"] if r.name.startswith(f"{short}-")]
        parts += compared(shelf, results, runs, f"main-{short}", model)
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
    chart = plot.bars(groups, title=f"{name}: mean of TR@1 and IR@1, standard deviation over seeds")
    return [
        f"### {name}",
        protocol(shelf, there),
        recalls(shelf, there, "tr@1"),
        recalls(shelf, there, "ir@1"),
        drawn(results, file, chart, f"{name} under every attack"),
        costs(shelf, there),
    ]


def drawn(results: Path, name: str, svg: str, what: str) -> str:
    """Write a figure, and the Markdown that shows it."""
    folder = results / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / f"{name}.svg", svg)
    return f"![{what}](figures/{name}.svg)"


SECTIONS: dict[str, tuple[str, Section]] = {
    "main": ("Every defence under every attack", main),
}
