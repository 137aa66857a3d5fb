"""What must hold of every attacked batch; a violation stops the evaluation."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mat_jax.attacks import ThreatModel
from mat_jax.evaluate.results import eps_text
from mat_jax.types.arrays import Adversarial, Batch

ROUNDING = 1e-6  # what float32 sums may add to a pixel or, relatively, to a norm


class Broken(RuntimeError):
    """An attack left what its threat model allows, so its numbers would mean nothing."""


def verify(
    attack: str,
    batch: Batch,
    adv: Adversarial,
    threat: ThreatModel,
    size: int,
    checks: dict[str, Any],
) -> None:
    """Check the first `size` examples of an attacked batch and note what was measured.

    Images are finite, in [0, 1] and within eps of the clean ones in the norm of the threat; no
    caption has more changed words than the budget, and only words with candidates are changed.

    Args:
        attack: its name, for the message.
        batch, adv: before and after, on the host.
        threat: what was allowed.
        size: how many examples are real; the others fill the batch up.
        checks: running extremes and sums, updated in place.

    Raises:
        Broken: one sentence that names the attack and the figure.
    """
    images, clean = np.asarray(adv.images)[:size], np.asarray(batch.images)[:size]
    if not np.isfinite(images).all():
        raise Broken(
            f"{attack} made pixels that are not finite numbers; check the model's gradients"
        )
    low, high = float(images.min()), float(images.max())
    if low < 0 or high > 1:
        raise Broken(f"{attack} made pixels from {low:g} to {high:g}, outside [0, 1]")
    delta = (images - clean).reshape(size, -1)
    if threat.norm == "linf":
        length, room = np.abs(delta).max(axis=1), threat.eps + ROUNDING
    else:
        length, room = np.linalg.norm(delta, axis=1), threat.eps * (1 + 1e-5) + ROUNDING
    farthest = float(length.max())
    if farthest > room:
        raise Broken(
            f"{attack} moved an image by {farthest:.6f} in {threat.norm}, more than eps "
            f"{eps_text(threat.eps)} = {threat.eps:.6f}"
        )
    _grow(checks, "largest_delta", farthest)
    _add(checks, "images_moved", int((length > 0).sum()))
    present = np.asarray(batch.present)[:size]
    _add(checks, "captions_seen", int(present.sum()))
    if adv.choice is not None and batch.words is not None:
        choice = np.asarray(adv.choice)[:size]
        changed = (choice >= 0).sum(axis=-1)
        most = int(changed.max(initial=0))
        if most > threat.words:
            raise Broken(f"{attack} changed {most} words of a caption; allowed are {threat.words}")
        lengths = np.asarray(batch.words.substitute_lengths)[:size]
        picked = np.take_along_axis(lengths, np.maximum(choice, 0)[..., None], axis=-1)[..., 0]
        if ((choice >= 0) & (picked == 0)).any():
            raise Broken(f"{attack} put a substitute where the candidate table has none")
        _grow(checks, "most_words_changed", most)
        _add(checks, "captions_changed", int((changed[present] > 0).sum()))
        open_words = (lengths > 0).any(axis=(-2, -1))
        _add(checks, "captions_without_candidates", int((present & ~open_words).sum()))
    passes = checks.setdefault("passes", {})
    for name in ("image_forwards", "image_backwards", "text_forwards", "text_backwards"):
        if name in adv.stats:
            used = np.asarray(adv.stats[name])[:size]
            _add(passes, name, int((used * present if used.ndim == 2 else used).sum()))


def combined(each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The figures of several batches, or attacks, as one: extremes of extremes, sums of sums."""
    found: dict[str, Any] = {}
    for checks in each:
        for name, value in checks.items():
            if name == "passes":
                found[name] = combined([found.get(name, {}), value])
            elif name.startswith(("largest", "most")):
                _grow(found, name, value)
            else:
                _add(found, name, value)
    return found


def _grow(checks: dict[str, Any], name: str, value: float | int) -> None:
    checks[name] = max(checks.get(name, value), value)


def _add(checks: dict[str, Any], name: str, value: int) -> None:
    checks[name] = checks.get(name, 0) + value
