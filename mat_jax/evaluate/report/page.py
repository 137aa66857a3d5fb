"""The page put together: headline, tables, charts, pictures, protocol."""

import math
from collections.abc import Mapping

from mat_jax.evaluate.report.chart import draw_chart, legend
from mat_jax.evaluate.report.checks import checked
from mat_jax.evaluate.report.classes import confusions
from mat_jax.evaluate.report.curve import over_eps
from mat_jax.evaluate.report.differences import difference_table
from mat_jax.evaluate.report.failed import worst_first
from mat_jax.evaluate.report.frame import sheet
from mat_jax.evaluate.report.pictures import attacked, neighbours
from mat_jax.evaluate.report.table import Cell, Table, drawn
from mat_jax.evaluate.report.transfer_tables import transfers
from mat_jax.evaluate.report.wording import headline, number, safe, title, worst_case
from mat_jax.evaluate.results import WORST_CASE, Matrix, Result, Row, eps_text
from mat_jax.evaluate.tables import headline_protocol


def draw_page(
    results: Mapping[str, Result], matrix: Matrix | None = None, *, more: str = ""
) -> str:
    """One HTML page that needs no other file.

    Args:
        results: model name -> its measurements, in the order of the columns.
        matrix: of transfers, if attacks were crafted on surrogates.
        more: HTML that stands at the end.
    """
    first = next(iter(results.values()))
    radii: tuple[float | None, ...] = first.radii or (None,)
    body = [_tables(results, eps, several=len(radii) > 1) for eps in radii]
    body.append(over_eps(results))
    if matrix is not None and sum(len(own) for own in matrix.values()) > 1:
        body.append(transfers(matrix))
    body += [attacked(results), worst_first(results), neighbours(results), confusions(results)]
    body += [_sentences(results), checked(results), _protocol(results), more]
    return sheet(
        headline(results),
        headline_protocol(first, radii[0]),
        "".join(body),
        "Every number with its protocol is in results.json, the rank of every query in ranks.npz.",
        kind=first.task.title,
        script=True,
    )


def _tables(results: Mapping[str, Result], eps: float | None, *, several: bool) -> str:
    first = next(iter(results.values()))
    task, rows = first.task, first.at(eps)
    columns = [task.column(kind, k) for kind, k in first.headline]
    name = f"At eps {eps_text(eps)}" if several else "Clean and attacked"
    table = Table(
        name=name,
        heads=["attack", *([*columns, "lost"] * len(results))],
        lines=[
            [
                Cell(text=title(row.attack)),
                *(
                    cell
                    for result in results.values()
                    for cell in _cells(result, result.row(row.attack, eps))
                ),
            ]
            for row in rows
        ],
        groups=[(one, 1 + len(columns)) for one in results],
        strong=frozenset(n for n, row in enumerate(rows) if row.attack == WORST_CASE),
    )
    charts = "".join(draw_chart(results, eps, kind) for kind in first.kinds)
    return (
        f"<section><h2>{safe(name)}</h2><p>{safe(task.explained)}</p>{drawn(table)}"
        f"{_worst(results, eps)}{_scores(results, eps)}"
        f'<div class="charts">{charts}</div>'
        f"{legend(results) if len(results) > 1 else ''}{difference_table(results, eps)}"
        f"{_details(results, eps)}</section>"
    )


def _scores(results: Mapping[str, Result], eps: float | None) -> str:
    """Figures that only all answers together have: BLEU of captions."""
    found = {
        f"{name}, {title(row.attack)}": result.scores.get(row.name, {})
        for name, result in results.items()
        for row in result.at(eps)
    }
    found = {name: scores for name, scores in found.items() if scores}
    if not found:
        return ""
    heads = list(dict.fromkeys(head for scores in found.values() for head in scores))
    table = Table(
        name=f"Scores of all answers together{_at(eps)}",
        heads=["model, attack", *heads],
        lines=[
            [Cell(text=name), *(_number(scores.get(head, math.nan)) for head in heads)]
            for name, scores in found.items()
        ],
    )
    return (
        f"<details open><summary>Scores of all answers together</summary>{drawn(table)}</details>"
    )


def _worst(results: Mapping[str, Result], eps: float | None) -> str:
    """What the last row is the worst of; said once if it is the same for all models."""
    told: dict[str, list[str]] = {}
    for name, result in results.items():
        row = result.worst(eps)
        if row is not None:
            told.setdefault(worst_case(row), []).append(name)
    lines = []
    for text, names in told.items():
        whose = "" if len(names) == len(results) else f"{safe(', '.join(names))}: "
        lines.append(
            f"<p><small>{whose}The worst case of a query is its largest rank over "
            f"{safe(text)}.</small></p>"
        )
    return "".join(lines)


def _cells(result: Result, row: Row) -> list[Cell]:
    """The first figures of one model, and what is lost of them."""
    found = result.figures(row)
    cells = []
    for kind, k in result.headline:
        one = found[f"{kind}@{k}"]
        cells.append(
            Cell(
                text=number(one["value"]),
                value=one["value"],
                small=f"{one['low']:.0f}–{one['high']:.0f}",
                bounds=(one["low"], one["high"]),
            )
        )
    if not all(f"{kind}_lost@1" in found for kind in result.kinds):
        return [*cells, Cell(text="–")]
    shares = [found[f"{kind}_lost@1"]["value"] for kind in result.kinds]
    told = " / ".join(number(share, 0) for share in shares) + " %"
    return [*cells, Cell(text=told, value=sum(shares) / len(shares))]


def _number(value: float) -> Cell:
    return Cell(text=number(value), value=value)


def _at(eps: float | None) -> str:
    return "" if eps is None else f" at eps {eps_text(eps)}"


def _details(results: Mapping[str, Result], eps: float | None) -> str:
    """Everything else that was measured, folded away."""
    first = next(iter(results.values()))
    task, kinds = first.task, first.kinds
    depth = [f"{kind}@{k}" for kind in kinds for k in task.depths]
    more = [f"{kind}_{name}@1" for name in ("asr", "drop") for kind in kinds]
    names = [task.column(kind, k) for kind in kinds for k in task.depths]
    names += [f"{name} {one.label}" for name in ("ASR", "drop") for one in kinds.values()]
    lines = []
    for name, result in results.items():
        for row in result.at(eps):
            found = result.figures(row)
            values = [found[key]["value"] if key in found else math.nan for key in depth + more]
            rounded = "–"
            if row.rounded is not None:
                own = row.rounded.kinds
                rounded = " / ".join(number(100 * row.rounded.recall(d, 1)) for d in own)
            lines.append(
                [
                    Cell(text=f"{name}, {title(row.attack)}"),
                    *map(_number, values),
                    Cell(text=rounded),
                    Cell(text=_language(row)),
                    Cell(text=f"{row.seconds:.0f} s", value=row.seconds),
                ]
            )
    table = Table(
        name=f"All depths, success rates and costs{_at(eps)}",
        heads=["model, attack", *names, "8-bit", "captions", "time"],
        lines=lines,
    )
    return (
        "<details><summary>All depths, success rates and costs</summary><p>ASR: share of the "
        "queries right when clean that fail (SGA). Drop: clean minus adversarial share in points "
        "(Co-Attack). 8-bit: the first figures with the pictures rounded to 8 bits. Captions: "
        "share that changed; words changed in one, likeness to the clean one, share that is true."
        f"</p>{drawn(table)}</details>"
    )


def _language(row: Row) -> str:
    """What became of the captions: `97 %, 1.0 words, 0.91 alike, 40 % true`."""
    found = [f"{100 * row.changed:.0f} %"]
    for name, form in (("words_changed", "{:.1f} words"), ("similarity", "{:.2f} alike")):
        if name in row.language:
            found.append(form.format(row.language[name]))
    if "true" in row.language:
        found.append(f"{100 * row.language['true']:.0f} % true")
    return ", ".join(found)


def _sentences(results: Mapping[str, Result]) -> str:
    """What was checked and what asks for care; a sentence all models share is said once."""
    items = []
    for kind in ("flags", "notes"):
        who: dict[str, list[str]] = {}
        for name, result in results.items():
            for sentence in getattr(result, kind):
                who.setdefault(sentence, []).append(name)
        for sentence, names in who.items():
            all_of_them = len(names) == len(results)
            prefix = "" if all_of_them else f"<b>{safe(', '.join(names))}:</b> "
            mark = ' class="flag"' if kind == "flags" else ""
            items.append(f"<li{mark}>{prefix}{safe(sentence)}</li>")
    if not items:
        return ""
    return (
        "<section><h2>Can these numbers be trusted?</h2>"
        f'<ul class="said">{"".join(items)}</ul></section>'
    )


def _protocol(results: Mapping[str, Result]) -> str:
    first = next(iter(results.values()))
    common = {key: value for key, value in first.protocol.items() if key != "model"}
    parts = [_list(common)]
    for row in first.rows[1:]:
        where = title(row.attack) + (f" at {eps_text(row.eps)}" if row.eps is not None else "")
        threat = {k: v for k, v in row.protocol.items() if k not in ("attack", "eps_text")}
        parts.append(f"<h3>{safe(where)}</h3>{_list(threat)}")
    return (
        "<section><h2>Protocol</h2><p>What was measured, and what the adversary was allowed."
        f"</p>{parts[0]}<details><summary>Each attack</summary>{''.join(parts[1:])}</details>"
        "</section>"
    )


def _list(facts: Mapping[str, object]) -> str:
    rows = "".join(
        f"<dt>{safe(key.replace('_', ' '))}</dt><dd>{safe(_text(key, value))}</dd>"
        for key, value in facts.items()
        if value is not None
    )
    return f"<dl>{rows}</dl>"


def _text(key: str, value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k.replace('_', ' ')} {_text(k, v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(_text(key, one) for one in value)
    if isinstance(value, float):
        return f"{eps_text(value)} = {value:.6f}" if key == "eps" else f"{value:.4g}"
    return str(value)
