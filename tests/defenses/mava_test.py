"""MAVA's attack as released, against torch."""

import jax
import numpy as np
import torch

from mat_jax import defenses
from tests.defenses.linear import Torch, batch, model


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
    np.testing.assert_allclose(found, (way[-1] + way[-2]) / 2, atol=2e-5)
