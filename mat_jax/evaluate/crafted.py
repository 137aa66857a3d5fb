"""What an attack made, as every target sees it: batch by batch, and all batches as one gallery."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from mat_jax.evaluate.invariants import Broken, combined
from mat_jax.evaluate.piece_files import Piece
from mat_jax.evaluate.points import Points
from mat_jax.evaluate.tasks.base import Task, Victim
from mat_jax.models.ensemble import resized
from mat_jax.models.features import encode_images, joined, rows
from mat_jax.types.arrays import Adversarial


class Crafted(NamedTuple):
    """What an attack made: as each target sees it, and what was measured on the way."""

    points: tuple[Points, ...]
    checks: dict[str, Any]
    passes: dict[str, int]


def seen_by(
    targets: Sequence[Victim],
    crafter: Victim,
    adv: Adversarial,
    here: Int[np.ndarray, " examples"],
    strings: list[list[str]],
    checks: dict[str, Any],
    *,
    own: Int[np.ndarray, " batch"] | None,
    moved: bool,
    shown: Sequence[int],
) -> Piece:
    """A batch as every target sees it.

    Args:
        targets: who see it.
        crafter: the model that the attack was made on.
        adv: what the attack made, on the host. What fills the batch up comes last.
        here: rows of the examples, without what fills the batch up.
        strings: the texts of each example after the attack.
        checks: of the batch.
        own: rows of the whole batch, of which targets see their own pictures; None where they see
            the crafter's at their size.
        moved: whether pictures were attacked; they are then also seen rounded to 8 bits.
        shown: rows of the examples whose pictures are kept for the report.
    """
    size = len(here)
    texts = [text for captions in strings for text in captions]
    piece = Piece([], [], [], texts, checks)
    levels = np.round(np.asarray(adv.images) * np.float32(255)) / np.float32(255)
    for target in targets:
        images = _as_seen(target, crafter, adv.images, own)
        piece.images.append(rows(encode_images(target.model, images), slice(size)))
        if moved:
            saved = _as_seen(target, crafter, levels, own)
            piece.rounded.append(rows(encode_images(target.model, saved), slice(size)))
        piece.pictures.append({int(i): images[b] for b, i in enumerate(here) if i in shown})
    return piece


def gathered(
    task: Task,
    targets: Sequence[Victim],
    attack: str,
    pieces: Sequence[Piece],
    sketched: np.ndarray,
) -> Crafted:
    """All batches of an attack as one, and their texts read by every target.

    Args:
        task: of the examples.
        targets: who have seen the batches.
        attack: its name.
        pieces: the batches.
        sketched: [examples] see `Points.sketched`.

    Raises:
        Broken: features that are not finite numbers.
    """
    texts = [text for piece in pieces for text in piece.texts]
    found = []
    for n, target in enumerate(targets):
        images = joined([piece.images[n] for piece in pieces])
        words = task.read(target, texts)
        if not (np.isfinite(images.unit).all() and np.isfinite(words.unit).all()):
            raise Broken(
                f"{attack}: some features are not finite numbers; check the weights of the model"
            )
        moved = [piece.rounded[n] for piece in pieces if piece.rounded]
        pictures = {i: p for piece in pieces for i, p in piece.pictures[n].items()}
        saved = joined(moved) if moved else images
        captions = np.array(texts, object)
        found.append(Points(images, saved, words, captions, pictures, sketched))
    checks = combined([piece.checks for piece in pieces])
    return Crafted(tuple(found), checks, checks.pop("passes", {}))


def count_reread(
    crafter: Victim, strings: list[list[str]], adv: Adversarial, checks: dict[str, Any]
) -> None:
    """Count the texts that are tokenized otherwise than what the attack put together."""
    texts = [text for captions in strings for text in captions]
    if not texts:
        return
    tokens = crafter.tokenizer(texts)
    used = np.concatenate([adv.tokens.ids[b, : len(c)] for b, c in enumerate(strings)])
    differ = int((np.asarray(tokens.ids) != used).any(axis=1).sum())
    checks["read_differently"] = checks.get("read_differently", 0) + differ


def _as_seen(
    target: Victim, crafter: Victim, images: Any, own: Int[np.ndarray, " batch"] | None
) -> Float[np.ndarray, "batch height width 3"]:
    """The pictures at the size of a target, or its own of the same rows."""
    if target.model is crafter.model:
        return np.asarray(images)
    if own is not None:
        mine = [target.examples.image(int(i)) for i in own]
        return np.stack(mine) / np.float32(255)
    size = target.examples.image_size
    return np.asarray(resized(jnp.asarray(images), size))
