"""TeCoA for image-text retrieval: the image-only defence that MAT is compared with."""

from dataclasses import dataclass

from jaxtyping import Array, Float, PRNGKeyArray

from mat_jax.defenses.image_defense import ImageDefense
from mat_jax.defenses.inner.images import against_texts
from mat_jax.defenses.losses.contrastive import Contrast, info_nce_of_devices
from mat_jax.defenses.losses.pair_loss import pair_losses
from mat_jax.defenses.trainable_parts import Part, belongs, require_part
from mat_jax.types.arrays import Batch
from mat_jax.types.protocols import Model


@dataclass(frozen=True, kw_only=True)
class TeCoAITR(ImageDefense[Model]):
    r"""Train on attacked images with their clean captions.

    $$\min_\theta E_{(x,t)} \Big[ \max_{\|x'-x\| \le eps} \mathrm{NCE}_\theta(x', t) \Big]$$

    ALBEF, TCL and BLIP also learn to match the attacked images with their captions, outside alone;
    BLIP's captioner is attacked and trained by its language model's loss (`outer.pair_losses`).

    TeCoA (Mao et al., ICLR 2023, arXiv:2212.07016) attacks and trains on class prompts; the
    authors of MAT (arXiv:2405.18770) carry it over to retrieval with real pairs and all weights.
    Their exact form is not published. Our choice: the same loss, PGD and schedule as our `MAT`, so
    that the two differ by the text attack alone.

    Args:
        eps, steps, step_size, norm: of PGD, see `ImageDefense`; a step is 1.25 eps / steps.
        part: the weights that train: "all", "vision", "text" or "projections".
        contrast: what is minimised in the place of InfoNCE, `Sigmoid()` for example; PGD climbs
            InfoNCE either way.
    """

    steps: int = 2
    part: Part = "all"
    contrast: Contrast = info_nce_of_devices

    captioners = True  # it trains captioners too
    judges = True  # and models of entailment and of answers

    def __post_init__(self) -> None:
        super().__post_init__()
        require_part(self.part)

    def perturb(
        self, model: Model, reference: Model | None, batch: Batch, key: PRNGKeyArray
    ) -> Batch:
        """Attacked images, captions as they are."""
        values = against_texts(model, batch, batch.tokens)
        images = self.pgd.attack(lambda images: values(model.encode_image(images)), batch, key)
        return batch._replace(images=images)

    def loss(
        self,
        model: Model,
        reference: Model | None,
        batch: Batch,
        batch_adv: Batch,
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, " batch"], dict[str, Array]]:
        """The loss of each attacked image with its clean caption, in nats."""
        return pair_losses(model, batch_adv, key, contrast=self.contrast)

    def trains(self, path: tuple[str, ...]) -> bool:
        """All weights, or those of `part`."""
        return belongs(path, self.part)
