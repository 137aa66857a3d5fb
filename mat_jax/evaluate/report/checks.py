"""The checks on the page: each with its verdict and its sentence."""

from collections.abc import Mapping

from mat_jax.evaluate.report.wording import safe
from mat_jax.evaluate.results import Result

MARKS = {"passed": "held", "flagged": "flag", "not applicable": "open"}


def checked(results: Mapping[str, Result]) -> str:
    """What was checked of each model, the flagged first; what could not be checked is folded away.

    Models of which all the same was found are named once.
    """
    said: dict[tuple[str, str, str], list[str]] = {}
    for name, result in results.items():
        for check in result.checks:
            said.setdefault((check.verdict, check.name, check.sentence), []).append(name)
    if not said:
        return ""
    items: dict[str, list[str]] = {verdict: [] for verdict in MARKS}
    for (verdict, what, sentence), names in said.items():
        who = "" if len(names) == len(results) else f" ({safe(', '.join(names))})"
        items[verdict].append(
            f'<li class="{MARKS[verdict]}"><b>{safe(what)}</b>{who}: {safe(sentence)}</li>'
        )
    shown = "".join(items["flagged"] + items["passed"])
    rest = ""
    if items["not applicable"]:
        rest = (
            "<details><summary>What could not be checked here</summary>"
            f'<ul class="said">{"".join(items["not applicable"])}</ul></details>'
        )
    return (
        "<section><h2>What was checked</h2><p>Of the model and of the attack, on a few pictures "
        "before the measurement, and of the measurement itself. A sign beside a line asks for "
        f'care.</p><ul class="said">{shown}</ul>{rest}</section>'
    )
