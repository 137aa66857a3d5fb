"""MAT's fast form: one backward pass for weights and pixels, as torch takes it step by step."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from torch.nn.functional import normalize

from mat_jax import defenses
from mat_jax.defenses.inner import images
from mat_jax.defenses.one_to_many import all_images
from mat_jax.train import mesh, state
from mat_jax.train.step import compile_step
from tests.defenses.linear import NAMES, Torch, batch, model
from tests.defenses.losses_test import rightful
from tests.defenses.one_to_many_test import rich

RATE, EPS, LENGTH, UPDATES = 0.05, 0.6, 0.25, 3
# The l2 norm: a sign would magnify what the programs differ by in the last digit.
DEFENSE = defenses.MAT(eps=EPS, steps=1, step_size=LENGTH, norm="l2", words=0, replays=UPDATES)
PLUS = defenses.MATPlus(DEFENSE, texts=2, images=2)


@cache
def compiled(defense=DEFENSE):
    layout, weights = state.flatten(model(0))
    optimizer = optax.sgd(RATE)
    begin = state.create(weights, optimizer, defense.trains, 0)
    return begin, compile_step(
        layout, defense, optimizer, mesh.make(1), begin, schedule=lambda n: n + 0.0
    )


def by_hand(defense, clean, moving=slice(None)):
    """The update, written out; the images begin where `perturb` leaves them.

    Of an example's pictures those of `moving` are attacked.
    """
    key = jax.random.fold_in(jax.random.key(0), 0)
    start = all_images(jax.jit(defense.perturb)(model(0), None, clean, key))
    ours, still = Torch(model(0)), torch.tensor(np.array(all_images(clean)))
    x = torch.tensor(np.array(start), requires_grad=True)
    examples, texts = clean.tokens.ids.shape[:2]
    owner = torch.arange(examples)
    pictures = owner.repeat_interleave(len(x) // examples)
    right = pictures[:, None] == owner.repeat(texts)[None]
    attacked = torch.zeros(examples, len(x) // examples, dtype=torch.bool)
    attacked[:, moving] = True
    losses = []
    for _ in range(UPDATES):
        vision, _, scale = ours.weights
        read = normalize(torch.cat([ours.g(clean.tokens, i) for i in range(texts)]))
        logits = scale.exp() * normalize(x.flatten(1) @ vision) @ read.T
        loss = (rightful(logits, right).mean() + rightful(logits.T, right.T).mean()) / 2
        losses.append(loss.item())
        *slopes, along = torch.autograd.grad(loss, [*ours.weights, x])
        ours.weights = [
            (w - RATE * slope).detach().requires_grad_()
            for w, slope in zip(ours.weights, slopes, strict=True)
        ]
        moved = x + LENGTH * normalize(along.flatten(1)).reshape(x.shape) - still
        short = (EPS / moved.flatten(1).norm(dim=1)).clamp(max=1.0)[:, None, None, None]
        moved = (still + short * moved).clamp(0, 1)
        x = torch.where(attacked.flatten()[:, None, None, None], moved, still)
        x = x.detach().requires_grad_()
    return ours.weights, losses


@pytest.mark.parametrize(
    "defense, clean, moving",
    [
        (DEFENSE, batch(), slice(None)),
        (PLUS, rich(2, 2), slice(None)),
        (replace(PLUS, attack_partners=False), rich(2, 2), slice(1)),
    ],
    ids=["MAT", "MAT+", "partners left alone"],
)
def test_weights_and_pixels_take_turns_as_in_torch(defense, clean, moving):
    begin, step = compiled(defense)
    weights, losses = by_hand(defense, clean, moving)
    # Copies: the step donates what it is given.
    end, metrics = step(jax.tree.map(jnp.copy, begin), None, clean)
    for name, expected in zip(NAMES, weights, strict=True):
        np.testing.assert_allclose(end.trained[name], expected.detach(), atol=1e-5, err_msg=name)
    assert float(metrics["loss"]) == pytest.approx(losses[-1], rel=1e-5)
    # One step of the run, three of the optimizer and its schedule: updates 0, 1, 2, then 3, 4, 5.
    assert int(end.step) == 1 and float(metrics["lr"]) == 2
    _, metrics = step(end, None, clean)
    assert float(metrics["lr"]) == 5


def test_the_pixels_move_between_the_updates():
    """Had they stood still, the losses would be others."""
    clean = batch()
    still = defenses.MAT(eps=EPS, steps=1, step_size=LENGTH, norm="l2", words=0)
    _, step = compiled()
    end, _ = step(jax.tree.map(jnp.copy, compiled()[0]), None, clean)
    layout, weights = state.flatten(model(0))
    key = jax.random.fold_in(jax.random.key(0), 0)
    attacked = jax.jit(still.perturb)(model(0), None, clean, key)
    slope = jax.jit(
        jax.grad(lambda w: still.loss(layout.model(w), None, clean, attacked, key)[0].mean())
    )
    for _ in range(UPDATES):
        weights = {name: w - RATE * slope(weights)[name] for name, w in weights.items()}
    gap = np.abs(end.trained["vision.weights"] - weights["vision.weights"]).max()
    assert gap > 1e-3


def test_a_step_along_the_pixels_stays_in_the_ball_and_the_box():
    defense = defenses.MAT(eps=0.1, steps=0, replays=4)
    assert defense.step == pytest.approx(1.25 * 0.1 / 3)
    assert defenses.MAT(eps=0.1).step == pytest.approx(1.25 * 0.1 / 2)
    clean, images, slope = (
        jnp.array(values).reshape(1, 1, 1, 3)
        for values in ([0.02, 0.5, 0.99], [0.07, 0.59, 0.99], [-3.0, 0.2, 1.0])
    )
    found = defense.climb(batch()._replace(images=clean), images, slope)
    expected = [0.07 - 0.125 / 3, 0.6, 1.0]
    np.testing.assert_allclose(found.reshape(-1), expected, rtol=1e-6)


def test_no_update_is_no_step():
    with pytest.raises(ValueError, match="replays 0: a batch makes 1 update or more"):
        defenses.MAT(replays=0)


@pytest.mark.parametrize(
    "strategy",
    [
        defenses.Strategy(order=("text",)),
        defenses.Strategy(objective=images.far_from_clean),
        defenses.Strategy(objective=images.WithCleanTexts()),
    ],
)
def test_updates_with_a_batch_move_images_up_the_outer_loss_and_nothing_else(strategy):
    with pytest.raises(ValueError, match="replays 2 moves images up the outer loss"):
        defenses.MAT(replays=2, strategy=strategy)
