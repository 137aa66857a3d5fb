"""Plain contrastive training: no adversary. The control of every comparison."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Array, Float, PRNGKeyArray

from mat_jax.defenses.outer import pair_losses
from mat_jax.records import Batch


@dataclass(frozen=True)
class FineTune:
    """Minimise `outer.pair_losses` of clean pairs: InfoNCE(x, t), and what a family adds to it.

    Args:
        vision: train the image tower.
        text: train the text tower.
    """

    vision: bool = True
    text: bool = True

    needs_reference = False
    captions = True  # it trains captioners too
    words = 0

    def perturb(self, model: Any, reference: Any, batch: Batch, key: PRNGKeyArray) -> Batch:
        """The batch as it is."""
        return batch

    def loss(
        self, model: Any, reference: Any, batch: Batch, batch_adv: Batch, key: PRNGKeyArray
    ) -> tuple[Float[Array, " batch"], dict[str, Array]]:
        """The loss of each clean pair, in nats."""
        return pair_losses(model, batch, key)

    def trains(self, path: tuple[str, ...]) -> bool:
        """All weights, or one tower's."""
        if path[0].startswith("vision"):
            return self.vision
        return self.text if path[0].startswith("text") else True
