"""Sim-CLIP: unsupervised Siamese adversarial fine-tuning (Hossain and Imteaj, 2024)."""

from dataclasses import KW_ONLY, asdict, dataclass
from typing import Literal, get_args

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from mat_jax.attacks.objectives import away
from mat_jax.defenses.fare import FARE
from mat_jax.defenses.image_defense import ImageDefense
from mat_jax.defenses.trainable_parts import belongs
from mat_jax.types.arrays import Batch
from mat_jax.types.protocols import Model

Twin = Literal["trained", "original"]


@dataclass(frozen=True)
class SimCLIP(ImageDefense[Model]):
    r"""Let an image and its attacked twin agree, each taking the other as given.

    $$\min_\theta -\tfrac12 \cos\big(f(x'), \mathrm{sg}\, f(x)\big)
                 -\tfrac12 \cos\big(f(x), \mathrm{sg}\, f(x')\big)$$

    (arXiv:2407.14971), sg being a constant of the gradient, as in SimSiam. Inside it is FARE's
    maximisation, $\|f(x') - f_0(x)\|_2^2$. Only the image tower trains.

    Both twins are of the trained model, as in the paper's Siamese architecture. In the released
    code the clean one is of the frozen original (`twin="original"`): its second half then has no
    gradient, and what is left is the cosine to the original, half as steep. As released: eps 4/255,
    ten steps of 1/255, AdamW.

    Args:
        twin: whose clean image is compared with, of the model "trained" or of the "original".
        eps, steps, step_size, norm: of PGD, see `ImageDefense`; a step is
            eps / 4, which is 1/255 at the default eps.
    """

    twin: Twin = "trained"
    _: KW_ONLY
    eps: float = 4 / 255

    needs_reference = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.twin not in get_args(Twin):
            raise ValueError(f"twin {self.twin!r} is not one of {', '.join(get_args(Twin))}")

    @property
    def usual_step(self) -> float:
        """The length of a step where none is given."""
        return self.eps / 4

    def perturb(self, model: Model, reference: Model, batch: Batch, key: PRNGKeyArray) -> Batch:
        """FARE's adversarial images."""
        inner = FARE(**asdict(self.pgd))
        return inner.perturb(model, reference, batch, key)

    def loss(
        self,
        model: Model,
        reference: Model,
        batch: Batch,
        batch_adv: Batch,
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, " batch"], dict[str, Array]]:
        """Minus the cosine of the twins, between -1 and 1."""
        attacked = model.encode_image(batch_adv.images).unit
        if self.twin == "trained":
            clean = model.encode_image(batch.images).unit
        else:
            clean = jax.lax.stop_gradient(reference.encode_image(batch.images).unit)
        constant = jax.lax.stop_gradient
        twins = away(attacked, constant(clean)) + away(clean, constant(attacked))
        return twins / 2, {}

    def trains(self, path: tuple[str, ...]) -> bool:
        """The image tower and its projection."""
        return belongs(path, "vision")
