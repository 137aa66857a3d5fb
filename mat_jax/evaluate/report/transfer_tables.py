"""Transfers as small tables: what is crafted on one model and measured on another."""

from mat_jax.evaluate.report.table import Cell, Table, links
from mat_jax.evaluate.report.wording import number, safe, title
from mat_jax.evaluate.results import Matrix, Result, eps_text


def transfers(matrix: Matrix) -> str:
    """For each eps one table of each kind of queries."""
    own = next(iter(matrix.values()))
    first = next(iter(own.values()))
    radii = first.radii or (None,)
    tables = "".join(
        f"<figure><figcaption>{safe(_caption(first, direction, eps))}</figcaption>"
        '<div class="scroll" role="region" tabindex="0" '
        f'aria-label="{safe(_caption(first, direction, eps))}">'
        f"{_table(matrix, direction, eps)}</div>"
        f"{links(_plain(matrix, direction, eps))}</figure>"
        for eps in radii
        for direction in first.kinds
    )
    return (
        "<section><h2>Transfer</h2><p>Rows: the model an attack was crafted on; columns: the model "
        "it was measured on; in percent, the deeper the colour the more of the clean number is "
        "gone. <b>Bold</b>: white box, the two are one model. Pictures come at each model's own "
        "size and normalisation; captions go over as text and are tokenized again. What is left "
        "when the pictures are rounded to 8 bits before that stands behind it in brackets.</p>"
        f'<div class="charts">{tables}</div></section>'
    )


def _caption(result: Result, kind: str, eps: float | None) -> str:
    return result.task.column(kind, 1) + ("" if eps is None else f" at eps {eps_text(eps)}")


def _table(matrix: Matrix, direction: str, eps: float | None) -> str:
    own = next(iter(matrix.values()))
    heads = "".join(f'<th scope="col">{safe(target)}</th>' for target in own)
    rows = []
    for row in next(iter(own.values())).at(eps):
        # Without attack there is nothing to craft: a model's clean row is one.
        sides = list(matrix.items()) if row.attack != "none" else [("", own)]
        for n, (surrogate, results) in enumerate(sides):
            name = (
                f'<th scope="rowgroup" rowspan="{len(sides)}">{safe(title(row.attack))}</th>'
                if not n
                else ""
            )
            cells = "".join(
                _cell(result, row.attack, eps, direction, own=target == surrogate)
                for target, result in results.items()
            )
            rows.append(
                f'<tr>{name}<th scope="row" class="from">{safe(surrogate)}</th>{cells}</tr>'
            )
    return (
        f'<table class="transfer"><thead><tr><th scope="col">attack</th>'
        f'<th scope="col" class="from">crafted on</th>{heads}'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _plain(matrix: Matrix, direction: str, eps: float | None) -> Table:
    """The same table for a file, with a name in every line."""
    own = next(iter(matrix.values()))
    lines = []
    for row in next(iter(own.values())).at(eps):
        for surrogate, results in matrix.items() if row.attack != "none" else [("", own)]:
            left = [
                100 * result.row(row.attack, eps).ranks.recall(direction, 1)
                for result in results.values()
            ]
            cells = (Cell(text=number(one), value=one) for one in left)
            lines.append([Cell(text=title(row.attack)), Cell(text=surrogate), *cells])
    return Table(
        name=_caption(next(iter(own.values())), direction, eps),
        heads=["attack", "crafted on", *own],
        lines=lines,
    )


def _cell(result: Result, attack: str, eps: float | None, direction: str, *, own: bool) -> str:
    row = result.row(attack, eps)
    left = 100 * row.ranks.recall(direction, 1)
    clean = 100 * result.clean.ranks.recall(direction, 1)
    gone = min(max((clean - left) / clean, 0.0), 1.0) if clean else 0.0
    text = f"<b>{number(left)}</b>" if own else number(left)
    if row.rounded is not None:
        text += f" <small>({number(100 * row.rounded.recall(direction, 1))})</small>"
    colour = f"background: color-mix(in srgb, var(--wrong) {40 * gone:.0f}%, transparent)"
    return f'<td style="{colour}">{text}</td>'
