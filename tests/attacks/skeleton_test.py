"""What holds of every attack on images, whatever it climbs with."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mat_jax import attacks
from mat_jax.attacks.optimizers.auto_pgd import apgd
from mat_jax.attacks.optimizers.projected_gradient import example_keys, fgsm, pgd
from mat_jax.attacks.optimizers.square_search import square
from mat_jax.types.arrays import unit
from tests.attacks.toy import Toy, toy_batch
from tests.tools.narrow import some

SHAPE = (4, 6, 6, 3)
IDS = jnp.array([5, 9, 1, 30])


def pgd_of(loss, images, keys, *, eps, steps=4, **kwargs):
    return pgd(loss, images, keys, eps=eps, step_size=eps / 2, steps=steps, best=True, **kwargs)


EVERY = {
    "fgsm": lambda loss, images, keys, *, eps: fgsm(loss, images, eps=eps),
    "pgd": functools.partial(pgd_of, momentum=1.0, restarts=2),
    "pgd-l2": functools.partial(pgd_of, norm="l2", momentum=0.5),
    "apgd": functools.partial(apgd, steps=6),
    "apgd-l2": functools.partial(apgd, steps=6, norm="l2", restarts=2),
    "square": functools.partial(square, steps=10, rescale=True),
}
every = pytest.mark.parametrize("name", list(EVERY))


def encode(images):
    """A model in one layer; an all-black image has no embedding, and no gradient."""
    weights = np.random.RandomState(3).randn(6 * 6 * 3, 8).astype(np.float32)
    return unit(jnp.tanh(images.reshape(images.shape[0], -1) @ jnp.asarray(weights)))


def run(name, images, ids, eps, gain):
    goal = np.random.RandomState(4).randn(8).astype(np.float32)
    keys = example_keys(jax.random.key(0), ids)
    return EVERY[name](lambda x: gain * (encode(x) @ jnp.asarray(goal)), images, keys, eps=eps)


@functools.cache
def call(name):
    """One compilation an attack: radius and strength of the gradient are its arguments."""
    return jax.jit(functools.partial(run, name))


def pixels(seed=0):
    return jnp.asarray(np.random.RandomState(seed).uniform(0, 1, SHAPE).astype(np.float32))


def sizes(name, delta):
    delta = np.asarray(delta).reshape(SHAPE[0], -1)
    return np.linalg.norm(delta, axis=1) if name.endswith("l2") else np.abs(delta).max(axis=1)


@every
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31 - 1),
    eps=st.sampled_from([0.0, 1 / 255, 0.1, 1.0, 3.0]),
    kind=st.sampled_from(["noise", "corners", "black", "white", "grey"]),
    gain=st.sampled_from([0.0, 1e-20, 1.0, 1e6]),
)
def test_ball_and_box_hold_and_all_is_finite(name, seed, eps, kind, gain):
    images = {
        "noise": pixels(seed),
        "corners": jnp.round(pixels(seed)),
        "black": jnp.zeros(SHAPE),
        "white": jnp.ones(SHAPE),
        "grey": jnp.full(SHAPE, 0.5),
    }[kind]
    adv = call(name)(images, IDS, jnp.float32(eps), jnp.float32(gain))
    assert np.isfinite(np.asarray(adv)).all()
    assert float(adv.min()) >= 0 and float(adv.max()) <= 1
    assert sizes(name, adv - images).max() <= eps * (1 + 1e-5) + 1e-6
    if eps == 0:
        np.testing.assert_array_equal(adv, images)


@every
def test_an_image_does_not_depend_on_its_place_in_the_batch(name):
    images, eps, gain = pixels(), jnp.float32(0.1), jnp.float32(1)
    whole = call(name)(images, IDS, eps, gain)
    order = jnp.array([2, 0, 3, 1])
    np.testing.assert_allclose(
        call(name)(images[order], IDS[order], eps, gain), whole[order], atol=1e-6
    )
    # Beside other images it is attacked as before.
    others = call(name)(pixels(7).at[0].set(images[0]), IDS, eps, gain)
    np.testing.assert_allclose(others[0], whole[0], atol=1e-6)
    assert sizes(name, whole - images).min() > 0.01


@pytest.mark.parametrize("name", ["pgd", "apgd", "square"])
def test_several_radii_in_one_call_are_the_separate_calls(name):
    radii, gain = jnp.array([0.0, 2 / 255, 0.2]), jnp.float32(1)
    images = pixels()
    together = jax.jit(jax.vmap(functools.partial(run, name), (None, None, 0, None)))(
        images, IDS, radii, gain
    )
    for eps, adv in zip(radii, together, strict=True):
        np.testing.assert_allclose(adv, call(name)(images, IDS, eps, gain), atol=2e-6)


def temporary(attack, *arguments):
    """Bytes a compiled attack needs beside its arguments and results."""
    compiled = jax.jit(attack).lower(*arguments).compile()
    return some(compiled.memory_analysis()).temp_size_in_bytes


@pytest.mark.parametrize("attack", [pgd_of, apgd, square])
def test_memory_does_not_grow_with_steps(attack):
    images = jnp.zeros((8, 16, 16, 3))
    weights = jnp.ones((768, 32)) / 100

    def attacked(steps):
        def run(images, weights):
            def loss(x):
                return jnp.sum(jnp.tanh(x.reshape(8, -1) @ weights), axis=1)

            return attack(loss, images, jax.random.key(0), eps=0.1, steps=steps)

        return temporary(run, images, weights)

    assert attacked(100) == pytest.approx(attacked(2), rel=0.05)


def test_memory_of_sga_does_not_grow_with_steps():
    """With one view besides the image: as many are there at a time in every step."""

    def attacked(steps):
        threat = attacks.ThreatModel(steps=steps)

        def run(batch):
            return attacks.sga_attack(Toy(), batch, jax.random.key(0), threat=threat, scales=(0.5,))

        return temporary(run, toy_batch())

    assert attacked(100) == pytest.approx(attacked(2), rel=0.05)
