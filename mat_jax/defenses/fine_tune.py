"""Plain contrastive training: no adversary. The control of every comparison."""

from dataclasses import dataclass

from jaxtyping import Array, Float, PRNGKeyArray

from mat_jax.defenses.base import Defense
from mat_jax.defenses.losses.contrastive import Contrast, info_nce_of_devices
from mat_jax.defenses.losses.pair_loss import pair_losses
from mat_jax.defenses.trainable_parts import Part, belongs, require_part
from mat_jax.types.arrays import Batch
from mat_jax.types.protocols import Model


@dataclass(frozen=True)
class FineTune(Defense[Model]):
    r"""Train on clean pairs.

    $$\min_\theta E_{(x,t)} \big[ \mathrm{NCE}_\theta(x, t) \big]$$

    and what a family adds to InfoNCE (`outer.pair_losses`): of ALBEF, TCL and BLIP the matching
    loss; of BLIP's captioner the loss is that of its language model alone.

    Args:
        part: the weights that train: "all", "vision", "text" or "projections".
        contrast: what is minimised in the place of InfoNCE, `Sigmoid()` for example.
    """

    part: Part = "all"
    contrast: Contrast = info_nce_of_devices

    captioners = True  # it trains captioners too
    judges = True  # and models of entailment and of answers

    def __post_init__(self) -> None:
        require_part(self.part)

    def perturb(
        self, model: Model, reference: Model | None, batch: Batch, key: PRNGKeyArray
    ) -> Batch:
        """The batch as it is."""
        return batch

    def loss(
        self,
        model: Model,
        reference: Model | None,
        batch: Batch,
        batch_adv: Batch,
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, " batch"], dict[str, Array]]:
        """The loss of each clean pair, in nats."""
        return pair_losses(model, batch, key, contrast=self.contrast)

    def trains(self, path: tuple[str, ...]) -> bool:
        """All weights, or those of `part`."""
        return belongs(path, self.part)
