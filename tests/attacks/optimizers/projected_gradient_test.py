import functools
import itertools
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mat_jax.attacks.objectives import cross_entropy, is_class
from mat_jax.attacks.optimizers.projected_gradient import example_keys, fgsm, fold, one_each, pgd
from mat_jax.attacks.optimizers.projections import inside
from tests.attacks.visited import visited
from tests.tools.narrow import some

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports scipy by old names
    import eagerpy
    import foolbox

SHAPE = (4, 5, 5, 3)
EPS = 8 / 255


def pixels(seed=0, low=0.0, high=1.0):
    values = np.random.RandomState(seed).uniform(low, high, SHAPE).astype(np.float32)
    return jnp.asarray(values)


def linear(images):
    """A linear model away from the box, with a weight of 0."""
    weights = np.random.RandomState(9).randn(*SHAPE[1:]).astype(np.float32)
    weights[0, 0, 0] = 0
    return weights, lambda x: jnp.sum(x * jnp.asarray(weights)[None], axis=(1, 2, 3))


def curved(seed=3):
    """A smooth objective with many hills."""
    weights = jnp.asarray(np.random.RandomState(seed).randn(75, 6).astype(np.float32))
    return lambda x: jnp.sum(jnp.sin(9 * x.reshape(x.shape[0], -1) @ weights), axis=1)


def attack(loss, images, *, seed=0, **settings: Any):
    given: dict[str, Any] = {"eps": EPS, "step_size": EPS / 4, "steps": 8, **settings}
    keys = example_keys(jax.random.key(seed), jnp.arange(images.shape[0]))
    return jax.jit(lambda x, k: pgd(loss, x, k, **given))(images, keys)


@pytest.mark.parametrize("best", [True, False])
def test_linf_reaches_the_optimum_of_a_linear_model(best):
    images = pixels(low=0.2, high=0.8)
    weights, loss = linear(images)
    gain = loss(attack(loss, images, steps=20, best=best)) - loss(images)
    np.testing.assert_allclose(gain, EPS * np.abs(weights).sum(), rtol=1e-4)


@pytest.mark.parametrize("best", [True, False])
def test_l2_reaches_the_optimum_of_a_linear_model(best):
    images = pixels(low=0.4, high=0.6)
    weights, loss = linear(images)
    adv = attack(loss, images, norm="l2", eps=0.3, step_size=0.1, steps=60, best=best)
    gain = loss(adv) - loss(images)
    np.testing.assert_allclose(gain, 0.3 * np.linalg.norm(weights), rtol=1e-3)


SETTINGS = (
    {"eps": 8 / 255, "steps": 3, "best": True},
    {"eps": 1.0, "steps": 2, "one_sided": True},
    {"eps": 0.02, "steps": 0, "one_sided": True},
    {"eps": 0.0, "steps": 2, "restarts": 2},
    {"eps": 2.5, "steps": 2, "norm": "l2", "best": True, "restarts": 2},
    {"eps": 0.1, "steps": 3, "norm": "l2", "one_sided": True},
)


@functools.cache
def call(index):
    """One compilation for each of SETTINGS, with steps far longer than the ball is wide."""
    chosen = SETTINGS[index]
    return jax.jit(lambda x, key: pgd(curved(), x, key, step_size=3 * chosen["eps"], **chosen))


@settings(max_examples=60, deadline=None)
@given(
    index=st.integers(0, len(SETTINGS) - 1), seed=st.integers(0, 2**31 - 1), corners=st.booleans()
)
def test_ball_and_box_always_hold(index, seed, corners):
    images = pixels(seed)
    images = jnp.round(images) if corners else images
    adv = call(index)(images, jax.random.key(seed))
    assert adv.dtype == jnp.float32 and adv.shape == images.shape
    assert float(adv.min()) >= 0 and float(adv.max()) <= 1
    delta = np.asarray(adv - images).reshape(SHAPE[0], -1)
    l2 = SETTINGS[index].get("norm") == "l2"
    size = np.linalg.norm(delta, axis=1) if l2 else np.abs(delta).max(1)
    assert size.max() <= SETTINGS[index]["eps"] + 1e-6


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("best", [True, False])
def test_eps_zero_is_the_identity(norm, best):
    images = pixels()
    adv = attack(curved(), images, eps=0.0, step_size=0.1, norm=norm, best=best)
    np.testing.assert_array_equal(adv, images)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_loss_without_gradient_moves_nothing(norm):
    images = pixels()
    adv = attack(lambda x: jnp.zeros(x.shape[0]), images, norm=norm, random_start=False)
    np.testing.assert_array_equal(adv, images)


def test_best_is_no_worse_than_the_last():
    images, loss = pixels(), curved()
    # Steps this long overshoot, so that the last point is not the best.
    best, last = (
        np.asarray(loss(attack(loss, images, steps=12, step_size=EPS, best=best)))
        for best in (True, False)
    )
    assert (best >= last - 1e-5).all() and (best > last + 1e-3).any()


def test_a_linear_model_loses_in_proportion_to_eps():
    images = pixels(low=0.3, high=0.7)
    weights, loss = linear(images)
    for eps in (0.0, 0.01, 0.02, 0.1):
        gain = loss(attack(loss, images, eps=eps, step_size=eps / 2, best=True)) - loss(images)
        np.testing.assert_allclose(gain, eps * np.abs(weights).sum(), rtol=1e-3, atol=1e-4)


def test_restarts_without_best_keep_the_best_last_point():
    images, loss = pixels(), curved()
    one = np.asarray(loss(attack(loss, images)))
    many = np.asarray(loss(attack(loss, images, restarts=4)))
    assert (many >= one - 1e-5).all() and (many > one + 1e-3).any()


def test_an_image_does_not_depend_on_its_batch():
    images, loss, ids = pixels(), curved(), jnp.array([5, 9, 1, 30])
    key = jax.random.key(0)

    def run(rows):
        rows = jnp.asarray(rows)
        keys = example_keys(key, ids[rows])
        return pgd(loss, images[rows], keys, eps=EPS, step_size=EPS / 4, steps=4, best=True)

    whole = run([0, 1, 2, 3])
    np.testing.assert_allclose(run([2, 0, 3, 1]), whole[jnp.array([2, 0, 3, 1])], atol=1e-6)
    np.testing.assert_allclose(run([3]), whole[3:], atol=1e-6)
    assert np.abs(np.asarray(whole - images)[0] - np.asarray(whole - images)[1]).max() > 1e-3


def test_one_sided_start_is_positive_and_not_clipped_before_the_first_gradient():
    seen = []

    def loss(x):
        jax.debug.callback(lambda one: seen.append(np.asarray(one)), x)
        return jnp.sum(x, axis=(1, 2, 3))

    images = jnp.ones(SHAPE)
    adv = pgd(
        loss, images, jax.random.key(0), eps=EPS, step_size=EPS, steps=1, one_sided=True
    ).block_until_ready()
    jax.effects_barrier()
    assert seen[0].min() >= 1 and seen[0].max() > 1 + EPS / 2
    np.testing.assert_array_equal(adv, images)


def test_noise_is_climbed_and_the_plain_objective_judges():
    images, loss = pixels(low=0.3, high=0.7), curved()

    def climb(x, keys):
        # Noise so strong that most steps lead away.
        noise = jax.vmap(lambda key: jax.random.normal(key, x.shape[1:]))(keys)
        return 100 * jnp.sum(noise * x, axis=(1, 2, 3)), loss(x)

    values = [
        np.asarray(loss(attack(loss, images, steps=steps, climb_fn=climb, best=True)))
        for steps in (1, 5, 20)
    ]
    assert all((later >= earlier - 1e-5).all() for earlier, later in itertools.pairwise(values))
    a, b = (attack(loss, images, steps=5, climb_fn=climb, seed=seed) for seed in (0, 1))
    assert np.abs(np.asarray(a - b)).max() > 1e-3


def test_a_key_of_the_old_kind_is_refused():
    # `pgd` itself is stopped by its annotation, which is only checked under test.
    with pytest.raises(ValueError, match=r"make it with jax\.random\.key"):
        one_each(jnp.zeros(2, jnp.uint32), 2)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_every_step_is_that_of_a_plain_torch_loop(norm, steps):
    images, eps = pixels(), EPS if norm == "linf" else 0.5
    step_size = eps / 3
    weights = np.random.RandomState(3).randn(75, 6).astype(np.float32)

    def loss(x):
        return jnp.sum(jnp.tanh(x.reshape(x.shape[0], -1) @ jnp.asarray(weights)), axis=1)

    ours = attack(
        loss, images, eps=eps, step_size=step_size, steps=steps, norm=norm, random_start=False
    )
    clean = torch.tensor(np.asarray(images))
    x = clean.clone()
    for _ in range(steps):
        x.requires_grad_(True)
        torch.tanh(x.flatten(1) @ torch.tensor(weights)).sum().backward()
        with torch.no_grad():
            if norm == "linf":
                delta = (x + step_size * some(x.grad).sign() - clean).clamp(-eps, eps)
            else:
                length = some(x.grad).flatten(1).norm(dim=1)[:, None, None, None]
                delta = x + step_size * some(x.grad) / length - clean
                length = delta.flatten(1).norm(dim=1)[:, None, None, None]
                delta = delta * (eps / length).clamp(max=1)
        x = (clean + delta).clamp(0, 1).detach()
    np.testing.assert_allclose(ours, x.numpy(), atol=5e-6)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_momentum_is_that_of_a_plain_loop(norm):
    images, eps, decay = pixels(), EPS if norm == "linf" else 0.5, 0.9
    step_size, steps = eps / 3, 6
    weights = np.random.RandomState(3).randn(75, 6).astype(np.float32)

    def loss(x):
        return jnp.sum(jnp.sin(x.reshape(x.shape[0], -1) @ jnp.asarray(weights)), axis=1)

    given = {"eps": eps, "step_size": step_size, "steps": steps, "norm": norm}
    ours = attack(loss, images, momentum=decay, random_start=False, **given)
    clean = np.asarray(images, np.float64).reshape(SHAPE[0], -1)
    x, velocity = clean, 0.0
    for _ in range(steps):
        slope = np.cos(x @ weights.astype(np.float64)) @ weights.T
        velocity = decay * velocity + slope / np.abs(slope).sum(axis=1, keepdims=True)
        if norm == "linf":
            delta = np.clip(x + step_size * np.sign(velocity) - clean, -eps, eps)
        else:
            length = np.linalg.norm(velocity, axis=1, keepdims=True)
            delta = x + step_size * velocity / length - clean
            delta *= np.minimum(1, eps / np.linalg.norm(delta, axis=1, keepdims=True))
        x = np.clip(clean + delta, 0, 1)
    np.testing.assert_allclose(np.asarray(ours).reshape(x.shape), x, atol=1e-3 * eps)
    plain = attack(loss, images, random_start=False, **given)
    assert np.abs(np.asarray(ours - plain)).max() > eps / 10


def test_fgsm_reaches_the_optimum_of_a_linear_model_in_one_step():
    images = pixels(low=0.4, high=0.6)
    weights, loss = linear(images)
    gain = loss(fgsm(loss, images, eps=EPS)) - loss(images)
    np.testing.assert_allclose(gain, EPS * np.abs(weights).sum(), rtol=1e-4)
    gain = loss(fgsm(loss, images, eps=0.3, norm="l2")) - loss(images)
    np.testing.assert_allclose(gain, 0.3 * np.linalg.norm(weights), rtol=1e-4)


class Given:
    """Mixed into an attack of foolbox: the start is ours."""

    start: torch.Tensor

    def get_random_start(self, x0, epsilon):
        return eagerpy.astensor(self.start)


@pytest.mark.parametrize("norm, eps", [("linf", EPS), ("l2", 0.5)])
def test_points_are_those_of_foolbox(norm, eps):
    images, key, steps = pixels(), jax.random.key(1), 8
    draw = np.random.RandomState(3)
    one, two = draw.randn(75, 16).astype(np.float32), draw.randn(16, 5).astype(np.float32)
    labels = np.array([0, 3, 1, 1])

    def loss(x):
        logits = jnp.tanh(0.3 * x.reshape(x.shape[0], -1) @ one) @ two
        return cross_entropy(logits, is_class(jnp.asarray(labels), 5))

    class Net(torch.nn.Module):
        def forward(self, x):
            flat = x.permute(0, 2, 3, 1).flatten(1)
            return torch.tanh(0.3 * flat @ torch.tensor(one)) @ torch.tensor(two)

    ours = functools.partial(pgd, eps=eps, step_size=eps / 3, norm=norm, best=True)
    points = visited(ours, loss, images, key, steps)
    first = fold(fold(one_each(key, len(images)), jnp.int32(0)), jnp.int32(0))
    start = inside(images, first, eps, norm)
    np.testing.assert_allclose(points[0], start, atol=1e-6)
    kind = foolbox.attacks.LinfPGD if norm == "linf" else foolbox.attacks.L2PGD
    model = foolbox.PyTorchModel(Net().eval(), bounds=(0, 1), device="cpu")

    def theirs(x):
        return torch.tensor(np.asarray(x)).permute(0, 3, 1, 2)

    for step in range(1, steps):
        attack = type("Attack", (Given, kind), {"start": theirs(start)})(
            abs_stepsize=eps / 3, steps=step, random_start=True
        )
        found, _, _ = attack(model, theirs(images), torch.tensor(labels), epsilons=eps)
        found = found.permute(0, 2, 3, 1).numpy()
        assert np.mean(np.abs(points[step] - found) < 1e-5) >= 0.999
    if norm == "linf":
        attack = foolbox.attacks.FGSM()
        found, _, _ = attack(model, theirs(images), torch.tensor(labels), epsilons=eps)
        moved = fgsm(loss, images, eps=eps)
        same = np.abs(np.asarray(moved) - found.permute(0, 2, 3, 1).numpy()) < 1e-6
        assert same.mean() >= 0.999
