"""Square against its description and a numpy loop of it; gradients are never asked for."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import io_callback

from mat_jax.attacks.optimizers.square_search import sides, square

BATCH, SIDE, CLASSES, STEPS, EPS = 64, 8, 5, 120, 4 / 255


def pixels():
    return np.random.RandomState(0).rand(BATCH, SIDE, SIDE, 3).astype(np.float32)


def margin(x):
    """The model and its loss, in numpy: how far the label of the clean image is outdone."""
    draw = np.random.RandomState(2)
    one = draw.randn(SIDE * SIDE * 3, 16).astype(np.float32) / 4
    two = draw.randn(16, CLASSES).astype(np.float32)

    def scores(x):
        return np.tanh((x.reshape(len(x), -1) - np.float32(0.5)) @ one) @ two

    rows, labels = np.arange(len(x)), scores(pixels()).argmax(axis=1)[: len(x)]
    z = scores(x)
    own = z[rows, labels].copy()
    z[rows, labels] = -np.inf
    return z.max(axis=1) - own


def black_box_of(score):
    """A function of numpy arrays for jax, which cannot differentiate it."""

    def loss(x):
        shape = jax.ShapeDtypeStruct(x.shape[:1], jnp.float32)
        return io_callback(lambda x: score(np.asarray(x)), shape, x, ordered=True)

    return loss


def black_box(x, note=lambda x, value: None):
    """`margin` as a black box."""

    def score(x):
        value = margin(x)
        note(x, value)
        return value

    return black_box_of(score)(x)


class Run(NamedTuple):
    seen: np.ndarray  # [1 + steps, batch, ...]: every image whose score was asked for
    values: np.ndarray  # [1 + steps, batch]
    adv: np.ndarray


@pytest.fixture(scope="module")
def ran() -> Run:
    asked = []

    def loss(x):
        return black_box(x, lambda *both: asked.append(both))

    attack = jax.jit(functools.partial(square, loss, eps=EPS, steps=STEPS, rescale=True))
    adv = np.asarray(attack(jnp.asarray(pixels()), jax.random.key(0)))
    jax.effects_barrier()
    seen, values = (np.stack(each) for each in zip(*asked, strict=True))
    return Run(seen, values, adv)


def test_the_best_image_seen_is_kept(ran):
    assert len(ran.seen) == 1 + STEPS
    best = ran.values.argmax(axis=0)
    np.testing.assert_array_equal(ran.adv, ran.seen[best, np.arange(BATCH)])


def test_the_start_is_of_stripes(ran):
    delta = np.sign(np.round(ran.seen[0] - pixels(), 5))
    assert (delta == delta[:, :1]).mean() > 0.99  # but for pixels that were at 0 or 1
    rows = delta[:, 4]
    assert 0.4 < (rows > 0).mean() < 0.6
    # Neither columns nor channels are of one sign together.
    assert 0.4 < (rows[:, 1:] == rows[:, :-1]).mean() < 0.6
    assert 0.4 < (rows[..., 1:] == rows[..., :-1]).mean() < 0.6


def test_a_proposal_is_a_square_of_the_balls_edge(ran):
    clean, size = pixels(), sides(STEPS, SIDE, SIDE, rescale=True)
    low, high = np.clip(clean - np.float32(EPS), 0, 1), np.clip(clean + np.float32(EPS), 0, 1)
    running = np.maximum.accumulate(ran.values, axis=0)
    corners = set()
    for step in (0, 1, 5, 40, STEPS - 1):
        first = (ran.values[: step + 1] == running[step]).argmax(axis=0)
        before = ran.seen[first, np.arange(BATCH)]
        for image in range(BATCH):
            new = ran.seen[step + 1, image]
            changed = (new != before[image]).any(axis=-1)
            if not changed.any():
                continue
            rows, columns = (np.flatnonzero(changed.any(axis=axis)) for axis in (1, 0))
            assert np.ptp(rows) < size[step] and np.ptp(columns) < size[step]
            corners |= {(rows.max(), columns.max())} if size[step] == 1 else set()
            inside = new[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            window = (image, slice(rows.min(), rows.max() + 1))
            window += (slice(columns.min(), columns.max() + 1),)
            for channel in range(3):
                edges = [
                    np.abs(inside[..., channel] - edge[window][..., channel]).max()
                    for edge in (low, high)
                ]
                assert min(edges) < 1e-6
    # The last row and the last column are reached too.
    assert max(row for row, _ in corners) == max(column for _, column in corners) == SIDE - 1


def test_as_many_proposals_are_taken_as_in_a_numpy_loop(ran):
    clean, draw = pixels(), np.random.RandomState(1)
    low, high = np.clip(clean - EPS, 0, 1), np.clip(clean + EPS, 0, 1)
    x = np.where(draw.rand(BATCH, 1, SIDE, 3) < 0.5, low, high)
    value, taken = margin(x), []
    for size in sides(STEPS, SIDE, SIDE, rescale=True):
        new = x.copy()
        for image in range(BATCH):
            top, left = draw.randint(0, SIDE - size + 1, 2)
            part = (image, slice(top, top + size), slice(left, left + size))
            new[part] = np.where(draw.rand(3) < 0.5, low[part], high[part])
        score = margin(new)
        better = score > value
        taken.append(better)
        x[better], value = new[better], np.maximum(score, value)
    running = np.maximum.accumulate(ran.values, axis=0)
    ours, theirs = (running[1:] > running[:-1]), np.stack(taken)
    for part in (slice(0, 20), slice(20, STEPS)):
        one, two = ours[part].mean(axis=0), theirs[part].mean(axis=0)
        noise = np.sqrt((one.var() + two.var()) / BATCH)
        assert abs(one.mean() - two.mean()) < 4 * noise


def test_sides_shrink_at_the_published_proposals():
    # p is 0.8, 0.4, 0.2, ... and the side the root of its share of 32 x 32 pixels.
    size = sides(10_000, 32, 32)
    expected = {
        0: 29, 10: 29, 11: 20, 50: 20, 51: 14, 200: 14, 201: 10, 500: 10, 501: 7, 1000: 7,
        1001: 5, 2000: 5, 2001: 4, 4000: 4, 4001: 3, 6000: 3, 6001: 2, 8001: 1, 9999: 1,
    }  # fmt: skip
    assert {step: size[step] for step in expected} == expected
    np.testing.assert_array_equal(sides(300, 32, 32), size[:300])
    np.testing.assert_array_equal(sides(1000, 32, 32, rescale=True), size[::10])
    assert sides(3, 8, 2).tolist() == [2, 2, 2]


def test_more_proposals_never_do_worse():
    images = jnp.asarray(pixels()[:8])
    few, many = (
        margin(np.asarray(square(black_box, images, jax.random.key(0), eps=EPS, steps=steps)))
        for steps in (4, 30)
    )
    assert (many >= few).all() and (many > few).any()


def test_squares_off_the_last_row_and_column_leave_them_as_they_began():
    """As in the released torch program; a square as large as the image is where it must be."""
    images = jnp.asarray(pixels()[:8])
    attack = functools.partial(square, black_box, images, jax.random.key(0), eps=EPS, to_edge=False)
    start, adv = (np.asarray(attack(steps=steps)) for steps in (0, 200))
    assert (adv[:, :-1, :-1] != start[:, :-1, :-1]).any(axis=(0, 3)).mean() > 0.9
    sizes = sides(200, SIDE, SIDE)
    assert sizes.max() < SIDE
    np.testing.assert_array_equal(adv[:, -1], start[:, -1])
    np.testing.assert_array_equal(adv[:, :, -1], start[:, :, -1])
    whole = attack(steps=3, p=1.0)
    assert (np.asarray(whole) != start).any()
