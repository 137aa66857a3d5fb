"""Models as named weights and back."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from mat_jax.train import state


class Small(nnx.Module):
    def __init__(self):
        self.vision = nnx.List([nnx.Linear(2, 3, rngs=nnx.Rngs(0)) for _ in range(2)])
        self.scale = nnx.Param(jnp.ones(()))
        self.name = "small"


def test_names_are_paths_and_the_model_comes_back():
    model = Small()
    layout, weights = state.flatten(model)
    assert set(weights) == {
        "scale",
        "vision.0.bias",
        "vision.0.kernel",
        "vision.1.bias",
        "vision.1.kernel",
    }
    again = layout.model(weights)
    assert again.name == "small"
    np.testing.assert_array_equal(again.vision[1].kernel[...], model.vision[1].kernel[...])


def weights_alone(weights: Any) -> dict[str, bool]:
    return {name: not name.endswith("bias") for name in weights}


def test_a_mask_is_a_comprehension():
    """Flat names: weight decay off for biases is one line, and frozen weights have no moments."""
    _, weights = state.flatten(Small())
    decay = optax.adamw(1e-3, mask=weights_alone)
    found = state.create(weights, decay, lambda path: path[:2] == ("vision", "0"), seed=0)
    assert set(found.trained) == {"vision.0.bias", "vision.0.kernel"}
    assert sum(x.size for x in jax.tree.leaves(found.optimizer) if x.ndim) == 2 * (3 + 6)


def test_statistics_never_train():
    small = Small()
    measured: Any = nnx.BatchNorm(3, rngs=nnx.Rngs(0))
    measured.running_mean = nnx.BatchStat(jnp.zeros(3))
    small.vision.append(measured)
    _, weights = state.flatten(small)
    found = state.create(weights, optax.sgd(1.0), lambda path: True, seed=0)
    assert "vision.2.scale" in found.trained
    assert "vision.2.running_mean" in found.frozen


def test_nothing_to_train_is_said():
    _, weights = state.flatten(Small())
    with pytest.raises(ValueError, match="trains none"):
        state.create(weights, optax.sgd(1.0), lambda path: False, seed=0)
