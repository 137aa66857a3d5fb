"""Square in l2 against its description and a numpy loop of it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mat_jax.attacks.optimizers.square_search_l2 import pattern, square_l2, windows
from tests.attacks.optimizers.square_search_test import BATCH, SIDE, black_box_of, margin, pixels

EPS, STEPS = 0.4, 60


def bump(rows, columns):
    """Nested rectangles: the k-th reaches k pixels from the middle and adds 1 / (k + 1)^2."""
    found = np.zeros((rows, columns))
    for k in range(max(rows, columns) // 2 + 1):
        top, left = rows // 2 - k, columns // 2 - k
        found[max(top, 0) : top + 2 * k + 1, max(left, 0) : left + 2 * k + 1] += 1 / (k + 1) ** 2
    return found / np.linalg.norm(found)


@pytest.mark.parametrize("side", range(2, 12))
def test_the_pattern_is_of_nested_rectangles(side):
    expected = np.concatenate([bump(side // 2, side), -bump(side - side // 2, side)])
    expected /= np.linalg.norm(expected)
    np.testing.assert_allclose(pattern(side), expected, atol=1e-6)
    assert np.linalg.norm(pattern(side)) == pytest.approx(1, abs=1e-6)


def test_windows_are_odd_and_never_larger_than_the_image():
    found = windows(10_000, 32, 32, p=0.8)
    assert (found % 2 == 1).all() and found.min() == 3 and found[0] == 29
    assert windows(5, 6, 9, p=0.8).max() == 6  # 7 would not fit


@pytest.fixture(scope="module")
def ran():
    asked = []

    def score(x):
        value = margin(x)
        asked.append((x, value))
        return value

    loss = black_box_of(score)
    attack = functools.partial(square_l2, loss, eps=EPS, steps=STEPS, p=0.8, rescale=True)
    adv = np.asarray(jax.jit(attack)(jnp.asarray(pixels()), jax.random.key(0)))
    jax.effects_barrier()
    seen, values = (np.stack(each) for each in zip(*asked, strict=True))
    return seen, values, adv


def test_the_best_point_seen_is_kept_and_all_are_in_the_ball(ran):
    seen, values, adv = ran
    assert len(seen) == 1 + STEPS
    np.testing.assert_array_equal(adv, seen[values.argmax(axis=0), np.arange(BATCH)])
    assert np.isfinite(seen).all() and seen.min() >= 0 and seen.max() <= 1
    lengths = np.linalg.norm((seen - pixels()).reshape(len(seen), BATCH, -1), axis=-1)
    # Only what the box cuts off is missing.
    assert lengths.max() < EPS * (1 + 1e-5) and np.median(lengths) > 0.95 * EPS


def test_as_many_proposals_are_taken_as_in_a_numpy_loop(ran):
    """Algorithm 3, an image at a time."""
    clean, draw = pixels(), np.random.RandomState(1)

    def turned(side):
        return pattern(side).T if draw.rand() < 0.5 else pattern(side)

    def stretched(x, delta):
        return np.clip(x + EPS * delta / np.linalg.norm(delta), 0, 1).astype(np.float32)

    def propose(x, delta, side):
        delta, channels = delta.copy(), delta.shape[-1]
        (top, left), (low, right) = draw.randint(0, SIDE - side + 1, (2, 2))
        into = np.zeros((SIDE, SIDE, 1), bool)
        out_of = into.copy()
        into[top : top + side, left : left + side] = True
        out_of[low : low + side, right : right + side] = True
        left_over = max(EPS**2 - np.sum(delta**2), 0) / channels
        both = np.sqrt(np.sum((delta * (into | out_of)) ** 2, axis=(0, 1)))
        old = delta[top : top + side, left : left + side].copy()
        size = np.sqrt(np.sum(old**2, axis=(0, 1)))
        u = turned(side)[..., None] * draw.choice([-1, 1], channels)
        u = u + np.where(size > 0, old / np.where(size > 0, size, 1), 0)
        u = u / np.sqrt(np.sum(u**2, axis=(0, 1))) * np.sqrt(left_over + both**2)
        delta[np.broadcast_to(out_of, delta.shape)] = 0
        delta[top : top + side, left : left + side] = u
        return stretched(x, delta)

    tile = SIDE // 5
    start = np.zeros_like(clean)
    for image in range(BATCH):
        for channel in range(3):
            start[image, ..., channel] = draw.choice([-1, 1], (SIDE, SIDE))
    assert tile == 1  # of which a pattern is one pixel
    x = np.stack([stretched(*both) for both in zip(clean, start, strict=True)])
    value, taken = margin(x), []
    for side in windows(STEPS, SIDE, SIDE, p=0.8, rescale=True).tolist():
        new = np.stack([propose(c, one - c, side) for c, one in zip(clean, x, strict=True)])
        score = margin(new)
        better = score > value
        taken.append(better)
        x[better], value = new[better], np.maximum(score, value)
    running = np.maximum.accumulate(ran[1], axis=0)
    ours, theirs = (running[1:] > running[:-1]), np.stack(taken)
    for part in (slice(0, 15), slice(15, STEPS)):
        one, two = ours[part].mean(axis=0), theirs[part].mean(axis=0)
        noise = np.sqrt((one.var() + two.var()) / BATCH)
        assert abs(one.mean() - two.mean()) < 4 * noise
    # And as much is reached.
    gain = running[-1] - margin(clean), value - margin(clean)
    noise = np.sqrt(sum(one.var() for one in gain) / BATCH)
    assert abs(gain[0].mean() - gain[1].mean()) < 4 * noise


def test_a_long_picture():
    images = jnp.asarray(np.random.RandomState(3).rand(2, 9, 16, 3), jnp.float32)

    def loss(x):
        return jnp.mean(x, axis=(1, 2, 3))

    adv = square_l2(loss, images, jax.random.key(0), eps=0.5, steps=20)
    assert (np.asarray(loss(adv)) > np.asarray(loss(images))).all()
