"""QT-AFT: quality text-guided adversarial fine-tuning (Waseda et al., ACM MM 2025)."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from mat_jax.attacks.objectives import squared_distance
from mat_jax.defenses.image_defense import ImageDefense
from mat_jax.defenses.losses.contrastive import multi_positive, recall
from mat_jax.defenses.trainable_parts import belongs
from mat_jax.types.arrays import Batch, ImageFeatures, unit
from mat_jax.types.protocols import Model


@dataclass(frozen=True)
class QTAFT(ImageDefense[Model]):
    r"""FARE, with captions that say what in an image is worth defending.

    $$\min_\theta E \Big[ \max_{\|x'-x\| \le eps} \| f(x') - f_0(x) \|_2^2
        - \lambda \log \frac{e^{s \cos(f(x'), g(t))}}{\sum_j e^{s \cos(f(x'), g(t_j))}} \Big]$$

    (arXiv:2507.16257 and its code), with $f_0$ the model as training found it, f not normalised in
    the first term, and $t_j$ the captions of the batch; two captions of one image are both right.
    Images are compared with captions only, not captions with images. The same sum is climbed
    inside. The image tower and the scale train (BLIP's scale is no weight, and stays); the paper
    sets the scale back to 1/0.07 first, which is the model's affair and not done here.

    As released: lambda 10, eps 4/255, ten steps of 1/255 (its momentum of 0.9 does nothing, see
    `FARE`); AdamW (0.9, 0.95), lr 1e-5, weight decay 1e-4, batches of 128; captions of at most 50
    words written by InternVL2.5-8B.

    Args:
        weight: lambda, of the captions.
        eps, steps, step_size, norm: of PGD, see `ImageDefense`; a step is
            eps / 4, which is 1/255 at the default eps.
    """

    weight: float = 10.0
    _: KW_ONLY
    eps: float = 4 / 255

    needs_reference = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weight < 0:
            raise ValueError(f"weight {self.weight} must be 0 or more")

    @property
    def usual_step(self) -> float:
        """The length of a step where none is given."""
        return self.eps / 4

    def perturb(self, model: Model, reference: Model, batch: Batch, key: PRNGKeyArray) -> Batch:
        """Images driven from the original's embedding and from their captions."""
        values, _ = self._values(model, reference, batch)
        images = self.pgd.attack(lambda images: values(model.encode_image(images)), batch, key)
        return batch._replace(images=images)

    def loss(
        self,
        model: Model,
        reference: Model,
        batch: Batch,
        batch_adv: Batch,
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, " batch"], dict[str, Array]]:
        """The sum above for each attacked image."""
        values, texts = self._values(model, reference, batch)
        image = model.encode_image(batch_adv.images)
        metrics = {"recall": recall(image.embed, texts, batch.ids), "scale": model.scale}
        return values(image), metrics

    def _values(
        self, model: Model, reference: Model, batch: Batch
    ) -> tuple[Callable[[ImageFeatures], Array], Array]:
        """What is climbed inside and lessened outside; and the captions' embeddings."""
        target = jax.lax.stop_gradient(reference.encode_image(batch.images).embed)
        texts = model.encode_text(batch.first).embed
        right = batch.ids[:, None] == batch.ids[None, :]

        def values(image: ImageFeatures) -> Array:
            logits = model.scale * (image.unit @ unit(texts).T)
            return squared_distance(image.embed, target) + self.weight * multi_positive(
                logits, right
            )

        return values, texts

    def trains(self, path: tuple[str, ...]) -> bool:
        """The image tower, its projection and the scale."""
        return belongs(path, "vision") or path[0] in ("logit_scale", "temp")
