"""FARE: unsupervised adversarial fine-tuning of the image tower (Schlarmann et al., ICML 2024)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from mat_jax.attacks.objectives import squared_distance
from mat_jax.defenses.image_defense import ImageDefense
from mat_jax.defenses.trainable_parts import belongs
from mat_jax.types.arrays import Batch
from mat_jax.types.protocols import EncodesImages


@dataclass(frozen=True)
class FARE(ImageDefense[EncodesImages]):
    r"""Keep the embedding of an attacked image where the original model puts the clean one.

    $$\min_\theta E_x \Big[ \max_{\|x'-x\| \le eps} \| f_\theta(x') - f_0(x) \|_2^2 \Big]$$

    (arXiv:2402.12336, equation 3), with $f$ the projected image vector, not normalised, the square
    summed over its dimensions, and $f_0$ the model as training found it. No text, no labels; only
    the image tower (and its projection) trains.

    PGD as released: 10 steps of 1/255 from a uniform start. Its momentum of 0.9 is left out
    because it does nothing: the velocity is replaced by its sign after every step, so the sign of
    0.9 velocity + sign(gradient) is the sign of the gradient wherever that is not exactly zero.

    Args:
        eps, steps, step_size, norm: of PGD, see `ImageDefense`; a step is
            eps / 2, which is 1/255 at the default eps.
    """

    needs_reference = True
    captioners = True  # of a captioner it trains the image tower, by its class token
    judges = True  # and of a model of entailment or of answers

    @property
    def usual_step(self) -> float:
        """The length of a step where none is given."""
        return self.eps / 2

    def perturb(
        self, model: EncodesImages, reference: EncodesImages, batch: Batch, key: PRNGKeyArray
    ) -> Batch:
        """Images whose embedding has been driven from the original's."""
        target = reference.encode_image(batch.images).embed

        def distance(images: Array) -> Array:
            return squared_distance(model.encode_image(images).embed, target)

        images = self.pgd.attack(distance, batch, key)
        return batch._replace(images=images)

    def loss(
        self,
        model: EncodesImages,
        reference: EncodesImages,
        batch: Batch,
        batch_adv: Batch,
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, " batch"], dict[str, Array]]:
        """Squared distance of each attacked image's embedding to the original's clean one."""
        target = jax.lax.stop_gradient(reference.encode_image(batch.images).embed)
        losses = squared_distance(model.encode_image(batch_adv.images).embed, target)
        return losses, {"relative": jnp.sum(losses) / jnp.sum(jnp.square(target))}

    def trains(self, path: tuple[str, ...]) -> bool:
        """The image tower and its projection."""
        return belongs(path, "vision")
