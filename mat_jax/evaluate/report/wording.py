"""How things are called on the page, and text that is safe to put into it."""

import difflib
import html
from collections.abc import Mapping

from mat_jax.attacks import ATTACKS
from mat_jax.evaluate.results import Result, Row, eps_text


def title(attack: str) -> str:
    """An attack's name as papers write it."""
    return ATTACKS[attack].title if attack in ATTACKS else attack.replace("_", " ")


def safe(text: object) -> str:
    """Text for the page, whatever signs it holds."""
    return html.escape(str(text), quote=True)


def marked(before: str, after: str) -> str:
    """A caption with what was taken out in `<del>` and what was put in in `<ins>`."""
    old, new = before.split(), after.split()
    parts = []
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            parts.append(safe(" ".join(old[a:b])))
            continue
        if a < b:
            parts.append(f"<del>{safe(' '.join(old[a:b]))}</del>")
        if c < d:
            parts.append(f"<ins>{safe(' '.join(new[c:d]))}</ins>")
    return " ".join(parts)


def number(value: float, digits: int = 1) -> str:
    """A number in percent, or a dash where there is none."""
    return "–" if value != value else f"{value:.{digits}f}"


def featured(results: Mapping[str, Result]) -> Row:
    """The attack the pictures show: the most harmful one to the first model at its first eps."""
    first = next(iter(results.values()))
    eps = min(first.radii, default=None)

    # A worst case over several galleries has no pictures of its own.
    seen = [row for row in reversed(first.at(eps)) if row.sights is not None]
    return min(seen, key=lambda row: row.ranks.mean(), default=first.clean)


def headline(results: Mapping[str, Result]) -> str:
    """The finding in one sentence: the worst case, if there is one."""
    first = next(iter(results.values()))
    worst = first.worst()
    if worst is not None:
        told = [
            f"{name} has {_had(result, result.row(worst.attack, worst.eps))}"
            for name, result in results.items()
        ]
        where = "" if worst.eps is None else f" at {eps_text(worst.eps)}"
        return f"{'; '.join(told)} in the worst case{where}."
    row = featured(results)
    if row.attack == "none":
        told = [f"{name} has {_had(result, row)}" for name, result in results.items()]
        return f"Without attack, {'; '.join(told)}."
    where = title(row.attack) + (f" at {eps_text(row.eps)}" if row.eps is not None else "")
    told = []
    for name, result in results.items():
        told.append(f"{name} loses {_lost(result, result.row(row.attack, row.eps))}")
    return f"Under {where}, {'; '.join(told)}."


def worst_case(row: Row) -> str:
    """What a worst case is the worst of: `clean, PGD on 300 images, SGA on 12 images`."""
    members = [
        f"{title(one['attack'])} on {one['attacked']} images" for one in row.protocol["members"]
    ]
    told = ", ".join(["clean", *members])
    if row.protocol["suite"] is None:
        return told
    together = " / ".join(number(value) for value in row.protocol["in_one_gallery"].values())
    return (
        f"{told} (suite {row.protocol['suite']}: each attack sees the images of which a query "
        f"still stands; with every image's most harmful point together, {together} are left)"
    )


def _had(result: Result, row: Row) -> str:
    """`31 % of its text retrieval and 25 % of its image retrieval right`, or `a CIDEr-D of 96`."""
    numbers = result.figures(row)
    shares, scores = [], []
    for kind, one in result.kinds.items():
        value = number(numbers[f"{kind}@1"]["value"], 0)
        if one.share:
            shares.append(f"{value} % of its {one.name}")
        else:
            scores.append(f"a {one.name} of {value}")
    return " and ".join([*([f"{' and '.join(shares)} right"] if shares else []), *scores])


def _lost(result: Result, row: Row) -> str:
    numbers = result.figures(row)
    parts = [
        f"{number(numbers[f'{kind}_lost@1']['value'], 0)} % of its {one.name}"
        for kind, one in result.kinds.items()
    ]
    return " and ".join(parts)
