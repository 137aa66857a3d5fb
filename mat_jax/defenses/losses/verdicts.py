"""What a model of entailment minimises: its surprise at the right verdict."""

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from mat_jax.types.arrays import Batch, ImageFeatures, TextFeatures
from mat_jax.types.protocols import JudgesPairs


def verdict_losses(
    model: JudgesPairs, image: ImageFeatures, text: TextFeatures, batch: Batch
) -> Float[Array, " batch"]:
    r"""$-\log p_y(x, t)$ of each image and its sentence, in nats (Li et al. 2021, section 4).

    Args:
        model: reads the pairs.
        image, text: features of the pairs [batch].
        batch: whose `labels` are the right verdicts.

    Raises:
        ValueError: a batch without labels.
    """
    if batch.labels is None:
        raise ValueError(
            "a model of entailment learns from verdicts, and the data has none: give "
            "data.entailment_json(...) or data.Verdicts(...)"
        )
    logits = model.classify(model.fuse(image, text)).astype(jnp.float32)
    return optax.softmax_cross_entropy_with_integer_labels(logits, batch.labels)
