"""An attack as one compiled call."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
from flax import nnx

from mat_jax.attacks.threat import Preset, ThreatModel
from mat_jax.records import Adversarial, Batch


def compiled(
    attack: Callable[..., Adversarial],
    model: nnx.Module,
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
) -> Callable[..., Adversarial]:
    """`attack` on `model` as one device call, `(batch, key) -> Adversarial`.

    Weights are arguments of the compiled program, not constants inside it: batches of one shape
    share one compilation, and so do models of one architecture, before and after training.
    What an attack takes besides (`labels`) is named in the call and goes along as arrays.
    `.func` of the result is the jitted function.
    """
    graph, state = nnx.split(model)
    return partial(_program(attack, graph, threat, preset), state)


@lru_cache(maxsize=64)
def _program(
    attack: Callable[..., Adversarial], graph: Any, threat: ThreatModel, preset: Preset
) -> Callable[..., Adversarial]:
    """The jitted attack on every model of one architecture."""

    @jax.jit
    def run(state, batch: Batch, key, **more) -> Adversarial:
        model = nnx.merge(graph, state)
        return attack(model, batch, key, threat=threat, preset=preset, **more)

    return run
