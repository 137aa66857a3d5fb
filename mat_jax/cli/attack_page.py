"""The page of `mat-jax attack`: each picture and its captions before and after, in one file."""

from collections.abc import Sequence

import numpy as np

from mat_jax.cli.crafting import Outcome
from mat_jax.evaluate.report.frame import sheet
from mat_jax.evaluate.report.pictures import magnified, png
from mat_jax.evaluate.report.wording import marked, safe

MOST = 50  # pictures on the page; attack.json has all
NEAREST = 5  # captions that are shown as found
SHOWN = 448  # pixels along a side of a picture on the page


def draw_attack(
    outcome: Outcome, names: Sequence[str], *, model: str, threat: str, cautions: Sequence[str]
) -> str:
    """One HTML page that needs no other file.

    Args:
        outcome: what the attack made.
        names: of the pictures.
        model: whose cosines these are.
        threat: what the adversary was allowed, in words.
        cautions: sentences that the reader must know.
    """
    cards = [_card(outcome, n, name) for n, name in enumerate(names[:MOST])]
    more = f"<p>{len(names) - MOST} more are in attack.json.</p>" if len(names) > MOST else ""
    said = "".join(f'<li class="flag">{safe(one)}</li>' for one in cautions)
    said = f'<ul class="said">{said}</ul>' if said else ""
    told = (
        "A cosine says how near a picture and a caption are for the model. The difference is "
        "shown around grey, times the factor under it. Captions show the word <del>taken out</del> "
        "and the one <ins>put in</ins>. "
    )
    if outcome.told_apart:
        told += (
            'Below each picture stand the captions that are nearest to it, <b class="right">blue '
            'if they are its own</b>, <b class="wrong">red if not</b>. '
        )
    body = f"{said}<section><h2>Before and after</h2><p>{told}</p>{''.join(cards)}{more}</section>"
    foot = (
        "The adversarial pictures beside this page are PNGs of 8 bits. They are within eps of the "
        "clean ones, and the cosines are theirs. adversarial.json has the captions."
    )
    return sheet(headline(outcome, model), f"{model}: {threat}", body, foot, kind="An attack")


def headline(outcome: Outcome, model: str) -> str:
    """The finding in a sentence."""
    before, after = outcome.cosines_before, outcome.cosines_after
    count = len(outcome.clean)
    if outcome.told_apart:
        found = [sum(outcome.rank(c, n) == 1 for n in range(count)) for c in (before, after)]
        if count == 1:
            words = ["finds" if one else "does not find" for one in found]
            return (
                f"{model} {words[0]} the caption of the picture before the attack, and {words[1]} "
                "it after."
            )
        return (
            f"{model} finds the caption of {found[0]} of {count} pictures before the attack, and "
            f"of {found[1]} after."
        )
    old, new = outcome.of_own(before)[0], outcome.of_own(after)[0]
    return (
        f"For {model} the cosine of picture and caption goes from {old:.2f} to {new:.2f} under the "
        "attack."
    )


def _card(outcome: Outcome, n: int, name: str) -> str:
    clean, adv = outcome.clean[n], outcome.adversarial[n]
    difference, factor = magnified(clean.astype(np.float32) / 255, adv / np.float32(255), None)
    levels = int(np.abs(adv.astype(int) - clean.astype(int)).max())
    pictures = "".join(
        f"<figure>{png(pixels, f'{name}, {what}', SHOWN)}<figcaption>{label}</figcaption></figure>"
        for pixels, what, label in (
            (clean, "clean", "clean"),
            (adv, "adversarial", f"adversarial, {levels} grey level(s) at most"),
            (difference, "difference", f"difference &times;{factor}"),
        )
    )
    own = outcome.own(n)
    captions = "".join(
        f"<li>{marked(outcome.before[t], outcome.after[t])}"
        f"<small>cosine {outcome.cosines_before[n, t]:.3f} &rarr; "
        f"{outcome.cosines_after[n, t]:.3f}</small></li>"
        for t in own
    )
    found = ""
    if outcome.told_apart:
        columns = "".join(
            _found(outcome, n, what, texts, cosines)
            for what, texts, cosines in (
                ("before", outcome.before, outcome.cosines_before),
                ("after", outcome.after, outcome.cosines_after),
            )
        )
        found = f'<div class="columns">{columns}</div>'
    return (
        f'<article class="card attack"><div><h3>{safe(name)}</h3><div class="strip">{pictures}'
        f'</div><ul class="captions">{captions}</ul>{found}</div></article>'
    )


def _found(outcome: Outcome, n: int, what: str, texts: Sequence[str], cosines: np.ndarray) -> str:
    """The captions nearest to a picture, and the place of its own."""
    order = np.argsort(-cosines[n], kind="stable")[:NEAREST]
    items = "".join(
        f'<li class="{"right" if outcome.owner[t] == n else "wrong"}">{safe(texts[t])}'
        f"<small>{cosines[n, t]:.3f}</small></li>"
        for t in order
    )
    place = f"own caption at place {outcome.rank(cosines, n)} of {len(texts)}"
    return f'<div class="found"><h4>{what}<small>{place}</small></h4><ol>{items}</ol></div>'
