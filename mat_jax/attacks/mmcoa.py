"""MMCoA's attacks on zero-shot classification (Zhou et al. 2024): the class prompts, and both.

A batch of classification has one row of captions for all its images, the class prompts:
`tokens` and `words` are [1, classes, ...], `present` is [1, classes], `images` [batch, ...]. Words
come from `data.build_words(prompts, ...)`, taken at `np.arange(classes)[None]`.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from mat_jax.attacks.coattack import ALPHA
from mat_jax.attacks.embeddings import embed_images, embed_texts, unchanged
from mat_jax.attacks.image_ascent import attack_images
from mat_jax.attacks.passes import with_image_counts
from mat_jax.attacks.sep import attackable_words, changed_captions, with_captions
from mat_jax.attacks.threat import Preset, ThreatModel, require_preset
from mat_jax.attacks.threat import step_size as pgd_step_size
from mat_jax.attacks.words.substitution import kl
from mat_jax.types.arrays import Adversarial, Batch
from mat_jax.types.protocols import Model


def step_size(threat: ThreatModel, preset: Preset = "strict") -> float:
    """`official`: `eps` (released settings: 1/255 for 1/255); `strict`: as for PGD."""
    return threat.eps if preset == "official" else pgd_step_size(threat, preset)


def mmcoa_text_attack(
    model: Model,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
) -> Adversarial:
    """BERT-Attack on every class prompt, once for all images ("text" of the paper).

    `KL(softmax(t) || softmax(t'))` is maximised for each prompt by itself; of "this is a photo of
    a cat" the words "photo" and "cat" may change. Prompts are compared where they classify, on the
    unit sphere, whatever the model and the preset.

    Raises:
        ValueError: the batch is none of classification, or carries no words to substitute.
    """
    _require_prompts(batch)
    require_preset(preset)
    words = attackable_words(batch, threat, preset)
    prepared, found = changed_captions(model, batch, words, threat, preset, projected=True)
    return with_captions(unchanged(batch), batch, words, prepared, found)


def mmcoa_attack(
    model: Model,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
) -> Adversarial:
    """Images and class prompts, each by its own objective ("multimodal" of the paper).

    `mmcoa_text_attack` on the prompts, and PGD on the image, which maximises the cross-entropy
    `-log softmax_c(s cos(e', t_c))` at the true class. `official`: t_c are the clean prompts,
    although the prediction is made with the attacked ones; steps of `eps`. `strict`: the attacked
    ones.

    Raises:
        ValueError: the batch is none of classification, or carries no words to substitute.
    """
    labels = _labels(batch)
    result = mmcoa_text_attack(model, batch, key, threat=threat, preset=preset)
    official = preset == "official"
    prompts = embed_texts(model, batch.tokens if official else result.tokens)[0]

    def loss(images: Array) -> Array:
        return cross_entropy(embed_images(model, images), prompts, labels, model.scale)

    return _with_images(loss, result, batch, key, threat, preset)


def mmcoa_joint_attack(
    model: Model,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
    alpha: float = ALPHA,
) -> Adversarial:
    """Co-Attack on classification (mode 4 of the released code, which cannot run it).

    `mmcoa_text` on the prompts, then PGD on the image, which maximises
    `KL(softmax(e) || softmax(e')) + alpha KL(softmax(t_y') || softmax(e'))` with t_y' the attacked
    prompt of the image's own class.

    Args:
        alpha: weight of the prompt.

    Raises:
        ValueError: the batch is none of classification, or carries no words to substitute.
    """
    labels = _labels(batch)
    result = mmcoa_text_attack(model, batch, key, threat=threat, preset=preset)
    clean = embed_images(model, batch.images)
    own = embed_texts(model, result.tokens)[0][labels]

    def loss(images: Array) -> Array:
        embed = embed_images(model, images)
        return kl(clean, embed) + alpha * kl(own, embed)

    return _with_images(loss, result, batch, key, threat, preset)


def cross_entropy(
    units: Float[Array, "batch embed"],
    prompts: Float[Array, "classes embed"],
    labels: Int[Array, " batch"],
    scale: Float[Array, ""],
) -> Float[Array, " batch"]:
    """`-log softmax_c(scale cos(e, t_c))` at the label."""
    logits = jax.nn.log_softmax(scale.astype(jnp.float32) * (units @ prompts.T))
    return -jnp.take_along_axis(logits, labels[:, None], axis=1)[:, 0]


def _with_images(
    loss, result: Adversarial, batch: Batch, key: Array, threat: ThreatModel, preset: Preset
) -> Adversarial:
    images = attack_images(loss, batch, key, threat, preset, default=step_size, one_sided=False)
    return with_image_counts(result._replace(images=images), threat, preset)


def _labels(batch: Batch) -> Int[Array, " batch"]:
    if batch.labels is None:
        raise ValueError("the batch has no labels: this attack is on classified images")
    return batch.labels


def _require_prompts(batch: Batch) -> None:
    rows = batch.tokens.ids.shape[0]
    if rows != 1:
        raise ValueError(
            f"the batch has {rows} rows of captions, expected one row of class prompts for all "
            "images: tokens and words of shape [1, classes, ...]"
        )
