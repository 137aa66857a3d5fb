"""The whole standard AutoAttack beside the released one, on a small ResNet that was trained.

It takes long, so it is asked for, with a clone of github.com/fra31/auto-attack, and with programs
that are optimised: `JAX_DISABLE_MOST_OPTIMIZATIONS=0 PYTHONPATH=auto-attack pytest -s -m slow
tests/attacks/autoattack_resnet_test.py`.
"""

import warnings
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from torch import nn

from mat_jax.attacks import ThreatModel, autoattack
from mat_jax.types.arrays import Batch, Tokens
from tests.tools.narrow import host

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("autoattack", reason="autoattack is not installed (it is on no index)")
    from autoattack import AutoAttack

pytestmark = pytest.mark.slow
COUNT, SIDE, CLASSES, WIDTH = 100, 16, 10, 12


class Block(nn.Module):
    """Two convolutions with batch norm, and what came in added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one, self.two = (nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2))
        self.first, self.second = nn.BatchNorm2d(width), nn.BatchNorm2d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = torch.relu(self.first(self.one(x)))
        return torch.relu(x + self.second(self.two(inner)))


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, WIDTH, 3, padding=1)
        self.blocks = nn.ModuleList([Block(WIDTH) for _ in range(2)])
        self.head = nn.Linear(WIDTH * 16, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(x))
        for block in self.blocks:
            x = nn.functional.avg_pool2d(block(x), 2)
        return self.head(x.flatten(1))


def pictures(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """[count, SIDE, SIDE, 3] a pattern for each class under noise, and the classes."""
    patterns = np.random.default_rng(0).random((CLASSES, 4, 4, 3)).repeat(4, 1).repeat(4, 2)
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, CLASSES, count)
    noisy = 0.35 + 0.3 * patterns[labels] + draw.normal(0, 0.12, (count, SIDE, SIDE, 3))
    return np.clip(noisy, 0, 1).astype(np.float32), labels


def theirs(images: np.ndarray) -> torch.Tensor:
    return torch.tensor(images).permute(0, 3, 1, 2).contiguous()


@pytest.fixture(scope="module")
def trained() -> ResNet:
    torch.manual_seed(0)
    model = ResNet()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    images, labels = pictures(2000, 1)
    for step in range(200):
        rows = slice(64 * (step % 31), 64 * (step % 31 + 1))
        loss = nn.functional.cross_entropy(model(theirs(images[rows])), torch.tensor(labels[rows]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


class Ours(nnx.Module):
    """The same weights in JAX."""

    def __init__(self, model: ResNet) -> None:
        self.arrays = nnx.data(
            {name: nnx.Param(jnp.asarray(x.numpy())) for name, x in model.state_dict().items()}
        )

    def class_logits(self, images: jax.Array) -> jax.Array:
        of = {name: x[...] for name, x in self.arrays.items()}
        last = (None, None, None, slice(None))  # of a channel's number, beside [batch, h, w, c]

        def conv(x: jax.Array, name: str) -> jax.Array:
            """Nine shifts side by side and one product: XLA's own is many times slower on a CPU."""
            height, width = x.shape[1:3]
            padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
            shifts = [padded[:, r : r + height, s : s + width] for r in range(3) for s in range(3)]
            kernel = of[f"{name}.weight"].transpose(2, 3, 1, 0)
            return jnp.concatenate(shifts, axis=-1) @ kernel.reshape(-1, kernel.shape[-1])

        def norm(x: jax.Array, name: str) -> jax.Array:
            scale = of[f"{name}.weight"] / jnp.sqrt(of[f"{name}.running_var"] + 1e-5)
            shift = of[f"{name}.bias"] - of[f"{name}.running_mean"] * scale
            return x * scale[last] + shift[last]

        x = jax.nn.relu(conv(images, "stem") + of["stem.bias"][last])
        for n in range(2):
            inner = jax.nn.relu(norm(conv(x, f"blocks.{n}.one"), f"blocks.{n}.first"))
            x = jax.nn.relu(x + norm(conv(inner, f"blocks.{n}.two"), f"blocks.{n}.second"))
            count, side = len(x), x.shape[1] // 2
            x = x.reshape(count, side, 2, side, 2, WIDTH).mean(axis=(2, 4))
        flat = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
        return flat @ of["head.weight"].T + of["head.bias"][None]


def standing(model: ResNet, adv: torch.Tensor, labels: np.ndarray) -> Iterator[bool]:
    with torch.no_grad():
        return model(adv).argmax(1).numpy() == labels


@pytest.mark.parametrize("norm, eps", [("linf", 8.5 / 255), ("l2", 0.7)])
def test_the_standard_ensemble(trained: ResNet, norm, eps) -> None:
    """As many images stand but for one in a hundred, and they are the same ones."""
    images, labels = pictures(COUNT, 2)
    model = Ours(trained)
    with torch.no_grad():
        expected = trained(theirs(images)).numpy()
    np.testing.assert_allclose(model.class_logits(jnp.asarray(images)), expected, atol=2e-4)
    tokens = Tokens(host(np.zeros((COUNT, 1, 1), np.int32)), host(np.ones((COUNT, 1, 1), bool)))
    rows, classes = host(np.arange(COUNT, dtype=np.int32)), host(labels.astype(np.int32))
    batch = Batch(rows, host(images), tokens, tokens.mask[..., 0], labels=classes)
    ours = autoattack(model, batch, jax.random.key(0), threat=ThreatModel(eps=eps, norm=norm))
    kind = {"linf": "Linf", "l2": "L2"}[norm]
    released = AutoAttack(trained, norm=kind, eps=eps, seed=0, device="cpu", verbose=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adv = released.run_standard_evaluation(theirs(images), torch.tensor(labels).long())
    stands = np.asarray(standing(trained, adv, labels))
    clean = np.asarray(standing(trained, theirs(images), labels))
    differ = int((stands != ours.stands).sum())
    said = f"{norm}: clean {clean.mean():.1%}, ours {ours.stands.mean():.1%}, theirs"
    print(f"{said} {stands.mean():.1%}; {differ} of {COUNT} differ")
    assert clean.mean() > 0.9 and 0.2 < stands.mean() < 0.8
    assert differ <= COUNT / 100
