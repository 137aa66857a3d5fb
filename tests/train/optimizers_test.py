"""Muon where it belongs, AdamW elsewhere; and the mean of the weights."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mat_jax.train import optimizers


def updates(optimizer: optax.GradientTransformation, slopes, memory, weights) -> tuple[Any, Any]:
    """The step and the new memory: to Optax any trees, here dictionaries."""
    return optimizer.update(slopes, memory, weights)


def test_blocks_matrices_step_orthogonally_and_the_rest_as_adamw_does():
    rng = np.random.default_rng(0)
    weights = {
        "vision.blocks.0.mlp.fc1.kernel": rng.normal(size=(8, 8)),
        "vision.blocks.0.mlp.fc1.bias": rng.normal(size=8),
        "text.tok": rng.normal(size=(6, 8)),
        "text_proj.kernel": rng.normal(size=(8, 4)),
    }
    weights: Any = {name: jnp.asarray(value, jnp.float32) for name, value in weights.items()}
    slopes = {name: value * 0.01 for name, value in weights.items()}
    ours = optimizers.muon_adamw(1e-2, weight_decay=0.0, clip=1e9)
    adam = optax.adamw(1e-2, b2=0.98, weight_decay=0.0)
    # Optax's own arithmetic needs JAX's usual promotion of types, as in the training step.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        step = updates(ours, slopes, ours.init(weights), weights)[0]
        plain = updates(adam, slopes, adam.init(weights), weights)[0]
    matrix = "vision.blocks.0.mlp.fc1.kernel"
    singular = np.linalg.svd(np.asarray(step[matrix]), compute_uv=False)
    # Newton-Schulz brings all singular values near each other, whatever the gradient's are.
    assert singular.max() / singular.min() < 2.5
    np.testing.assert_allclose(np.sqrt(np.mean(np.square(step[matrix]))), 0.2e-2, rtol=0.3)
    for name in set(weights) - {matrix}:
        np.testing.assert_allclose(step[name], plain[name], rtol=1e-5, atol=1e-8)


def test_the_average_is_that_of_the_weights_after_each_update():
    """By its formula, from the weights themselves; updates are those of the optimizer inside."""
    rng = np.random.default_rng(0)
    weights: Any = {"x": jnp.asarray(rng.normal(size=5), jnp.float32)}
    plain, ours = optax.adam(0.1), optimizers.averaged(optax.adam(0.1), decay=0.9)
    memory, beside, walked = ours.init(weights), plain.init(weights), []
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        for n in range(1, 5):
            slope = {"x": jnp.asarray(rng.normal(size=5), jnp.float32)}
            step, memory = updates(ours, slope, memory, weights)
            expected, beside = updates(plain, slope, beside, weights)
            np.testing.assert_array_equal(step["x"], expected["x"])
            added: Any = optax.apply_updates(weights, step)
            weights = added
            walked.append(np.asarray(weights["x"], np.float64))
            shares = 0.1 / (1 - 0.9**n) * 0.9 ** np.arange(n - 1, -1, -1)
            assert shares.sum() == pytest.approx(1)
            mean = optimizers.average_of(memory)["x"]
            np.testing.assert_allclose(mean, shares @ np.stack(walked), rtol=1e-5, atol=1e-7)
            if n == 1:
                np.testing.assert_array_equal(mean, weights["x"])


def test_an_average_is_found_inside_a_chain_and_missed_where_there_is_none():
    weights = {"x": jnp.arange(3.0)}
    chained = optax.chain(optax.clip_by_global_norm(1.0), optimizers.averaged(optax.sgd(0.1)))
    np.testing.assert_array_equal(optimizers.average_of(chained.init(weights))["x"], weights["x"])
    assert optimizers.average_of(optax.adam(0.1).init(weights)) is None
    with pytest.raises(ValueError, match="decay 1.0 must be above 0 and below 1"):
        optimizers.averaged(optax.sgd(0.1), decay=1.0)
    with pytest.raises(ValueError, match="call update with params"):
        chained.update(weights, chained.init(weights))


def test_what_is_rounded_at_random_is_right_in_the_mean():
    between = jnp.asarray([1.0 + 2**-10, -3.0 - 2**-8, 1e-3, 0.0, jnp.inf], jnp.float32)
    keys = jax.random.split(jax.random.key(0), 4000)
    drawn = jax.vmap(lambda key: optimizers.rounded_at_random(between, key))(keys)
    drawn = np.asarray(drawn.astype(jnp.float32))
    for value, found in zip(np.asarray(between), drawn.T, strict=True):
        assert len(np.unique(found)) <= 2  # its two neighbours
        if np.isfinite(value):
            step = np.ptp(found)
            assert abs(found.mean() - value) <= 4 * step / 2 / np.sqrt(len(found))
        else:
            assert np.all(found == value)


def test_an_optimizer_in_half_the_memory_follows_the_whole_one():
    """A second moment that falls by a thousandth a step, which the nearest bfloat16 never shows."""
    weights = {"w": jnp.zeros(2000)}
    plain = optax.scale_by_adam(b1=0.9, b2=0.999)
    half = optimizers.in_bfloat16(plain)
    states: Any = (plain.init(weights), half.init(weights))
    assert states[1].optimizer.nu["w"].dtype == jnp.bfloat16

    @jax.jit
    def step(states, slope):
        slopes = {"w": jnp.full(2000, slope)}
        return tuple(o.update(slopes, s)[1] for o, s in zip((plain, half), states, strict=True))

    with jax.numpy_dtype_promotion("standard"):
        for slope in (1.0, *[0.0] * 200):
            states = step(states, slope)
    whole, kept = states[0].nu["w"], states[1].optimizer.nu["w"].astype(jnp.float32)
    assert float(jnp.mean(kept)) == pytest.approx(float(whole[0]), rel=0.02)
    assert float(whole[0]) < 0.85 * 1e-3  # it fell, and further than a rounding
