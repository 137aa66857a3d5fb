"""Muon where it belongs, AdamW elsewhere."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mat_jax import optimizers


def test_blocks_matrices_step_orthogonally_and_the_rest_as_adamw_does():
    rng = np.random.default_rng(0)
    weights = {
        "vision.blocks.0.mlp.fc1.kernel": rng.normal(size=(8, 8)),
        "vision.blocks.0.mlp.fc1.bias": rng.normal(size=8),
        "text.tok": rng.normal(size=(6, 8)),
        "text_proj.kernel": rng.normal(size=(8, 4)),
    }
    weights = {name: jnp.asarray(value, jnp.float32) for name, value in weights.items()}
    slopes = {name: value * 0.01 for name, value in weights.items()}
    ours = optimizers.muon_adamw(1e-2, weight_decay=0.0, clip=1e9)
    adam = optax.adamw(1e-2, b2=0.98, weight_decay=0.0)
    # Optax's own arithmetic needs JAX's usual promotion of types, as in the training step.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        step, _ = ours.update(slopes, ours.init(weights), weights)
        plain, _ = adam.update(slopes, adam.init(weights), weights)
    matrix = "vision.blocks.0.mlp.fc1.kernel"
    singular = np.linalg.svd(np.asarray(step[matrix]), compute_uv=False)
    # Newton-Schulz brings all singular values near each other, whatever the gradient's are.
    assert singular.max() / singular.min() < 2.5
    np.testing.assert_allclose(np.sqrt(np.mean(np.square(step[matrix]))), 0.2e-2, rtol=0.3)
    for name in set(weights) - {matrix}:
        np.testing.assert_allclose(step[name], plain[name], rtol=1e-5, atol=1e-8)
