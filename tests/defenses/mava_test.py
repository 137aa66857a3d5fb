"""MAVA: its attack as released, against torch; parts left out; eight devices."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from mat_jax import defenses
from tests.defenses.devices import on_one_and_on_eight
from tests.defenses.linear import SIDE, Torch, batch, model


def test_the_released_attack_of_mava_is_torchs():
    """Look-ahead, mean size and decay 1 by hand, in the l2 norm, where rounding turns no sign."""
    steps, length, eps = 4, 0.3, 0.5
    defense = defenses.MAVA(
        eps=eps, steps=steps, step_size=length, norm="l2", count=1, neighbours="trajectory",
        attack="nesterov", texts=2,
    )  # fmt: skip
    clean = batch(2)
    found = jax.jit(defense.perturb)(model(0), model(1), clean, jax.random.key(4)).images
    trained, original = Torch(model(0)), Torch(model(1))
    normal, still = torch.nn.functional.normalize, torch.tensor(np.array(clean.images))
    target = normal(original.f(clean.images)).detach()
    texts = [normal(original.g(clean.tokens, m)).detach() for m in (0, 1)]
    x, v, way = still.clone(), torch.zeros_like(still), []
    for _ in range(steps):
        ahead = (x + length * v).requires_grad_()
        f = normal(ahead.flatten(1) @ trained.weights[0])
        value = ((f - target) ** 2).sum() - sum((f * t).sum() for t in texts) / 2
        (slope,) = torch.autograd.grad(value, ahead)
        v = v + slope / slope.abs().mean(dim=(1, 2, 3), keepdim=True)
        delta = x + length * normal(v.flatten(1)).reshape(v.shape) - still
        delta = delta * (eps / delta.flatten(1).norm(dim=1)).clamp(max=1)[:, None, None, None]
        x = (still + delta).clamp(0, 1).detach()
        way.append(x)
    np.testing.assert_allclose(found, (way[-1] + way[-2]) / 2, atol=1e-5)


def test_neighbours_in_l2_are_spread_over_the_ball():
    """Of a point uniform in a ball of n dimensions, (length / radius)^n is uniform."""
    defense = defenses.MAVA(eps=0.2, beta=1.5, norm="l2", count=4, texts=1)
    images = jnp.full((64, 2, 2, 3), 0.5)
    around = defense._around(images, jax.random.split(jax.random.key(0), 64))
    assert around.shape == (64, 4, 2, 2, 3)
    lengths = np.linalg.norm(np.asarray(around - images[:, None]).reshape(-1, 12), axis=1)
    assert lengths.max() <= 0.3 + 1e-6
    shares = (lengths / 0.3) ** 12
    # Of 256 uniform numbers the mean is off by 0.018; four times that.
    assert abs(shares.mean() - 0.5) < 0.072
    assert len(np.unique(lengths)) == len(lengths)  # no neighbour is drawn twice


@pytest.mark.parametrize("left_out", ["cms", "vsse"])
def test_a_part_without_weight_is_not_climbed_either(left_out):
    """PGD of one step from a known start: its sign is that of the part that stays."""
    left: dict[str, Any] = {left_out: 0.0}
    defense = defenses.MAVA(eps=0.1, steps=1, step_size=0.01, count=1, beta=0.0, texts=1, **left)
    clean, trained, original = batch(), model(0), model(1)
    still = defenses.MAVA(eps=0.1, steps=0, count=1, beta=0.0, texts=1)
    key = jax.random.key(3)
    start = still.perturb(trained, original, clean, key).images
    found = defense.perturb(trained, original, clean, key).images

    def unit(x):
        return x / jnp.linalg.norm(x, axis=-1, keepdims=True)

    def climbed(images):
        image = unit(trained.encode_image(images).embed)
        if left_out == "cms":
            return jnp.sum((image - unit(original.encode_image(clean.images).embed)) ** 2)
        first = jax.tree.map(lambda x: x[:, 0], clean.tokens)
        return -jnp.sum(image * unit(original.encode_text(first).embed))

    moved = jnp.clip(start + 0.01 * jnp.sign(jax.grad(climbed)(start)), 0, 1)
    moved = jnp.clip(moved, clean.images - 0.1, clean.images + 0.1)
    np.testing.assert_allclose(found, moved, atol=1e-6)


def test_something_is_left_to_attack():
    with pytest.raises(ValueError, match="cms=0 and vsse=0 leave nothing to attack"):
        defenses.MAVA(cms=0.0, vsse=0.0)


def test_eight_devices_share_the_neighbours():
    """They do what one does, and no device is handed the neighbours of another's images."""
    defense = defenses.MAVA(eps=0.1, steps=2, count=3, texts=2)
    eight = jax.tree.map(lambda a, b: jnp.concatenate([a, b])[:8], batch(2), batch(2, seed=1))
    eight = eight._replace(ids=jnp.arange(20, 28, dtype=jnp.int32))
    ends = on_one_and_on_eight(defense, model(0), eight, reference=model(1))
    assert ends.apart < 1e-5 < ends.moved
    # Of 8 devices the text is what one of them does: 3 neighbours of its one image, never of 8.
    pixels = SIDE * SIDE * 3
    assert f"f32[3,{pixels}]" in ends.text or f"f32[1,3,{SIDE},{SIDE},3]" in ends.text
    for many in (f"[24,{pixels}]", f"[8,3,{SIDE},{SIDE},3]", f"[3,8,{SIDE},{SIDE},3]"):
        assert many not in ends.text
