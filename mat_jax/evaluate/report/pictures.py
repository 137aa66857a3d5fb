"""Attacked pictures beside the clean ones, and what a query finds before and after."""

import base64
import io
from collections.abc import Mapping

import numpy as np
from PIL import Image

from mat_jax.evaluate.report.wording import featured, marked, safe, title
from mat_jax.evaluate.results import WORST_CASE, Result, Row, eps_text
from mat_jax.evaluate.thumbnails import THUMBNAIL, shrunk

CAPTIONS = 5  # captions of one picture shown


def png(pixels: np.ndarray, alt: str, largest: int | None = None) -> str:
    """An `<img>` that holds its picture. Floats are in [0, 1], bytes in 0..255."""
    return f'<img alt="{safe(alt)}" src="{png_bytes(pixels, largest)}">'


def png_bytes(pixels: np.ndarray, largest: int | None = None) -> str:
    """A picture as the address that holds it, at most `largest` pixels along a side."""
    if pixels.dtype != np.uint8:
        pixels = np.round(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    image = Image.fromarray(pixels if largest is None else shrunk(pixels, largest))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def magnified(clean: np.ndarray, adv: np.ndarray, eps: float | None) -> tuple[np.ndarray, int]:
    """The difference times a whole factor around middle grey, and the factor.

    The factor is the largest that keeps the ball, or if larger the change itself, in the range.
    """
    delta = np.asarray(adv, np.float32) - clean
    reach = float(np.abs(delta).max()) or (eps or 0.5)
    factor = max(1, int(0.5 / reach))
    return np.clip(0.5 + factor * delta, 0, 1), factor


def attacked(results: Mapping[str, Result]) -> str:
    """Cards: the clean picture, and each model's adversarial one with its captions."""
    row = featured(results)
    first = next(iter(results.values()))
    if row.attack == "none" or not first.shown:
        return ""
    cards = [_card(results, row, n, place) for n, place in enumerate(first.shown)]
    threat = f"{title(row.attack)}{'' if row.eps is None else ' at ' + eps_text(row.eps)}"
    which = "which did the most damage"
    if row.attack == WORST_CASE:
        threat = f"In the {threat}"
        which = "of each picture the point that did it the most damage"
    return (
        f"<section><h2>What the attack changes</h2><p>{safe(threat)}, {which}. "
        "The pictures are evenly spaced in the gallery, not chosen. A difference is shown around "
        "grey, times the factor under it; captions show the word <del>taken out</del> and the "
        f"one <ins>put in</ins>. {safe(first.task.looks)}</p>{''.join(cards)}</section>"
    )


def _card(results: Mapping[str, Result], row: Row, n: int, place: int) -> str:
    first = next(iter(results.values()))
    clean = first.thumbnails[place]
    own = captions_of(first, place)
    blocks = [
        f'<figure class="clean">{png(clean, "clean picture")}'
        "<figcaption>clean</figcaption></figure>"
    ]
    for j, (name, result) in enumerate(results.items()):
        found = result.row(row.attack, row.eps)
        lines = "".join(
            f"<li>{marked(result.clean.captions[t], found.captions[t])}</li>" for t in own
        )
        images = ""
        if found.eps is not None and found.sights is not None:
            adv = found.sights.images[n]
            own_clean = result.thumbnails[place].astype(np.float32) / 255  # at this model's size
            difference, factor = magnified(own_clean, adv, found.eps)
            images = (
                f"<figure>{png(adv, 'adversarial picture')}<figcaption>adversarial</figcaption>"
                f"</figure><figure>{png(difference, 'difference')}<figcaption>difference "
                f"&times;{factor}</figcaption></figure>"
            )
        for what, one in (("clean", result.clean), ("attacked", found)):
            if one.sights is not None and one.sights.overlays is not None:
                drawn = png(one.sights.overlays[n], f"what the model looks at, {what}")
                images += f"<figure>{drawn}<figcaption>looks at, {what}</figcaption></figure>"
        lines += answered(found, place, result)
        blocks.append(
            f'<div class="against"><h3><i class="s{j % 4}"></i>against {safe(name)}</h3>'
            f'<div class="strip">{images}</div><ul class="captions">{lines}</ul></div>'
        )
    return f'<article class="card">{"".join(blocks)}</article>'


def neighbours(results: Mapping[str, Result]) -> str:
    """For each shown picture: the nearest captions and, for its caption, the nearest pictures."""
    row = featured(results)
    first = next(iter(results.values()))
    if not first.shown or not first.task.neighbours:
        return ""
    cards = []
    for n, place in enumerate(first.shown):
        query = int(captions_of(first, place)[0])
        head = (
            f'<div class="query">{png(first.thumbnails[place], "query picture", THUMBNAIL)}'
            f"<p>{safe(first.clean.captions[query])}</p></div>"
        )
        blocks = []
        for j, (name, result) in enumerate(results.items()):
            pair = [result.clean]
            if row.attack != "none":
                pair.append(result.row(row.attack, row.eps))
            columns = "".join(_found(result, one, n, place, query) for one in pair)
            blocks.append(
                f'<div class="model"><h3><i class="s{j % 4}"></i>{safe(name)}</h3>'
                f'<div class="columns">{columns}</div></div>'
            )
        cards.append(f'<article class="card finds">{head}<div>{"".join(blocks)}</div></article>')
    return (
        "<section><h2>What is found</h2><p>Each picture as a query for captions, and its first "
        "caption as a query for pictures: the five nearest, "
        '<b class="right">blue if they belong together</b>, <b class="wrong">red if not</b>. '
        "Under attack the whole gallery is attacked; its pictures are shown as they were before."
        f"</p>{''.join(cards)}</section>"
    )


def _found(result: Result, row: Row, n: int, place: int, query: int) -> str:
    if row.sights is None or row.sights.texts is None or row.sights.pictures is None:
        return ""
    owner = result.text_owner
    texts = "".join(
        f'<li class="{_side(int(owner[t]) == place)}">'
        f"{marked(result.clean.captions[t], row.captions[t])}</li>"
        for t in row.sights.texts[n]
    )
    pictures = "".join(
        f'<span class="frame {_side(int(i) == place)}">'
        f"{png(result.thumbnails[int(i)], _side(int(i) == place), THUMBNAIL)}</span>"
        for i in row.sights.pictures[n]
    )
    ranks = (
        f"picture at rank {row.ranks['ir'][query]}, best caption at rank {row.ranks['tr'][place]}"
    )
    if row.attack == WORST_CASE:
        ranks = f"in the worst of the galleries: {ranks}"
    return (
        f'<div class="found"><h4>{safe(title(row.attack))}<small>{ranks}</small></h4>'
        f'<div class="frames">{pictures}</div><ol>{texts}</ol></div>'
    )


def _side(right: bool) -> str:
    return "right" if right else "wrong"


def captions_of(result: Result, place: int) -> np.ndarray:
    """Rows of the first captions that belong to a picture and that the model reads."""
    if not result.task.reads:
        return np.zeros(0, int)
    return np.flatnonzero(result.text_owner == place)[:CAPTIONS]


def answered(row: Row, place: int, result: Result) -> str:
    """What the model answers to the picture, before and after: a class, or a text of its own."""
    names, labels = result.answers or ((), ())
    parts = [f"<li>truth: {safe(names[int(labels[place])])}</li>"] if names else []
    for what, one in (("clean", result.clean), ("attacked", row)):
        for kind, answers in one.ranks.answers.items():
            told = answers[place]
            if isinstance(told, str):
                told = told or "(nothing)"
            elif names:
                told = names[int(told)]
            else:  # the number of a box says nothing here
                continue
            side = _side(bool(one.ranks[kind][place] <= 1))
            # Of a text of its own the words that became others are marked.
            before = told if names else str(result.clean.ranks.answers[kind][place])
            parts.append(f'<li class="{side}">{what}: {marked(before, told)}</li>')
    return "".join(parts)
