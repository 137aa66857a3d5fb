"""LoRA: thin matrices trained on top of the weights, which stay (Hu et al., ICLR 2022)."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from mat_jax.train.state import Layout, Weights

Trains = Callable[[tuple[str, ...]], bool]

ENDS = ("lora_a", "lora_b")  # an adapter's names: those of its matrix, and one of these


@dataclass(frozen=True)
class LoRA:
    r"""Low-rank adapters: `Experiment(..., defense=defenses.MAT(part="vision"), lora=LoRA())`.

    $$W = W_0 + \frac{\alpha}{r} A B, \qquad A: [inputs, r], \quad B: [r, outputs]$$

    (arXiv:2106.09685, section 4.1; our matrices stand to the right of what they are applied to).
    $W_0$ stays bit for bit; A and B train. A is drawn from a normal distribution, of variance
    1 / inputs (our choice), and B is zero at first: training begins where the model stands.

    An adapter goes on the matrix of every linear layer that the defence trains, so the defence's
    `part` is the adapters' too. All else stays as it is: biases, normalisations, embeddings, the
    cut of images into patches, the scale of the contrastive loss.

    Adapters are added to their matrices before a model is made of the weights. Models know nothing
    of them, and what a run exports and measures is an ordinary model. A step costs what one on all
    weights costs; the optimizer's memory is that of A and B alone. `optimizers.averaged` averages
    A and B each by itself: what is exported has mean(A) mean(B), which is not the mean of A B.
    `train.optimizers.muon_adamw` leaves adapters to AdamW.

    Args:
        rank: r, 1 or more.
        alpha: what the product is multiplied by, times r.
        layers: names of the layers that get one, ("q", "v") in the paper; None for all.
    """

    rank: int = 8
    alpha: float = 16.0
    layers: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"rank {self.rank} leaves nothing to train: give 1 or more")
        if self.alpha <= 0:
            raise ValueError(f"alpha {self.alpha} must be above 0: it multiplies the adapters")

    def put_on(
        self, layout: Layout, weights: Weights, trains: Trains, seed: int
    ) -> tuple["Merging", Weights, Trains]:
        """A model's layout and weights with adapters, and which weights train now: the adapters.

        Args:
            layout: makes a model of `weights`.
            weights: named arrays; they are not changed.
            trains: which of them would train without adapters.
            seed: of A.

        Raises:
            ValueError: no linear layer is left.
        """
        found = dict(weights)
        for name, leaf in weights.items():
            if not (self._adapts(name, leaf) and trains(tuple(name.split(".")))):
                continue
            inputs, outputs = leaf.shape
            key = jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))
            down = jax.random.normal(key, (inputs, self.rank), leaf.dtype) * inputs**-0.5
            up = jnp.zeros((self.rank, outputs), leaf.dtype)
            found |= {f"{name}.{end}": x for end, x in zip(ENDS, (down, up), strict=True)}
        if len(found) == len(weights):
            only = "" if self.layers is None else f" named {', '.join(self.layers)}"
            raise ValueError(
                f"LoRA finds no linear layer{only} among the weights that the defence trains: "
                "check layers, and the part of the defence"
            )
        return Merging(layout, self.alpha / self.rank), found, lambda path: path[-1] in ENDS

    def _adapts(self, name: str, leaf: jax.Array) -> bool:
        """Whether it is the matrix of a linear layer that gets an adapter."""
        *_, layer, kind = ["", *name.split(".")]
        wanted = self.layers is None or layer in self.layers
        return kind == "kernel" and leaf.ndim == 2 and wanted


@dataclass(frozen=True)
class Merging:
    """A layout that adds the adapters to their matrices before it makes a model."""

    layout: Layout
    scale: float

    def model(self, weights: Weights) -> Any:
        """The model with these weights; works under a trace."""
        return self.layout.model(merge(weights, self.scale))


def merge(weights: Weights, scale: float) -> Weights:
    """The weights without adapters: each is added, times `scale`, to the matrix it is of."""

    def one(name: str, leaf: jax.Array) -> jax.Array:
        down, up = (weights.get(f"{name}.{end}") for end in ENDS)
        if down is None or up is None:
            return leaf
        # In full precision on every device: it is a weight, and no feature.
        return leaf + scale * jnp.matmul(down, up, precision="highest")

    return {name: one(name, x) for name, x in weights.items() if not name.endswith(ENDS)}
