"""The mean over draws, and what it is good for: a gradient that the noise does not hide."""

import jax
import jax.numpy as jnp
import numpy as np

from mat_jax.attacks.expectation import averaged
from mat_jax.attacks.optimizers.auto_pgd import apgd
from mat_jax.attacks.optimizers.projected_gradient import example_keys, fold

IMAGES = jnp.asarray(np.random.RandomState(0).uniform(0.3, 0.7, (4, 4, 4, 3)), jnp.float32)
KEYS = example_keys(jax.random.key(3), jnp.arange(4))
SLOPE = jnp.asarray(np.random.RandomState(1).randn(4, 4, 3), jnp.float32)


def noisy(images, keys):
    """A linear loss whose weights are mostly noise; and what is kept, of the same draw."""

    def one(image, key):
        weights = SLOPE + 8 * jax.random.normal(key, SLOPE.shape)
        return jnp.sum(weights * image), jnp.sum(jnp.square(weights * image))

    return jax.vmap(one)(images, keys)


def test_values_and_gradient_are_means_over_the_draws():
    both = averaged(noisy, draws=5)
    each = [noisy(IMAGES, fold(KEYS, n)) for n in range(5)]
    for found, expected in zip(both(IMAGES, KEYS), zip(*each, strict=True), strict=True):
        np.testing.assert_allclose(found, np.mean(expected, axis=0), rtol=1e-5)
    slope = jax.grad(lambda x: jnp.sum(both(x, KEYS)[0]))(IMAGES)
    slopes = [
        jax.grad(lambda x, n=n: jnp.sum(noisy(x, fold(KEYS, n))[0]))(IMAGES) for n in range(5)
    ]
    np.testing.assert_allclose(slope, np.mean(slopes, axis=0), rtol=1e-4, atol=1e-5)


def test_more_draws_climb_the_expected_loss_higher():
    def expected(x):
        return jnp.sum(x * SLOPE[None], axis=(1, 2, 3))

    def gain(draws):
        def attack(x):
            climb = averaged(lambda x, keys: (noisy(x, keys)[0], expected(x)), draws=draws)
            return apgd(expected, x, KEYS, eps=0.1, steps=10, climb_fn=climb)

        return np.mean(expected(jax.jit(attack)(IMAGES)) - expected(IMAGES))

    most = 0.1 * float(np.abs(SLOPE).sum())
    assert gain(100) > 1.2 * gain(1) and gain(100) < most
