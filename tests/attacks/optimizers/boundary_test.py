"""FAB against a float64 reading of algorithm 1, and against distances known in closed form."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from mat_jax.attacks import objectives
from mat_jax.attacks.optimizers.boundary import fab

SHAPE, CLASSES, STEPS = (6, 4, 4, 3), 5, 15
KEY = jax.random.key(1)
SIZE = 48


def pixels(low=0.0, high=1.0):
    return np.random.RandomState(0).uniform(low, high, SHAPE).astype(np.float32)


def weights():
    draw = np.random.RandomState(2)
    return draw.randn(SIZE, 16).astype(np.float32) / 2, draw.randn(16, CLASSES).astype(np.float32)


def logits(images):
    one, two = weights()
    return jnp.tanh((images.reshape(images.shape[0], -1) - 0.5) @ one) @ two


def torch_logits(x):
    one, two = (torch.tensor(w, dtype=torch.float64) for w in weights())
    return torch.tanh((x - 0.5) @ one) @ two


def project(t, w, c, norm):
    """The step d from t with <w, d> = -c, by halving the interval of its one unknown."""
    sign = -np.sign(c) * np.sign(w)
    room = np.where(sign > 0, 1 - t, t)
    speed = np.where(w != 0, 1.0 if norm == "linf" else np.abs(w), 0)
    low, high = 0.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        if np.abs(w) @ np.minimum(middle * speed, room) < abs(c):
            low = middle
        else:
            high = middle
    return sign * np.minimum(low * speed, room)


def read(clean, label, target, norm):
    """Algorithm 1 on one image towards one class: the least distance at which it is fooled."""

    def length(d):
        return np.abs(d).max() if norm == "linf" else np.linalg.norm(d)

    x, best = clean, np.inf
    for _ in range(STEPS):
        at = torch.tensor(x, requires_grad=True)
        z = torch_logits(at)
        f = z[target] - z[label]
        (slope,) = torch.autograd.grad(f, at)
        w, f = slope.numpy(), float(f.detach())
        d1, d2 = project(x, w, f, norm), project(clean, w, f + w @ (clean - x), norm)
        a, b = max(length(d1), 1e-8), max(length(d2), 1e-8)
        alpha = min(a / (a + b), 0.1)
        x = np.clip((1 - alpha) * (x + 1.05 * d1) + alpha * (clean + 1.05 * d2), 0, 1)
        if int(torch_logits(torch.tensor(x)).argmax()) != label:
            best = min(best, length(x - clean))
            x = clean + 0.9 * (x - clean)
    return best


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_distances_are_those_of_a_float64_reading(norm):
    images = jnp.asarray(pixels())
    labels = jnp.argmax(logits(images), axis=-1)
    positive = objectives.is_class(labels, CLASSES)
    attack = jax.jit(
        lambda x, targets: fab(
            logits, x, labels, KEY, eps=1.0, targets=targets, steps=STEPS, norm=norm
        )
    )
    found = 0
    for targets in objectives.runners_up(logits(images), positive, 2):
        adv, distance = attack(images, targets)
        rows = zip(images, labels, targets, strict=True)
        expected = np.array(
            [read(np.asarray(x, np.float64).ravel(), int(y), int(t), norm) for x, y, t in rows]
        )
        np.testing.assert_allclose(distance, expected, rtol=2e-3)
        hit = np.isfinite(expected)
        found += hit.sum()
        delta = np.asarray(adv - images).reshape(len(images), -1)
        size = np.abs(delta).max(1) if norm == "linf" else np.linalg.norm(delta, axis=1)
        np.testing.assert_allclose(size[hit], distance[hit], rtol=1e-5)
        assert (np.argmax(logits(adv), axis=-1) != labels)[hit].all()
    assert found > len(images)


MATRIX = np.random.RandomState(6).randn(SIZE, CLASSES).astype(np.float32)


def linear(x):
    return x.reshape(x.shape[0], -1) @ jnp.asarray(MATRIX) / 4


def nearest(images, norm):
    """The distance to every class of a linear model, whose ball lies inside the box."""
    z = np.asarray(linear(jnp.asarray(images)))
    labels = z.argmax(axis=1)
    apart = (MATRIX.T[None] - MATRIX.T[labels][:, None]) / 4
    dual = np.abs(apart).sum(-1) if norm == "linf" else np.linalg.norm(apart, axis=-1)
    lead = z[np.arange(len(z)), labels][:, None] - z
    return labels, np.where(dual > 0, lead / np.where(dual > 0, dual, 1), np.inf)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("targeted", [True, False])
def test_the_boundary_of_a_linear_model_is_found(norm, targeted):
    images = pixels(0.4, 0.6)
    labels, distances = nearest(images, norm)
    order = np.argsort(distances, axis=1)
    best = np.sort(distances, axis=1)[:, 0]
    targets = jnp.asarray(order[:, 0].astype(np.int32)) if targeted else None
    attack = functools.partial(fab, linear, eps=1.0, targets=targets, steps=40, norm=norm)
    labels = jnp.asarray(labels.astype(np.int32))
    _, distance = jax.jit(lambda x: attack(x, labels, KEY))(jnp.asarray(images))
    assert (np.asarray(distance) >= best * (1 - 1e-4)).all()
    assert (np.asarray(distance) <= best * 1.01).all()
    if targeted:  # from a random start too, half of eps away; another class may be nearer there
        more = jax.jit(lambda x: attack(x, labels, KEY, random_start=True))(jnp.asarray(images))
        np.testing.assert_allclose(more[1], best, rtol=0.05)


def test_an_image_that_is_wrong_as_it_is_and_one_that_cannot_be():
    images = jnp.asarray(pixels())
    right = jnp.argmax(logits(images), axis=-1)
    wrong = (right + 1) % CLASSES
    goals = (right + 2) % CLASSES
    adv, distance = fab(logits, images, wrong, KEY, eps=1.0, targets=goals, steps=3)
    assert not np.asarray(distance).any()
    np.testing.assert_array_equal(adv, images)

    def sure(x):
        """No gradient, and always the first class."""
        return jnp.zeros((len(x), 1)) + jnp.array([[2.0, 1.0, 0.0]])

    zeros = jnp.zeros(len(images), jnp.int32)
    for targets in (zeros + 1, None):
        adv, distance = fab(sure, images, zeros, KEY, eps=1.0, targets=targets, steps=3)
        assert np.isposinf(np.asarray(distance)).all()
        np.testing.assert_array_equal(adv, images)
