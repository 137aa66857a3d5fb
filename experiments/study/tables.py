"""Tables of results as Markdown."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from experiments.study.plan import Run
from experiments.study.saved import Shelf
from experiments.study.setting import ATTACKS
from mat_jax.evaluate.report.wording import title
from mat_jax.evaluate.statistics import spread
from mat_jax.train.logging import duration
from mat_jax.utils.files import write_text

COLUMNS = (*ATTACKS, "worst_case")
BRIEF = ("none", "pgd", "bert_attack", "co_attack", "sga", "vlp_attack", "worst_case")
NAMES = {
    "mean": "mean of TR@1 and IR@1",
    "accuracy": "right in %",
    "agreement": "claims and things that agree, in %",
    "true": "captions wholly true, in %",
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a bar inside a cell is kept from ending it."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in lines
    )


def recalls(
    shelf: Shelf, runs: Sequence[Run], figure: str, attacks: Sequence[str] = COLUMNS
) -> str:
    """Runs down, attacks across: a figure's mean and standard deviation over seeds.

    The best mean of a column is bold; models without any result have no row.
    """
    there = unique(run for run in runs if run.key in shelf)
    cells = {
        (run.key, attack): shelf.spread(run.key, attack, figure)
        for run in there
        for attack in attacks
    }
    best = {
        attack: max((cells[run.key, attack].mean for run in there), default=0.0)
        for attack in attacks
    }
    rows = []
    for run in there:
        row = [run.title, str(len(shelf.of(run.key)))]
        for attack in attacks:
            cell = cells[run.key, attack]
            bold = cell.count and len(there) > 1 and cell.mean == best[attack]
            row.append(f"**{cell}**" if bold else str(cell))
        rows.append(row)
    return table(
        [NAMES.get(figure, figure.upper()), "seeds", *(title(attack) for attack in attacks)], rows
    )


def costs(shelf: Shelf, runs: Sequence[Run]) -> str:
    """What trainings took: minutes, images a second, and minutes of the evaluation."""
    rows = []
    for run in unique(run for run in runs if run.key in shelf):
        seeds = shelf.of(run.key)
        row = [run.title]
        for part in ("training", "evaluation"):
            row.append(str(spread([float(one.content["minutes"][part]) for one in seeds])))
        rates = [one.content.get("images_per_second") for one in seeds]
        row.append(str(spread([rate for rate in rates if rate is not None])))
        rows.append(row)
    return table(["", "minutes of training", "of evaluation", "images a second in training"], rows)


def protocol(shelf: Shelf, runs: Sequence[Run]) -> str:
    """On what and under what threat runs were measured, by which command, where, and how long."""
    found: dict[str, None] = {}
    machines: dict[str, None] = {}
    for run in runs:
        for one in shelf.of(run.key):
            common, worst = one.content["protocol"], one.content["threat"].get("worst_case", {})
            threat = one.content["threat"].get("sga", worst)
            said = f"{common['gallery']}: {common['images']} images, {common['captions']} captions"
            if "eps_text" in threat:
                said += f"; {threat['norm']} {threat['eps_text']}"
                said += f", {threat['steps']} steps" if "steps" in threat else ""
            if threat.get("words"):
                said += f", {threat['words']} word of {threat['candidates']} candidates"
            said += f"; preset {common['preset']}"
            if worst.get("suite"):
                said += f"; worst case of all columns and of suite {worst['suite']}"
            machine = one.content["machine"]
            at = f"{machine['processor']}, {machine['cores']} cores ({machine['device']})"
            found[f"{said}."], machines[at] = None, None
    return f"{' '.join(found)} {_carried_out(shelf, unique(runs))} On {'; '.join(machines)}."


def _carried_out(shelf: Shelf, runs: Sequence[Run]) -> str:
    studies = ",".join(dict.fromkeys(run.study for run in runs if run.key in shelf))
    there = [one for run in runs for one in shelf.of(run.key)]
    trained = {}
    for one in there:
        keys = tuple(one.content["ingredients"])
        if not any(key in shelf for key in keys):  # else those runs say it
            trained[keys or one.key, one.seed] = one.content["minutes"]["training"]
    training = duration(60.0 * sum(trained.values()))
    evaluation = duration(60 * sum(one.content["minutes"]["evaluation"] for one in there))
    return (
        f"`python -m experiments.study --only {studies} "
        f"--seeds {max(one.seed for one in there) + 1}`: "
        f"{len(there)} of its runs, {training} of training and {evaluation} of evaluation."
    )


def unique(runs: Iterable[Run]) -> list[Run]:
    """Each run once, whatever its seed."""
    return list({run.key: run for run in runs}.values())


def drawn(results: Path, name: str, svg: str, what: str) -> str:
    """Write a figure, and the Markdown that shows it."""
    write_text(results / "figures" / f"{name}.svg", svg)
    return f"![{what}](figures/{name}.svg)"
