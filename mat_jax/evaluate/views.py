"""How failures look under an attack: the picture, what was changed, where the model looks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from mat_jax.evaluate.failures import failing
from mat_jax.evaluate.points import Points, of_examples
from mat_jax.evaluate.ranks import Ranks
from mat_jax.evaluate.shelf import Shelf
from mat_jax.evaluate.tasks.base import Task, Victim
from mat_jax.evaluate.thumbnails import enlarged
from mat_jax.models.features import encode_images, joined, rows


@dataclass(frozen=True, kw_only=True)
class View:
    """One failure under an attack, small.

    Attributes:
        attack: that made it; of a worst case, the one that did the example the most damage. It may
            be empty where the picture is as it was.
        picture: the attacked picture, as the model saw it that it was crafted on; None where the
            picture is as it was, or where it was not kept.
        difference: what changed in it, see `thumbnails.differences`.
        overlay: what the model looks at, by tasks that can tell.
    """

    attack: str
    picture: UInt8[np.ndarray, "height width 3"] | None = None
    difference: UInt8[np.ndarray, "height width 3"] | None = None
    overlay: UInt8[np.ndarray, "side side 3"] | None = None


def views_of(
    task: Task,
    target: Victim,
    points: Points,
    ranks: Ranks,
    failed: Sequence[int],
    shelf: Shelf,
    *,
    attack: str = "",
) -> dict[int, View]:
    """The views of some examples, by row.

    Args:
        task: of the examples.
        target: who sees them.
        points: of all examples.
        ranks: in the gallery of these points.
        failed: rows of the examples.
        shelf: where their sketches are.
        attack: of the points whose pictures are as they were.
    """
    failed = sorted(failed)
    names = {i: str(points.sketched[i]) for i in failed if points.sketched[i]}
    sketches = shelf.get(names)
    known = [i for i in failed if i in sketches or i not in names]
    size = target.examples.image_size
    pictures = {
        i: enlarged(sketches[i].picture, size) if i in sketches else _clean(target, i)
        for i in (known if task.looks else ())
    }
    drawn = overlays(task, target, points._replace(pictures=pictures), ranks, known)
    found = {}
    for n, i in enumerate(known):
        overlay = None if drawn is None else drawn[n]
        if i in sketches:
            found[i] = View(**sketches[i]._asdict(), overlay=overlay)
        elif overlay is not None:
            found[i] = View(attack=attack, overlay=overlay)
    return found


def overlays(
    task: Task, target: Victim, points: Points, ranks: Ranks, chosen: Sequence[int]
) -> UInt8[np.ndarray, "chosen side side 3"] | None:
    """What the model looks at in some examples (rows, rising); None by tasks that cannot tell."""
    if not task.looks or not len(chosen):
        return None
    those = np.array(chosen)
    seen = of_examples(points, those, target.examples.text_owner)
    return task.overlays(target, seen, ranks, those)


def clean_overlays(
    task: Task, target: Victim, ranks: Sequence[Ranks], *, batch_size: int
) -> dict[int, np.ndarray]:
    """What the model looks at before the attack in the worst failures of any attack, by row.

    Their features were given up long ago, so these few are encoded again.

    Args:
        task: of the examples.
        target: who looks.
        ranks: of all examples, clean first, then under each attack.
        batch_size: pictures that are encoded at once.
    """
    chosen = {i for one in ranks for i in failing(one)}
    if not task.looks or not chosen:
        return {}
    those = np.array(sorted(chosen))
    pictures = {int(i): _clean(target, int(i)) for i in those}
    parts = []
    for first in range(0, len(those), batch_size):
        here = np.resize(those[first:], batch_size)  # one shape, so one compilation
        found = encode_images(target.model, np.stack([pictures[int(i)] for i in here]))
        parts.append(rows(found, slice(min(batch_size, len(those) - first))))
    images, owner = joined(parts), target.examples.text_owner
    texts = [target.examples.texts[t] for t in np.flatnonzero(np.isin(owner, those))]
    captions, none = np.array(texts, object), np.full(len(those), "", object)
    seen = Points(images, images, task.read(target, texts), captions, pictures, none)
    drawn = task.overlays(target, seen, ranks[0], those)
    return {} if drawn is None else {int(i): one for i, one in zip(those, drawn, strict=True)}


def of_worst(
    places: Sequence[int],
    damages: Sequence[np.ndarray],
    attacks: Sequence[str],
    views: Sequence[Mapping[int, View]],
) -> dict[int, View]:
    """Of each example the view of the attack that did it the most damage, the first of equals.

    Every attack keeps views of its own worst failures alone. Where the example is not one of them,
    only the attack is named.

    Args:
        places: rows of the examples.
        damages: [examples, 2] of each attack, see `attacks.ensembles.damage`.
        attacks: their names.
        views: theirs.
    """
    found = {}
    for i in places:
        worst = max(range(len(damages)), key=lambda n, i=i: tuple(damages[n][i]))
        found[i] = views[worst].get(i, View(attack=attacks[worst]))
    return found


def _clean(target: Victim, row: int) -> np.ndarray:
    """[height, width, 3] the clean picture of an example, in [0, 1]."""
    return target.examples.image(row) / np.float32(255)
