"""One step of a defence on one device and on eight, which must end alike."""

import jax
import numpy as np
import optax

from mat_jax import mesh, state
from mat_jax.step import compile_step


def same_on_eight(defense, model, batch, reference=None):
    """Metrics and trained weights after a step of SGD, and what one of eight devices computes.

    A step shows the attack too: loss and gradient are those of the attacked pairs.
    """
    layout, weights = state.flatten(model)
    optimizer, ends = optax.sgd(1e-2), []
    for spec in (1, 8):
        devices = mesh.make(spec)
        begin = state.create(weights, optimizer, defense.trains, 0)
        begin = jax.device_put(begin, mesh.state_shardings(devices, begin))
        still = None
        if reference is not None:
            _, still = state.flatten(reference)
            still = jax.device_put(still, mesh.state_shardings(devices, still))
        given = jax.device_put(batch, mesh.batch_sharding(devices))
        step = compile_step(layout, defense, optimizer, devices, begin)
        program = step.lower(begin, still, given).compile()
        end, metrics = program(begin, still, given)
        told = {name: metrics[name] for name in ("loss", "captions_changed") if name in metrics}
        ends.append((told, end.trained))
    one, many = jax.tree.map(np.asarray, ends)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), one, many)
    assert any(np.any(many[1][name] != weights[name]) for name in many[1])
    return metrics, program.as_text()
