"""TGA-ZSR: text-guided attention for zero-shot robustness (Yu et al., NeurIPS 2024)."""

from dataclasses import KW_ONLY, asdict, dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from mat_jax.defenses.class_prompts import Prompts, accuracy, class_logits, labels_of, surprise
from mat_jax.defenses.image_defense import ImageDefense
from mat_jax.defenses.tecoa import TeCoA
from mat_jax.defenses.trainable_parts import belongs
from mat_jax.types.arrays import Batch, ImageFeatures, unit
from mat_jax.types.protocols import ComparesPatches, Model, Tokenizer

TINY = 1e-12


@dataclass(frozen=True)
class TGAZSR(ImageDefense[Model]):
    r"""TeCoA, and the patches that a class's text points at stay those the original looked at.

    $$\min_\theta E \big[ -\log p(y \mid x') + \alpha \| A_\theta(x') - A_0(x) \|_2
        + \beta \| A_\theta(x) - A_0(x) \|_2 \big]$$

    (arXiv:2410.21802, its attention refinement and attention-based model constraint). $A(x)$ is the
    text-guided attention: the similarity of each patch with the prompt of the true class,
    stretched to [0, 1] over the image's patches and enlarged to the image's size by linear
    interpolation. $A_0$ is that of the model as training found it, $x'$ TeCoA's adversarial image.
    Only the image tower trains. For CLIP, whose patches live in the shared space.

    As released: alpha 0.08, beta 0.05, the length (not its square) over all pixels, eps 1/255, two
    steps of 1/255; SGD with lr 1e-4, batches of 128. Patches are put on the unit sphere one by one
    (our reading; the code divides by lengths over the patches instead).

    Args:
        prompts: one a class, "This is a photo of a {}" in the paper.
        refinement: alpha, the weight of the attacked image's attention.
        constraint: beta, the weight of the clean image's attention.
        eps, steps, step_size, norm: of PGD, see `ImageDefense`; a step is eps.
    """

    prompts: Prompts
    refinement: float = 0.08
    constraint: float = 0.05
    _: KW_ONLY
    eps: float = 1 / 255
    steps: int = 2

    needs_reference = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.refinement, self.constraint) < 0:
            raise ValueError("refinement and constraint must be 0 or more")

    @property
    def prompt_count(self) -> int:
        """One a class."""
        return len(self.prompts.texts)

    def require_labels(self, labels: Int[np.ndarray, " images"] | None, name: str) -> None:
        """Refuse labels that the prompts are not for."""
        self.prompts.require(labels, name)

    def tokenized(self, tokenizer: Tokenizer) -> "TGAZSR":
        """The defence for models with this tokenizer."""
        return replace(self, prompts=self.prompts.tokenized(tokenizer))

    @property
    def usual_step(self) -> float:
        """The length of a step where none is given."""
        return self.eps

    def perturb(self, model: Model, reference: Model, batch: Batch, key: PRNGKeyArray) -> Batch:
        """TeCoA's adversarial images."""
        inner = TeCoA(self.prompts, **asdict(self.pgd))
        return inner.perturb(model, reference, batch, key)

    def loss(
        self,
        model: Model,
        reference: Model,
        batch: Batch,
        batch_adv: Batch,
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, " batch"], dict[str, Array]]:
        """Cross-entropy in nats, and the weighted distances of attention, of each image."""
        labels = labels_of(batch)
        # The text tower is frozen: its prompts are the original's too.
        units = self.prompts.units(model)
        own, size = units[labels], batch.images.shape[1]
        image = model.encode_image(batch_adv.images)
        logits = class_logits(model, image, units)
        attacked = attention(model, image, own, size)
        clean = attention(model, model.encode_image(batch.images), own, size)
        original = attention(reference, reference.encode_image(batch.images), own, size)
        original = jax.lax.stop_gradient(original)
        refinement, constraint = length(attacked - original), length(clean - original)
        losses = surprise(logits, labels)
        losses = losses + self.refinement * refinement + self.constraint * constraint
        metrics = {"refinement": jnp.mean(refinement), "constraint": jnp.mean(constraint)}
        return losses, {"accuracy": accuracy(logits, labels), **metrics}

    def trains(self, path: tuple[str, ...]) -> bool:
        """The image tower and its projection."""
        return belongs(path, "vision")


def attention(
    model: Model, image: ImageFeatures, texts: Float[Array, "batch embed"], size: int
) -> Float[Array, "batch size size"]:
    """How much each pixel's patch looks like the image's text, 0 to 1 in each image.

    Args:
        model: a CLIP.
        image: its features of the images.
        texts: of each image one text, on the unit sphere.
        size: side of the images, in pixels.
    """
    if not isinstance(model, ComparesPatches):
        raise ValueError(
            f"TGA-ZSR compares patches with texts, which {type(model).__name__} keeps in different "
            "spaces: train a CLIP"
        )
    alike = jnp.sum(unit(model.patch_embeddings(image)) * texts[:, None], axis=-1)
    low, high = jnp.min(alike, axis=1, keepdims=True), jnp.max(alike, axis=1, keepdims=True)
    side = round(alike.shape[1] ** 0.5)
    grid = ((alike - low) / jnp.maximum(high - low, TINY)).reshape(-1, side, side)
    return jax.image.resize(grid, (len(grid), size, size), "linear")


def length(maps: Float[Array, "batch height width"]) -> Float[Array, " batch"]:
    """Euclidean length over the pixels; where it is 0, as at the first step, so is its gradient."""
    squared = jnp.sum(jnp.square(maps), axis=(1, 2))
    return jnp.where(squared > 0, jnp.sqrt(jnp.where(squared > 0, squared, 1.0)), 0.0)
