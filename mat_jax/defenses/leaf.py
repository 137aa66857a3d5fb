"""LEAF: robust text towers, against typing errors (Rocamora et al., NeurIPS 2025)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from mat_jax.attacks.characters import leaf_attack
from mat_jax.attacks.objectives import squared_distance
from mat_jax.attacks.threat import ThreatModel
from mat_jax.defenses.base import Defense
from mat_jax.defenses.fare import FARE
from mat_jax.defenses.losses.contrastive import share_changed
from mat_jax.defenses.trainable_parts import belongs
from mat_jax.types.arrays import Batch
from mat_jax.types.protocols import Model


@dataclass(frozen=True)
class LEAF(Defense[Model]):
    r"""Keep the embedding of a mistyped caption where the original model puts the clean one.

    $$\min_\theta E_t \Big[ \max_{d(t, t') \le 1} \| g_\theta(t') - g_0(t) \|_2^2 \Big]$$

    (FARE for text), with d the Levenshtein distance in characters, g the projected text vector, not
    normalised, the square summed over its dimensions, and $g_0$ the model as training found it.
    Only the text tower (and its projection) trains; images do not matter.

    The maximum is taken as in `attacks.leaf`: the best of `positions` places by a test character,
    then the best character there. The experiment's substitutes are `data.Typos(positions=...)`,
    whose `known` words are the paper's constraint that no new English word comes in. They draw the
    places of a caption once, from its text; every epoch tries the same. As released: one edit, 50
    places, lr 1e-5, weight decay 1e-4, batches of 128, 30 epochs; the optimizer, AdamW here, is not
    in the released script.

    Args:
        positions: places of a caption that are tried.
    """

    positions: int = 50

    needs_reference = True
    looks = False  # at images
    words = 1  # the edits of one word, or of the space beside it

    @property
    def typos(self) -> int:
        """Places that the experiment's `data.Typos` must have open."""
        return self.positions

    def __post_init__(self) -> None:
        if self.positions < 1:
            raise ValueError(f"positions {self.positions} must be 1 or more")

    def perturb(self, model: Model, reference: Model, batch: Batch, key: PRNGKeyArray) -> Batch:
        """Captions with the typing error that leads farthest from the original's embedding."""
        found = leaf_attack(
            model,
            batch,
            key,
            threat=ThreatModel(words=1),
            positions=self.positions,
            anchor=_targets(reference, batch)[:, None],
        )
        return batch._replace(tokens=found.tokens)

    def loss(
        self,
        model: Model,
        reference: Model,
        batch: Batch,
        batch_adv: Batch,
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, " batch"], dict[str, Array]]:
        """Squared distance of each mistyped caption's embedding to the original's clean one."""
        target = jax.lax.stop_gradient(_targets(reference, batch))
        losses = squared_distance(model.encode_text(batch_adv.first).embed, target)
        relative = jnp.sum(losses) / jnp.sum(jnp.square(target))
        return losses, {
            "relative_text": relative,
            "captions_changed": share_changed(batch, batch_adv),
        }

    def trains(self, path: tuple[str, ...]) -> bool:
        """The text tower and its projection."""
        return belongs(path, "text")


@dataclass(frozen=True)
class FARELEAF(Defense[Model]):
    r"""FARE's image tower and LEAF's text tower, trained in one run.

    $$\min_\theta E_{(x,t)} \Big[ \max_{\|x'-x\| \le eps} \|f_\theta(x') - f_0(x)\|_2^2
        + \max_{d(t, t') \le 1} \|g_\theta(t') - g_0(t)\|_2^2 \Big]$$

    The paper trains one after the other. The sum of the two losses trains the same towers: FARE's
    has no gradient with respect to the text, LEAF's none with respect to the image, and optimizers
    that treat each weight by itself (SGD, Adam) take the same steps. With clipping by the norm of
    all gradients, or other hyper-parameters for each, train one after the other too.

    Args:
        fare: the image's half.
        leaf: the text's half.
    """

    fare: FARE = FARE()
    leaf: LEAF = LEAF()

    needs_reference = True
    words = 1

    @property
    def typos(self) -> int:
        """LEAF's."""
        return self.leaf.typos

    def perturb(self, model: Model, reference: Model, batch: Batch, key: PRNGKeyArray) -> Batch:
        """Attacked images and mistyped captions, apart from each other."""
        images = self.fare.perturb(model, reference, batch, key).images
        return self.leaf.perturb(model, reference, batch, key)._replace(images=images)

    def loss(
        self,
        model: Model,
        reference: Model,
        batch: Batch,
        batch_adv: Batch,
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, " batch"], dict[str, Array]]:
        """The sum of both distances."""
        image, of_image = self.fare.loss(model, reference, batch, batch_adv, key)
        text, of_text = self.leaf.loss(model, reference, batch, batch_adv, key)
        return image + text, of_image | of_text

    def trains(self, path: tuple[str, ...]) -> bool:
        """Both towers and their projections."""
        return self.fare.trains(path) or self.leaf.trains(path)


def _targets(reference: Model, batch: Batch) -> Float[Array, "batch embed"]:
    """Where the original puts the clean captions."""
    return reference.encode_text(batch.first).embed
