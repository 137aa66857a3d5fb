"""TeCoA: text-guided contrastive adversarial training (Mao et al., ICLR 2023)."""

from dataclasses import KW_ONLY, dataclass, replace

import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from mat_jax.defenses.class_prompts import Prompts, accuracy, class_logits, labels_of, surprise
from mat_jax.defenses.image_defense import ImageDefense
from mat_jax.defenses.trainable_parts import belongs
from mat_jax.types.arrays import Batch
from mat_jax.types.protocols import Model, Tokenizer


@dataclass(frozen=True)
class TeCoA(ImageDefense[Model]):
    r"""Teach attacked images their class among all class prompts.

    $$\min_\theta E_{(x,y)} \Big[ \max_{\|x'-x\| \le eps}
        -\log \frac{e^{s \cos(f(x'), t_y)}}{\sum_c e^{s \cos(f(x'), t_c)}} \Big]$$

    (arXiv:2212.07016, its text-guided contrastive loss), with $t_c$ the embedding of the prompt of
    class c and s the model's scale. All classes compete, whatever is in the batch; images are
    compared with texts only, not texts with images; no clean term. Only the image tower trains.

    As released: eps 1/255, two steps of 1/255 from a uniform start; SGD with momentum 0.9, no
    weight decay, batches of 256. RobustVLM's form (FARE's peer, there "TeCoA 2" and "TeCoA 4") is
    eps 2/255 or 4/255 with ten steps of 1/255.

    Args:
        prompts: one a class, "This is a photo of a {}" in the paper.
        eps, steps, step_size, norm: of PGD, see `ImageDefense`; a step is eps.
    """

    prompts: Prompts
    _: KW_ONLY
    eps: float = 1 / 255
    steps: int = 2

    @property
    def prompt_count(self) -> int:
        """One a class."""
        return len(self.prompts.texts)

    def require_labels(self, labels: Int[np.ndarray, " images"] | None, name: str) -> None:
        """Refuse labels that the prompts are not for."""
        self.prompts.require(labels, name)

    def tokenized(self, tokenizer: Tokenizer) -> "TeCoA":
        """The defence for models with this tokenizer."""
        return replace(self, prompts=self.prompts.tokenized(tokenizer))

    @property
    def usual_step(self) -> float:
        """The length of a step where none is given."""
        return self.eps

    def perturb(
        self, model: Model, reference: Model | None, batch: Batch, key: PRNGKeyArray
    ) -> Batch:
        """Images driven from their classes."""
        units, labels = self.prompts.units(model), labels_of(batch)

        def values(images: Array) -> Array:
            return surprise(class_logits(model, model.encode_image(images), units), labels)

        images = self.pgd.attack(values, batch, key)
        return batch._replace(images=images)

    def loss(
        self,
        model: Model,
        reference: Model | None,
        batch: Batch,
        batch_adv: Batch,
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, " batch"], dict[str, Array]]:
        """Cross-entropy of each attacked image, in nats."""
        units, labels = self.prompts.units(model), labels_of(batch)
        logits = class_logits(model, model.encode_image(batch_adv.images), units)
        return surprise(logits, labels), {"accuracy": accuracy(logits, labels)}

    def trains(self, path: tuple[str, ...]) -> bool:
        """The image tower and its projection."""
        return belongs(path, "vision")
