"""Captions of sites, as five people would write them, and what each of them tells."""

from typing import NamedTuple

import numpy as np

from mat_jax.data.aerial import sites
from mat_jax.data.aerial.sites import COUNTS, KINDS, Site


class Sentence(NamedTuple):
    """A caption and the facts it tells, by their names in `Site`; the kind is always told."""

    text: str
    told: frozenset[str]


# A caption with {thing}, {near} and {side}, and what it tells beside the kind and the count.
_FORMS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("{thing} with {near} on the {side}", ("tone", "neighbour", "side")),
    ("next to {near} we see {thing}", ("tone", "neighbour")),
    ("on the {side} of {thing} we see {near}", ("tone", "neighbour", "side")),
    ("{thing} can be seen near {near}", ("neighbour",)),
    ("an aerial image of {thing} beside {near}", ("tone", "neighbour")),
    ("in the picture we see {thing}", ("tone",)),
    ("{near} on the {side} and {thing} in the middle", ("tone", "neighbour", "side")),
)


def captions(site: Site, rng: np.random.Generator, count: int = 5) -> list[Sentence]:
    """Different sentences on one site; some tell more than others."""
    order = rng.permutation(len(_FORMS))[:count]
    return [_sentence(site, *_FORMS[int(n)]) for n in order]


def imagine(sentence: Sentence, site: Site, rng: np.random.Generator, *, wrong: float) -> Site:
    """Another site that a sentence on `site` is true of, but for facts that are mistaken.

    Args:
        sentence: on the site.
        site: whose facts it tells.
        rng: what is drawn.
        wrong: share of the told facts that the picture gets wrong, as text-to-image models do.
    """
    right = {fact for fact in sorted(sentence.told) if rng.random() >= wrong}
    kind = site.kind if rng.random() >= wrong else sites.sample(rng).kind
    if kind != site.kind:  # another kind may not come in that tone, or in that number
        right -= {"count", "tone"}
    return sites.anew(
        rng,
        kind=kind,
        count=site.count if "count" in right else None,
        tone=site.tone if "tone" in right else None,
        neighbour=site.neighbour if "neighbour" in right else None,
        side=site.side if "side" in right else None,
    )


def _sentence(site: Site, form: str, told: tuple[str, ...]) -> Sentence:
    kind = KINDS[site.kind]
    thing = (kind.plural or kind.thing) if site.count else kind.thing
    thing = thing.format(site.tone if "tone" in told else "")
    if kind.plural:
        thing = f"{COUNTS[site.count]} {thing}"
    words = form.format(thing=thing, near=site.neighbour, side=site.side).split()
    text = " ".join(words).replace("a orange", "an orange")
    return Sentence(text, frozenset((*told, "count")))
