"""The page of the comparison, drawn from its saved results and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

from mat_jax.evaluate.statistics import spread

KINDS = ("tr@1", "ir@1")
NAMES = {"none": "clean", "pgd": "PGD", "sga_pixels": "SGA, pixels", "sga": "SGA"}
ROBUST = ("pgd", "sga_pixels", "sga")
FULL = "unstaged"  # what the others are compared with
GOAL = 40.0  # percent of its operations


def page(results: Sequence[Mapping[str, Any]], arms: Sequence[str]) -> str:
    """Markdown: what each arm cost and reached, and how far it is from training without stages.

    Args:
        results: one a training, as `experiments.staged.study` saves them.
        arms: in the order of rows; those without results are left out.
    """
    found = {arm: [one for one in results if one["arm"] == arm] for arm in arms}
    found = {arm: sorted(own, key=lambda one: one["seed"]) for arm, own in found.items() if own}
    protocol, machine = results[0]["protocol"], results[0]["machine"]
    parts = [
        "# Stages against full size all along",
        "Drawn by `python -m experiments.staged.study --redraw` from the files beside this page. "
        f"{protocol['data']}: {protocol['images']} images; linf {protocol['eps']}, "
        f"{protocol['steps']} steps. SGA changes one word besides, the others none. R@1 in "
        "percent, mean ± standard deviation over seeds. Operations are XLA's count of the compiled "
        "step times the updates, those of "
        f"`experiments/staged/flops.py`. On {machine['device']}, {machine['processor']}.",
        _costs(found),
        _figures(found),
    ]
    if FULL in found and len(found) > 1:
        parts += [
            f"Points above `{FULL}` of the same seed, mean ± standard deviation:",
            _differences(found),
        ]
    if FULL in found and "staged" in found:
        parts.append(_verdict(found))
    return "\n\n".join(parts) + "\n"


def _costs(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    rows = [["arm", "stages", "updates", "TFLOP", "of unstaged"]]
    for arm, own in found.items():
        one = own[0]
        stages = "; then ".join(
            " ".join(text for text in stage if not text.startswith(("seed=", "steps=")))
            for stage in one["stages"]
        )
        share = _share(found, arm)
        rows.append(
            [
                arm,
                stages,
                " + ".join(map(str, one["updates"])),
                f"{one['flops'] / 1e12:.1f}",
                "" if share is None else f"{share:.1f} %",
            ]
        )
    return _table(rows)


def _figures(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    heads = [f"{NAMES[attack]} {kind.upper()}" for attack in NAMES for kind in KINDS]
    rows = [["arm", "seeds", *heads]]
    for arm, own in found.items():
        cells = [
            str(spread([one["attacks"][attack][kind] for one in own]))
            for attack in NAMES
            for kind in KINDS
        ]
        rows.append([arm, str(len(own)), *cells])
    return _table(rows)


def _differences(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    heads = [f"{NAMES[attack]} {kind.upper()}" for attack in NAMES for kind in KINDS]
    rows = [["arm", *heads]]
    for arm in found:
        if arm != FULL:
            cells = [str(spread(_apart(found, arm, a, k))) for a in NAMES for k in KINDS]
            rows.append([arm, *cells])
    return _table(rows)


def _apart(
    found: Mapping[str, Sequence[Mapping[str, Any]]], arm: str, attack: str, kind: str
) -> list[float]:
    """Of each seed that both have, how much more the arm has than `FULL`."""
    full = {one["seed"]: one["attacks"][attack][kind] for one in found[FULL]}
    return [
        one["attacks"][attack][kind] - full[one["seed"]]
        for one in found[arm]
        if one["seed"] in full
    ]


def _share(found: Mapping[str, Sequence[Mapping[str, Any]]], arm: str) -> float | None:
    """Percent of the operations without stages."""
    return 100 * found[arm][0]["flops"] / found[FULL][0]["flops"] if FULL in found else None


def _verdict(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Whether the goal is reached, by means and nothing else."""
    share = _share(found, "staged")
    means = {
        f"{NAMES[attack]} {kind.upper()}": spread(_apart(found, "staged", attack, kind)).mean
        for attack in ROBUST
        for kind in KINDS
    }
    short = [f"{name} by {-value:.1f}" for name, value in means.items() if value < 0]
    reached = (
        "Its means under PGD and SGA are no lower than those without stages."
        if not short
        else f"Its means fall short of those without stages: {', '.join(short)} points."
    )
    within = "within" if share is not None and share <= GOAL else "above"
    return (
        f"Goal: the robust retrieval of training without stages at {GOAL:g} % of its operations "
        f"or less. `staged` took {share:.1f} %, {within} the goal. {reached}"
    )


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], f"|{' --- |' * len(rows[0])}", *lines[1:]])
