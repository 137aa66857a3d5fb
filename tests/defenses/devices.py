"""One step of a defence on one device and on eight, which should end alike."""

from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from mat_jax.train import mesh, sharding, state
from mat_jax.train.step import compile_step


class Ends(NamedTuple):
    """Of the same step on one device and on eight.

    Attributes:
        apart: greatest difference of a metric or a trained weight between the two.
        moved: how far the step took the weight that moved most.
        metrics: of the eight.
        text: the program of one of the eight.
    """

    apart: float
    moved: float
    metrics: dict[str, Any]
    text: str


def on_one_and_on_eight(defense, model, batch, reference=None):
    """A step of SGD on either; it shows the attack too: the loss is that of the attacked pairs."""
    layout, weights = state.flatten(model)
    optimizer, ends = optax.sgd(1e-2), []
    for spec in (1, 8):
        devices = mesh.make(spec)
        begin = state.create(weights, optimizer, defense.trains, 0)
        begin = jax.device_put(begin, sharding.state_shardings(devices, begin))
        still = None
        if reference is not None:
            _, still = state.flatten(reference)
            still = jax.device_put(still, sharding.state_shardings(devices, still))
        given = jax.device_put(batch, mesh.batch_sharding(devices))
        step = compile_step(layout, defense, optimizer, devices, begin)
        lowerable: Any = step
        program = lowerable.lower(begin, still, given).compile()
        end, metrics = program(begin, still, given)
        told = {name: metrics[name] for name in ("loss", "captions_changed") if name in metrics}
        ends.append((told, end.trained))
    one, many = jax.tree.map(np.asarray, ends)
    apart = jax.tree.map(lambda a, b: np.max(np.abs(a - b)), one, many)
    moved = [np.max(np.abs(new - weights[name])) for name, new in many[1].items()]
    # NumPy's maximum hands on what is no number, and no comparison with that is true.
    return Ends(np.max(jax.tree.leaves(apart)), np.max(moved), metrics, program.as_text())
