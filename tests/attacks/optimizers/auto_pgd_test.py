"""APGD against a plain torch reading of the paper, and against optima known in closed form."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from mat_jax.attacks import objectives
from mat_jax.attacks.optimizers.auto_pgd import apgd, apgd_targeted, checkpoints
from mat_jax.attacks.optimizers.projected_gradient import fold, one_each
from mat_jax.attacks.optimizers.projections import on_edge
from tests.attacks.visited import visited

SHAPE, CLASSES, STEPS = (6, 4, 4, 3), 5, 30
KEY = jax.random.key(1)


def pixels(low=0.0, high=1.0):
    return jnp.asarray(np.random.RandomState(0).uniform(low, high, SHAPE).astype(np.float32))


def weights():
    draw = np.random.RandomState(2)
    return draw.randn(48, 16).astype(np.float32) / 2, draw.randn(16, CLASSES).astype(np.float32)


def logits(images):
    one, two = weights()
    return jnp.tanh((images.reshape(images.shape[0], -1) - 0.5) @ one) @ two


def torch_loss(name, x, label):
    """Of one image [height, width, 3]."""
    one, two = (torch.tensor(w) for w in weights())
    z = torch.tanh((x.flatten() - 0.5) @ one) @ two
    if name == "cross_entropy":
        return torch.nn.functional.cross_entropy(z[None], torch.tensor([label]))
    others = torch.cat([z[:label], z[label + 1 :]])
    ranked = z.sort(descending=True).values
    return -(z[label] - others.max()) / (ranked[0] - ranked[2] + 1e-12)


def read(name, clean, start, label, *, eps, norm):
    """Algorithm 1 of the paper on one image: the points of all gradients, best loss, halvings."""

    def project(x):
        delta = x - clean
        if norm == "linf":
            delta = delta.clamp(-eps, eps)
        elif delta.norm() > eps:
            delta = delta * eps / delta.norm()
        return (clean + delta).clamp(0, 1)

    def evaluate(x):
        x = x.clone().requires_grad_(True)
        value = torch_loss(name, x, label)
        (slope,) = torch.autograd.grad(value, x)
        return float(value.detach()), slope

    def ascend(x, slope, eta):
        direction = slope.sign() if norm == "linf" else slope / slope.norm()
        return project(x + eta * direction)

    eta, points, values, halvings = 2 * eps, [start], [], []
    value, slope = evaluate(start)
    values.append(value)
    best = (value, start, slope)
    x, before = ascend(start, slope, eta), start
    window = max(int(0.22 * STEPS), 1)
    opened, best_then, untouched = 0, value, False
    for k in range(1, STEPS + 1):
        points.append(x)
        value, slope = evaluate(x)
        values.append(value)
        if value > best[0]:
            best = (value, x, slope)
        if k - opened == window:
            rises = sum(values[i + 1] > values[i] for i in range(opened, k))
            if rises <= 0.75 * window or (untouched and best[0] == best_then):
                eta, x, slope, untouched = eta / 2, best[1], best[2], False
                halvings.append(k)
            else:
                untouched = True
            window = max(window - max(int(0.03 * STEPS), 1), max(int(0.06 * STEPS), 1))
            opened, best_then = k, best[0]
        z = ascend(x, slope, eta)
        x, before = project(x + 0.75 * (z - x) + 0.25 * (x - before)), x
    return torch.stack(points[:STEPS]).numpy(), best[0], halvings


@pytest.mark.parametrize(
    "norm, eps, name", [("linf", 16 / 255, "cross_entropy"), ("l2", 0.03, "dlr")]
)
def test_every_point_and_the_best_loss_are_those_of_a_torch_loop(norm, eps, name):
    images = pixels()
    labels = np.asarray(jnp.argmax(logits(images), axis=-1))
    positive = objectives.is_class(jnp.asarray(labels), CLASSES)
    settings = {"eps": eps, "norm": norm}

    def loss(x):
        return getattr(objectives, name)(logits(x), positive)

    ours = visited(functools.partial(apgd, **settings), loss, images, KEY, STEPS)
    best = loss(apgd(loss, images, KEY, steps=STEPS, **settings))
    first = fold(fold(one_each(KEY, len(images)), jnp.int32(0)), jnp.int32(0))
    start = on_edge(images, first, eps, norm)
    halved = []
    for i, label in enumerate(labels):
        clean, begin = (torch.tensor(np.asarray(one[i])) for one in (images, start))
        points, value, its = read(name, clean, begin, int(label), **settings)
        halved += its
        # But for pixels whose gradient is so small that rounding decides its sign.
        assert np.mean(np.abs(ours[:, i] - points) < 1e-4) > 0.99
        np.testing.assert_allclose(best[i], value, rtol=0.01)
    # The images have halved at several checkpoints, and not all at the same.
    assert 2 < len(set(halved)) and len(halved) % len(images)
    assert set(halved) <= set(checkpoints(STEPS))


def test_checkpoints_are_those_of_the_paper():
    shares = [0.0, 0.22]
    while shares[-1] < 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
    places = [math.ceil(round(100 * share, 6)) for share in shares[1:] if share <= 1]
    assert checkpoints(100) == tuple(places) == (22, 41, 57, 70, 80, 87, 93, 99)
    assert checkpoints(0) == ()
    assert checkpoints(1) == (1,)


@pytest.mark.parametrize("norm, eps", [("linf", 8 / 255), ("l2", 0.3)])
def test_reaches_the_optimum_of_a_linear_model(norm, eps):
    images = pixels(0.4, 0.6)
    slope = np.random.RandomState(9).randn(*SHAPE[1:]).astype(np.float32)

    def loss(x):
        return jnp.sum(x * jnp.asarray(slope)[None], axis=(1, 2, 3))

    adv = jax.jit(lambda x: apgd(loss, x, KEY, eps=eps, steps=25, norm=norm))(images)
    most = eps * (np.abs(slope).sum() if norm == "linf" else np.linalg.norm(slope))
    np.testing.assert_allclose(loss(adv) - loss(images), most, rtol=1e-3)


def test_targets_find_every_class_that_a_linear_model_can_be_led_to():
    images, eps = pixels(0.4, 0.6), 0.02
    matrix = np.random.RandomState(6).randn(48, CLASSES).astype(np.float32)

    def scores(x):
        return x.reshape(x.shape[0], -1) @ jnp.asarray(matrix)

    clean = np.asarray(scores(images))
    labels = clean.argmax(axis=1)
    # The margin over class t can be moved by eps |w_t - w_y|_1, and not further.
    reach = eps * np.abs(matrix.T[None] - matrix.T[labels][:, None]).sum(axis=-1)
    lead = clean - clean[np.arange(len(clean)), labels][:, None]
    lead[np.arange(len(clean)), labels] = -np.inf
    possible = (lead + reach).max(axis=1)
    assert (possible > 0.05).any() and (possible < -0.05).any()
    positive = objectives.is_class(jnp.asarray(labels), CLASSES)
    attack = jax.jit(
        lambda x: apgd_targeted(scores, x, positive, KEY, eps=eps, steps=25, targets=4)
    )
    found = np.asarray(objectives.margin(scores(attack(images)), positive))
    assert (found <= possible + 1e-4).all()
    assert ((found > 0) == (possible > 0))[np.abs(possible) > 0.05].all()
