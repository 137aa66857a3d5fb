"""Plain contrastive training: no adversary. The control of every comparison."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Array, Float, PRNGKeyArray

from mat_jax.defenses.contrastive import info_nce, pair_embeds, recall
from mat_jax.records import Batch


@dataclass(frozen=True)
class FineTune:
    """Minimise InfoNCE(x, t) on clean pairs, over all weights (CLIP, Radford et al. 2021).

    Args:
        vision: train the image tower.
        text: train the text tower.
    """

    vision: bool = True
    text: bool = True

    needs_reference = False
    words = 0

    def perturb(self, model: Any, reference: Any, batch: Batch, key: PRNGKeyArray) -> Batch:
        """The batch as it is."""
        return batch

    def loss(
        self, model: Any, reference: Any, batch: Batch, batch_adv: Batch
    ) -> tuple[Float[Array, " batch"], dict[str, Array]]:
        """InfoNCE of each clean pair, in nats."""
        image_embed, text_embed = pair_embeds(model, batch)
        losses = info_nce(image_embed, text_embed, model.scale, batch.ids)
        return losses, {"recall": recall(image_embed, text_embed), "scale": model.scale}

    def trains(self, path: tuple[str, ...]) -> bool:
        """All weights, or one tower's."""
        if path[0].startswith("vision"):
            return self.vision
        return self.text if path[0].startswith("text") else True
