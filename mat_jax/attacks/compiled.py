"""An attack as one compiled call."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mat_jax.attacks.threat import Preset, ThreatModel
from mat_jax.types.arrays import Adversarial, Batch, Tokens
from mat_jax.types.protocols import EncodesPairs
from mat_jax.types.text_format import TextFormat, cut_length


@dataclass(frozen=True)
class Compiled:
    """`(batch, key) -> Adversarial` as one device call; `func` is the jitted function.

    Texts go to the device as long as the longest of the batch may become under attack, and come
    back at the length of the model: what encoders leave unread changes nothing, and of CLIP's 77
    positions captions fill 20.
    """

    func: Callable[..., Adversarial]
    state: Any
    text_format: TextFormat
    threat: ThreatModel

    def __call__(self, batch: Batch, key: jax.Array, **more: Any) -> Adversarial:
        """The attack's result, texts at the length of the model; the batch is on the host."""
        return self.func(self.state, self.fitted(batch), key, **more)

    def fitted(self, batch: Batch) -> Batch:
        """The batch with its texts cut where nothing can stand: see `cut_length`."""
        room = longest(batch, self.text_format, self.threat.words)
        room = cut_length(room, batch.tokens.ids.shape[-1])
        return batch._replace(tokens=jax.tree.map(lambda x: x[..., :room], batch.tokens))


def compile_attack(
    attack: Callable[..., Adversarial],
    model: EncodesPairs,
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
) -> Compiled:
    """`attack` on `model` as one device call, `(batch, key) -> Adversarial`.

    Weights are arguments of the compiled program, not constants inside it: batches of one shape
    share one compilation, and so do models of one architecture, before and after training.
    What an attack takes besides (`labels`) is named in the call and goes along as arrays.
    """
    graph, state = nnx.split(model)
    return Compiled(_program(attack, graph, threat, preset), state, model.text_format, threat)


def longest(batch: Batch, text_format: TextFormat, changes: int) -> int:
    """Ids that the longest text of the batch can have, start and end included, under attack.

    Args:
        batch: on the host.
        text_format: of the model; its `mask` may stand in the place of one word.
        changes: words of a caption that may change.
    """
    longest = int(np.sum(np.asarray(batch.tokens.mask), axis=-1).max(initial=0))
    if batch.words is None:
        return longest
    lengths, others = np.asarray(batch.words.lengths), np.asarray(batch.words.substitute_lengths)
    widest = others.max(axis=-1, initial=0)
    widest = np.where(widest > 0, np.maximum(widest, len(text_format.mask)), 0)
    growth = np.sort(np.maximum(widest - lengths, 0), axis=-1)[..., ::-1]
    # One word is masked at a time even where none may change.
    total = lengths.sum(axis=-1) + growth[..., : max(changes, 1)].sum(axis=-1)
    return max(longest, 2 + int(total.max(initial=0)))


@lru_cache(maxsize=64)
def _program(
    attack: Callable[..., Adversarial], graph: Any, threat: ThreatModel, preset: Preset
) -> Callable[..., Adversarial]:
    """The jitted attack on every model of one architecture."""

    def run(state, batch: Batch, key, **more) -> Adversarial:
        model = nnx.merge(graph, state)
        whole, length = model.text_format, batch.tokens.ids.shape[-1]
        model.text_format = replace(whole, length=length)
        found = attack(model, batch, key, threat=threat, preset=preset, **more)
        return found._replace(tokens=_padded(found.tokens, whole))

    # What logs and profiles call it.
    run.__name__ = getattr(attack, "__name__", "attack")
    return jax.jit(run)


def _padded(tokens: Tokens, text_format: TextFormat) -> Tokens:
    """Tokens at the length of the model again."""
    missing = text_format.length - tokens.ids.shape[-1]
    wider = [(0, 0)] * (tokens.ids.ndim - 1) + [(0, missing)]
    return Tokens(
        jnp.pad(tokens.ids, wider, constant_values=text_format.pad), jnp.pad(tokens.mask, wider)
    )
