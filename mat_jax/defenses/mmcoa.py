"""MMCoA: multimodal contrastive adversarial training (Zhou et al., arXiv:2404.19287)."""

from dataclasses import KW_ONLY, dataclass, replace
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from mat_jax.attacks.objectives import info_nce
from mat_jax.attacks.optimizers.projected_gradient import example_keys
from mat_jax.attacks.threat import ThreatModel
from mat_jax.defenses.class_prompts import Prompts, class_logits, labels_of, surprise
from mat_jax.defenses.image_defense import ImageDefense
from mat_jax.defenses.inner.captions import attack_texts
from mat_jax.defenses.losses.contrastive import multi_positive, share_changed
from mat_jax.defenses.trainable_parts import Part, belongs, require_part
from mat_jax.types.arrays import Batch, unit
from mat_jax.types.protocols import Model, Tokenizer

Targets = Literal["classes", "pairs"]


@dataclass(frozen=True)
class MMCoA(ImageDefense[Model]):
    r"""Attacked images learn from clean prompts, attacked prompts from clean images.

    $$L = \lambda_{img} [C(x' \to t) + C(t \to x')] + \lambda_{txt} [C(x \to t') + C(t' \to x)]$$

    with C the cross-entropy of the batch's similarities $s \cos$ in one direction. The first half
    is the paper's text-supervised image adversarial loss, the second its image-supervised text
    adversarial loss; a weight of 0 leaves one out. There is no pair of two attacked halves and no
    clean pair. All weights train.

    The batch is one of classified images, the caption of each the prompt of its class. Both
    attacks are independent: $x'$ is PGD up the cross-entropy of x among all class prompts (TeCoA's
    objective), $t'$ is BERT-Attack on the image's own prompt, up $KL(g(t) \| g(t'))$, without the
    image.

    As released, for CIFAR-100: both weights 0.5, eps 1/255, ten steps of 1/255, one word, ten
    candidates; Adam (0.9, 0.98) with lr 1e-6 and weight decay 0.2, batches of 256.

    Args:
        prompts: one a class, "This is a photo of a {}" in the paper.
        targets: what is right for an image of a batch in which classes repeat. "classes" (our
            choice): every prompt of its class, `contrastive.multi_positive`. "pairs" (as released):
            its own prompt alone; the same prompt of another image is a negative.
        image_weight: of the loss of attacked images.
        text_weight: of the loss of attacked prompts.
        eps, steps, step_size, norm: of PGD, see `ImageDefense`; a step is eps.
        words: words replaced in a prompt.
        candidates: substitutes tried for a word.
        part: the weights that train. The release also has a variant of "text", which leaves the
            projection and the positions as they are; ours trains them.
    """

    prompts: Prompts
    targets: Targets = "classes"
    image_weight: float = 0.5
    text_weight: float = 0.5
    _: KW_ONLY
    eps: float = 1 / 255
    words: int = 1
    candidates: int = 10
    part: Part = "all"

    def __post_init__(self) -> None:
        super().__post_init__()
        ThreatModel(words=self.words, candidates=self.candidates)
        if self.targets not in ("classes", "pairs"):
            raise ValueError(f"targets are 'classes' or 'pairs', got {self.targets!r}")
        weights = self.image_weight, self.text_weight
        if min(weights) < 0 or not any(weights):
            raise ValueError(f"the weights {weights} learn nothing: 0 or more, one of them more")
        require_part(self.part)

    @property
    def prompt_count(self) -> int:
        """One a class."""
        return len(self.prompts.texts)

    def require_labels(self, labels: Int[np.ndarray, " images"] | None, name: str) -> None:
        """Refuse labels that the prompts are not for."""
        self.prompts.require(labels, name)

    def tokenized(self, tokenizer: Tokenizer) -> "MMCoA":
        """The defence for models with this tokenizer."""
        return replace(self, prompts=self.prompts.tokenized(tokenizer))

    @property
    def usual_step(self) -> float:
        """The length of a step where none is given."""
        return self.eps

    def perturb(
        self, model: Model, reference: Model | None, batch: Batch, key: PRNGKeyArray
    ) -> Batch:
        """Attacked images and attacked prompts, made apart from each other."""
        units, labels = self.prompts.units(model), labels_of(batch)
        tokens = batch.tokens
        if self.words and self.text_weight:
            tokens = attack_texts(
                model,
                batch,
                example_keys(key, batch.ids),
                words=self.words,
                candidates=self.candidates,
                objective="kl",
            )
        if not self.image_weight:
            return batch._replace(tokens=tokens)

        def values(images: Array) -> Array:
            return surprise(class_logits(model, model.encode_image(images), units), labels)

        images = self.pgd.attack(values, batch, key)
        return batch._replace(images=images, tokens=tokens)

    def loss(
        self,
        model: Model,
        reference: Model | None,
        batch: Batch,
        batch_adv: Batch,
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, " batch"], dict[str, Array]]:
        """The weighted losses of each image and of its prompt, in nats."""
        total, metrics = jnp.zeros(len(batch.ids)), {}
        halves = {
            "image_loss": (self.image_weight, batch_adv, batch),
            "text_loss": (self.text_weight, batch, batch_adv),
        }
        for name, (weight, images, texts) in halves.items():
            if weight:
                losses = self._both_ways(model, images, texts, labels_of(batch))
                total, metrics[name] = total + weight * losses, jnp.mean(losses)
        return total, metrics | {"captions_changed": share_changed(batch, batch_adv)}

    def _both_ways(self, model: Model, images: Batch, texts: Batch, labels: Array) -> Array:
        """C(image -> text) + C(text -> image)."""
        image = model.encode_image(images.images).embed
        text = model.encode_text(texts.first).embed
        if self.targets == "pairs":
            return 2 * info_nce(image, text, model.scale)
        logits = model.scale * (unit(image) @ unit(text).T)
        positive = labels[:, None] == labels[None, :]
        return multi_positive(logits, positive) + multi_positive(logits.T, positive)

    def trains(self, path: tuple[str, ...]) -> bool:
        """All weights, or those of `part`."""
        return belongs(path, self.part)
