"""PMG-AFT: pre-trained model guided adversarial fine-tuning (Wang et al., CVPR 2024)."""

from dataclasses import KW_ONLY, asdict, dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from mat_jax.defenses.class_prompts import (
    Prompts,
    accuracy,
    class_logits,
    divergence,
    labels_of,
    surprise,
)
from mat_jax.defenses.image_defense import ImageDefense
from mat_jax.defenses.tecoa import TeCoA
from mat_jax.defenses.trainable_parts import belongs
from mat_jax.types.arrays import Batch
from mat_jax.types.protocols import Model, Tokenizer


@dataclass(frozen=True)
class PMGAFT(ImageDefense[Model]):
    r"""TeCoA, held to what the original believes of the same image, and to the clean image.

    $$\min_\theta E \big[ -\log p_\theta(y \mid x') + \alpha\, KL(p_0(x') \| p_\theta(x'))
        + \beta\, KL(p_\theta(x) \| p_\theta(x')) \big]$$

    (arXiv:2401.04350), with $p_\theta(x)$ the softmax over all class prompts, $p_0$ that of the
    model as training found it, and $x'$ TeCoA's adversarial image. Only the image tower trains.

    The directions of the divergences are the released code's since May 2024 (before, both were the
    other way round), and so is that the gradient flows through $p_\theta(x)$ too. There both
    are summed over the batch while the cross-entropy is its mean, and logits are bare cosines; here
    both are means over the batch, as the paper's equations, and logits carry the model's scale (our
    choice). The released script's defaults: both weights 1, eps 2/255, five steps of 1/255 (its
    README attacks TinyImageNet by two at 1/255); SGD with momentum 0.9, lr 5e-5, batches of 256.

    Args:
        prompts: one a class, "This is a photo of a {}" in the paper.
        original_weight: alpha, of the divergence from the original.
        clean_weight: beta, of the divergence from the clean image.
        eps, steps, step_size, norm: of PGD, see `ImageDefense`; a step is
            eps / 2, which is 1/255 at the default eps.
    """

    prompts: Prompts
    original_weight: float = 1.0
    clean_weight: float = 1.0
    _: KW_ONLY
    steps: int = 5

    needs_reference = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.original_weight, self.clean_weight) < 0:
            raise ValueError("original_weight and clean_weight must be 0 or more")

    @property
    def prompt_count(self) -> int:
        """One a class."""
        return len(self.prompts.texts)

    def require_labels(self, labels: Int[np.ndarray, " images"] | None, name: str) -> None:
        """Refuse labels that the prompts are not for."""
        self.prompts.require(labels, name)

    def tokenized(self, tokenizer: Tokenizer) -> "PMGAFT":
        """The defence for models with this tokenizer."""
        return replace(self, prompts=self.prompts.tokenized(tokenizer))

    @property
    def usual_step(self) -> float:
        """The length of a step where none is given."""
        return self.eps / 2

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
        """Cross-entropy and both divergences of each attacked image, in nats."""
        labels = labels_of(batch)
        # The text tower is frozen: its prompts are the original's too.
        units = self.prompts.units(model)
        attacked = class_logits(model, model.encode_image(batch_adv.images), units)
        clean = class_logits(model, model.encode_image(batch.images), units)
        original = class_logits(reference, reference.encode_image(batch_adv.images), units)
        far = divergence(jax.lax.stop_gradient(original), attacked)
        spread = divergence(clean, attacked)
        losses = surprise(attacked, labels)
        losses = losses + self.original_weight * far + self.clean_weight * spread
        metrics = {"from_original": jnp.mean(far), "from_clean": jnp.mean(spread)}
        return losses, {"accuracy": accuracy(attacked, labels), **metrics}

    def trains(self, path: tuple[str, ...]) -> bool:
        """The image tower and its projection."""
        return belongs(path, "vision")
