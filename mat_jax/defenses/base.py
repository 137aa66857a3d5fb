"""What a defence is: an inner maximisation, an outer loss, and which weights train."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from mat_jax.attacks.optimizers.projected_gradient import NoisyLoss, example_keys, pgd
from mat_jax.attacks.threat import Norm, ThreatModel
from mat_jax.types.arrays import Batch
from mat_jax.types.protocols import Tokenizer

M = TypeVar("M")  # the models it trains: `Model`, or what it asks of them
# What a loss returns: one value an image [batch], in nats, and figures to watch.
Losses = tuple[Float[Array, " batch"], dict[str, Array]]


@dataclass(frozen=True)
class PGD:
    """The image attack inside a defence: projected gradient ascent from a random start.

    All of it is decided: what a user leaves open, `ImageDefense` fills in.

    Args:
        eps: radius of the perturbation, pixels being in [0, 1].
        steps: gradient steps.
        step_size: length of a step.
        norm: "linf" or "l2".

    Raises:
        ValueError: a value that no threat model may have.
    """

    eps: float
    steps: int
    step_size: float
    norm: Norm = "linf"

    def __post_init__(self) -> None:
        ThreatModel(eps=self.eps, norm=self.norm, steps=self.steps, step_size=self.step_size)

    def attack(
        self,
        loss_fn: Callable[[Array], Array],
        batch: Batch,
        key: PRNGKeyArray,
        *,
        climb_fn: NoisyLoss | None = None,
    ) -> Float[Array, "batch height width 3"]:
        """The images of a batch after the steps; each image's randomness is from its id.

        The last iterate is kept. `climb_fn` is an objective with its own noise: see `attacks.pgd`.
        """
        return pgd(
            loss_fn,
            batch.images,
            example_keys(key, batch.ids),
            eps=self.eps,
            step_size=self.step_size,
            steps=self.steps,
            norm=self.norm,
            climb_fn=climb_fn,
        )


class Defense(Generic[M]):
    """The defaults of all defences; a defence is a frozen dataclass that states what differs."""

    @property
    def needs_reference(self) -> bool:
        """Whether `perturb` and `loss` are handed the model as training found it, or None."""
        return False

    @property
    def words(self) -> int:
        """Words of a caption that its text attack may replace; 0 attacks no text."""
        return 0

    @property
    def candidates(self) -> int:
        """Substitutes that it tries for a word, where it says."""
        return 0

    @property
    def typos(self) -> int | None:
        """Places of a caption that its typing errors are tried at; None makes none."""
        return None

    @property
    def texts(self) -> int | None:
        """Captions of an image that a batch brings; None for all."""
        return 1

    @property
    def images(self) -> int:
        """Partner pictures of an image that a batch brings."""
        return 0

    @property
    def partners(self) -> bool:
        """Whether the data's partners are wanted, as training from one to many does."""
        return False

    @property
    def replays(self) -> int:
        """Updates made with a batch; above 1, `climb` moves the images between them."""
        return 1

    @property
    def looks(self) -> bool:
        """Whether it looks at images; without, it may train on captions alone."""
        return True

    @property
    def encodes(self) -> bool:
        """Whether it needs the encoders of an image-text model."""
        return True

    @property
    def captioners(self) -> bool:
        """Whether it also trains BLIP's captioner."""
        return False

    @property
    def judges(self) -> bool:
        """Whether it also trains models of entailment and of answers, on data that has them."""
        return False

    @property
    def prompt_count(self) -> int:
        """How many class prompts it compares images with."""
        return 0

    @property
    def pgd(self) -> PGD | None:
        """The inner image attack; None where no image is attacked."""
        return None

    def tokenized(self, tokenizer: Tokenizer) -> "Defense[M]":
        """The defence with its class prompts as the model reads them."""
        return self

    def require_labels(self, labels: Int[np.ndarray, " images"] | None, name: str) -> None:
        """Refuse the labels of a source that the defence cannot train on; see `Prompts.require`."""

    def extend(self, batch: Batch, key: PRNGKeyArray) -> Batch:
        """More of a batch, views of its images for example; a step asks for it first."""
        return batch

    def perturb(self, model: M, reference: M, batch: Batch, key: PRNGKeyArray) -> Batch:
        """The inner maximisation: the batch as an adversary leaves it."""
        raise TypeError(f"{type(self).__name__} does not say how a batch is perturbed")

    def loss(
        self, model: M, reference: M, batch: Batch, batch_adv: Batch, key: PRNGKeyArray
    ) -> Losses:
        """The outer loss of each image, and figures to watch."""
        raise TypeError(f"{type(self).__name__} does not say what is minimised")

    def climb(self, clean: Batch, images: Array, slope: Array) -> Array:
        """The images after a step up the slope of the outer loss, between two of the `replays`."""
        raise TypeError(f"{type(self).__name__} makes one update with a batch")

    def trains(self, path: tuple[str, ...]) -> bool:
        """Whether a weight trains, by its path in the model; all do."""
        return True
