"""A defence of one's own: TRADES (Zhang et al. 2019) for image-text retrieval.

Experiment(model=..., data=..., defense=Trades(), ...)   # in an experiment file
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from mat_jax import defenses
from mat_jax.attacks.objectives import info_nce
from mat_jax.types import Batch, Model, unit


@dataclass(frozen=True, kw_only=True)
class Trades(defenses.ImageDefense[Model]):
    r"""The loss of the clean pairs, and how far an attacked image changes what is retrieved.

    $$\min_\theta E\Big[ \mathrm{NCE}(x, t)
        + \beta \max_{\|x' - x\| \le eps} KL(p(x) \,\|\, p(x')) \Big], \qquad
      p(x) = \mathrm{softmax}_j\; s \cos(f(x), g(t_j))$$

    over the captions $t_j$ of the batch (arXiv:1901.08573, equation 5, with captions for classes).
    The image is attacked up the same KL. All weights train.

    Args:
        beta: weight of the second term; the paper has 6 for CIFAR-10.
        eps, steps, step_size, norm: of the inner image attack.
    """

    beta: float = 6.0
    steps: int = 2

    def perturb(
        self, model: Model, reference: Model | None, batch: Batch, key: PRNGKeyArray
    ) -> Batch:
        """Images that retrieve other captions than the clean ones do."""
        clean, texts = _log_probs(model, batch.images, batch), batch
        images = self.pgd.attack(
            lambda images: _divergence(clean, _log_probs(model, images, texts)), batch, key
        )
        return batch._replace(images=images)

    def loss(
        self,
        model: Model,
        reference: Model | None,
        batch: Batch,
        batch_adv: Batch,
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, " batch"], dict[str, Array]]:
        """NCE of the clean pairs, and beta times the divergence."""
        image = model.encode_image(batch.images).embed
        text = model.encode_text(batch.first).embed
        clean = _log_probs(model, batch.images, batch)
        change = _divergence(clean, _log_probs(model, batch_adv.images, batch))
        natural = info_nce(image, text, model.scale, batch.ids)
        return natural + self.beta * change, {"divergence": jnp.mean(change)}


def _log_probs(model: Model, images: Array, batch: Batch) -> Float[Array, "batch texts"]:
    texts = unit(model.encode_text(batch.first).embed)
    return jax.nn.log_softmax(model.scale * (model.encode_image(images).unit @ texts.T))


def _divergence(one: Array, other: Array) -> Float[Array, " batch"]:
    return jnp.sum(jnp.exp(one) * (one - other), axis=-1)
