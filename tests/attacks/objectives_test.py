"""The losses of logits against loops over classes and against torch."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
import torch

from mat_jax.attacks import objectives
from mat_jax.types.arrays import ImageFeatures, TextFeatures

ROWS, CLASSES = 8, 9


def table():
    draw = np.random.RandomState(0)
    logits = draw.randn(ROWS, CLASSES).astype(np.float32)
    positive = np.zeros((ROWS, CLASSES), bool)
    for row in range(ROWS):
        # One to four captions; those of the first rows hold the first places.
        own = draw.permutation(CLASSES)[: 1 + row % 4]
        positive[row, own] = True
        logits[row, own] += 6 if row < 4 else 0
    return logits, positive


def given():
    logits, positive = table()
    return jnp.asarray(logits), jnp.asarray(positive)


def each(function):
    """A loss by a loop: `function(own logits, other logits, all logits falling)`."""
    rows = zip(*table(), strict=True)
    return [function(z[own], z[~own], np.sort(z)[::-1]) for z, own in rows]


def test_margin_is_above_zero_where_the_first_place_is_lost():
    logits, positive = table()
    margin = np.asarray(objectives.margin(*given()))
    np.testing.assert_allclose(margin, each(lambda p, n, _: max(n) - max(p)), rtol=1e-6)
    lost = [not own[z.argmax()] for z, own in zip(logits, positive, strict=True)]
    assert ((margin > 0) == lost).all() and 0 < sum(lost) < ROWS


def test_dlr_is_scaled_by_order_statistics():
    expected = each(lambda p, n, z: (max(n) - max(p)) / (z[0] - z[len(p) + 1]))
    found = np.asarray(objectives.dlr(*given()))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    held = np.asarray(objectives.margin(*given())) < 0
    assert ((found[held] >= -1) & (found[held] <= 0)).all()


def test_dlr_of_one_class_is_the_published_one():
    logits, labels = jnp.asarray(table()[0]), np.arange(ROWS) % CLASSES
    found = objectives.dlr(logits, objectives.is_class(jnp.asarray(labels), CLASSES))
    z = torch.tensor(np.asarray(logits))
    top = z.sort(dim=1, descending=True).values
    for row, label in enumerate(labels):
        other = torch.cat([z[row, :label], z[row, label + 1 :]]).max()
        expected = -(z[row, label] - other) / (top[row, 0] - top[row, 2])
        np.testing.assert_allclose(found[row], expected, rtol=1e-5)


def test_targeted_dlr():
    logits, positive = given()
    target = objectives.runners_up(logits, positive, 2)[1]
    expected = []
    for z, own, goal in zip(*table(), target, strict=True):
        top = np.sort(z)[::-1]
        places = own.sum()
        expected.append(
            (z[goal] - z[own].max()) / (top[0] - (top[places + 1] + top[places + 2]) / 2)
        )
        assert not own[goal] and z[goal] == np.sort(z[~own])[-2]
    np.testing.assert_allclose(
        objectives.dlr_targeted(logits, positive, target), expected, rtol=1e-5
    )


@pytest.mark.parametrize("scale, shift", [(100.0, 0.0), (0.01, 3.0)])
def test_neither_scale_nor_shift_changes_dlr(scale, shift):
    logits, positive = given()
    target = objectives.runners_up(logits, positive, 1)[0]
    other = scale * logits + shift
    np.testing.assert_allclose(
        objectives.dlr(other, positive), objectives.dlr(logits, positive), rtol=2e-3, atol=2e-3
    )
    np.testing.assert_allclose(
        objectives.dlr_targeted(other, positive, target),
        objectives.dlr_targeted(logits, positive, target),
        rtol=2e-3,
        atol=2e-3,
    )


def test_cross_entropy_is_that_of_torch_and_of_all_positives_together():
    logits, positive = given()
    expected = each(lambda p, n, z: np.log(np.exp(z).sum()) - np.log(np.exp(p).sum()))
    np.testing.assert_allclose(objectives.cross_entropy(logits, positive), expected, atol=2e-6)
    labels = np.arange(ROWS) % CLASSES
    theirs = torch.nn.functional.cross_entropy(
        torch.tensor(np.asarray(logits)), torch.tensor(labels), reduction="none"
    )
    ours = objectives.cross_entropy(logits, objectives.is_class(jnp.asarray(labels), CLASSES))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_flat_logits_have_a_finite_value():
    logits, (_, positive) = jnp.zeros((ROWS, CLASSES)), given()
    for loss in (objectives.margin, objectives.dlr, objectives.cross_entropy):
        assert np.isfinite(np.asarray(loss(logits, positive))).all()


def test_mismatch_is_the_mean_over_real_captions():
    table = np.random.RandomState(0).randn(6, 2).astype(np.float32)
    model = SimpleNamespace(
        fuse=lambda image, text: text.tokens + image.tokens[:1],
        match_logits=lambda fused: fused[:, 0],
    )
    image = ImageFeatures(jnp.zeros((2, 1, 2)), jnp.zeros((2, 4)))
    text = TextFeatures(jnp.asarray(table)[:, None], jnp.zeros((6, 4)), jnp.ones((6, 1), bool))
    present = jnp.array([[True, True, False], [True, False, False]])
    gap = table[:, 0] - table[:, 1]
    expected = [(gap[0] + gap[1]) / 2, gap[3]]
    np.testing.assert_allclose(
        objectives.mismatch(model, image, text, present), expected, rtol=1e-6
    )
