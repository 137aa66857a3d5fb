"""Failures on the page: for each attack the examples it does the most damage to, worst first."""

from collections.abc import Mapping

import numpy as np

from mat_jax.evaluate.failures import failing, worst_text, wrong_queries
from mat_jax.evaluate.report.before_after import Album, explained, figure, missing, named, strip
from mat_jax.evaluate.report.embedded import address
from mat_jax.evaluate.report.pictures import answered, captions_of
from mat_jax.evaluate.report.wording import marked, safe
from mat_jax.evaluate.results import WORST_CASE, Result, Row


def worst_first(results: Mapping[str, Result]) -> str:
    """The section: for each model and attack a list that the script lets one page through."""
    first = next(iter(results.values()))
    if not first.shown or not first.clean.captions:
        return ""  # read back from files, which hold no pictures
    album, parts, captions = Album(), [], ""
    if first.task.reads:
        captions = (
            "Captions show the word <del>taken out</del> and the one <ins>put in</ins>. A rank is "
            "the place of the right answer, and 1 is right."
        )
    for name, result in results.items():
        lists = [_list(name, result, row, album) for row in reversed(result.rows)]
        if not any(lists):
            lists = ["<p>Nothing fails.</p>"]
        heading = f"<h3>{safe(name)}</h3>" if len(results) > 1 else ""
        parts.append(heading + "".join(lists))
    parts[0] = parts[0].replace("<details>", "<details open>", 1)
    told = f"{safe(explained(results))} {captions}"
    return (
        "<section><h2>What fails</h2><p>For each attack the pictures with the most wrong answers, "
        f"the worst first. {told}</p>{album.all()}{''.join(parts)}</section>"
    )


def _list(name: str, result: Result, row: Row, album: Album) -> str:
    """The failures of one attack, folded."""
    found = [place for place in failing(row.ranks) if place in result.thumbnails]
    if not found:
        return ""
    where = named(row)
    owners = np.concatenate([row.ranks.owners[kind] for kind in row.ranks.kinds])
    wrong = len(np.unique(owners[row.ranks.flat[0] > 1]))
    said = f"{wrong} of {row.ranks.examples} pictures with a wrong answer"
    if row.attack == WORST_CASE:
        said += "; each rank is the worst of its galleries"
    items = "".join(_failure(result, row, place, album) for place in found)
    return (
        f"<details><summary><b>{safe(where)}</b>: {said}</summary>"
        f'<ol class="failures" aria-label="{safe(f"{name}, {where}: the worst first")}">{items}'
        "</ol></details>"
    )


def _failure(result: Result, row: Row, place: int, album: Album) -> str:
    """One example: its pictures, its captions with their ranks, and what was found instead."""
    wrong, queries = wrong_queries(row.ranks, place)
    before, _ = wrong_queries(result.clean.ranks, place)
    told = f"{wrong} of {queries} answers wrong"
    if row is not result.clean:
        told += f", {before} before the attack"
    why = missing(row, place)
    blocks = [
        strip(result, row, place, album),
        f'<div class="what"><p><b>{told}</b></p><ul class="captions">'
        f"{_lines(result, row, place)}</ul>"
        f"{_text_instead(result, row, place)}{f'<p>{safe(why)}</p>' if why else ''}</div>",
        _picture_instead(result, row, place, album),
    ]
    return f"<li>{''.join(blocks)}</li>"


def _lines(result: Result, row: Row, place: int) -> str:
    """The captions, or the answers, of one example before and after."""
    lines = ""
    for text in captions_of(result, place):
        lines += f"<li>{marked(result.clean.captions[text], row.captions[text])}"
        if result.task.neighbours:
            lines += _ranks("its picture", result, row, "ir", int(text))
        lines += "</li>"
    return lines + answered(row, place, result)


def _ranks(what: str, result: Result, row: Row, kind: str, query: int) -> str:
    """Of one query the place of its right answer, before and after."""
    clean, now = (int(one.ranks[kind][query]) for one in (result.clean, row))
    told = f"{clean}" if row is result.clean else f"{clean} → {now}"
    return f" <small>{safe(what)}: rank {told}</small>"


def _text_instead(result: Result, row: Row, place: int) -> str:
    """The caption nearest to the picture, where it is of another picture."""
    if not result.task.neighbours:
        return ""
    rank = _ranks("a caption of its own", result, row, "tr", place)
    text = _instead(row, place, "failed_texts")
    if text is None or int(result.text_owner[text]) == place:
        return f"<p>{rank}</p>"
    told = marked(result.clean.captions[text], row.captions[text])
    return f'<p>{rank}</p><div class="found"><ol><li class="wrong">{told}</li></ol></div>'


def _picture_instead(result: Result, row: Row, place: int, album: Album) -> str:
    """The picture nearest to the worst of the captions, where it is another one."""
    other = _instead(row, place, "failed_pictures")
    if other is None or other == place or other not in result.thumbnails:
        return ""
    query = worst_text(row.ranks, result.text_owner, place)
    if row.ranks["ir"][query] == 1:
        return ""
    number = query - int(np.flatnonzero(result.text_owner == place)[0]) + 1
    return figure(
        album.shown(address(result.thumbnails[other]), f"picture {other + 1}"),
        f"nearest to caption {number}: picture {other + 1}",
    )


def _instead(row: Row, place: int, side: str) -> int | None:
    """What was measured to be found first, if it was."""
    sights = row.sights
    if sights is None or sights.failed is None:
        return None
    found = {"failed_texts": sights.failed_texts, "failed_pictures": sights.failed_pictures}[side]
    here = np.flatnonzero(sights.failed == place)
    return None if found is None or not len(here) else int(found[here[0]])
