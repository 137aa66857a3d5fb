"""VLP-attack (Wang et al. 2025): away from what is like the pair, towards another pair."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from mat_jax.attacks.embeddings import embed_images, embed_texts, unchanged
from mat_jax.attacks.optimizers.early_stopping import Gallery
from mat_jax.attacks.optimizers.projected_gradient import example_keys, fold
from mat_jax.attacks.optimizers.projections import inside, project, uphill
from mat_jax.attacks.optimizers.views import scale_views
from mat_jax.attacks.sep import (
    attack_captions,
    attackable_words,
    plan_captions,
    with_captions,
)
from mat_jax.attacks.threat import Preset, ThreatModel, require_preset
from mat_jax.types.arrays import Adversarial, Batch
from mat_jax.types.protocols import EncodesPairs

TEMPERATURE = 0.25
COPIES = 7  # randomly resized copies whose gradients are averaged
SMALLEST = 0.9  # of their sides
OFTEN = 0.5  # how often a copy is resized at all
DECAY = 1.0  # of the momentum
PAIR = 2**20  # folded into an image's key for its negative: no start has so high a number


def step_size(threat: ThreatModel, preset: Preset = "strict") -> float:
    """`eps / 10` in both presets (released code: 1.6/255 for 16/255)."""
    return threat.eps / 10


def vlp_attack(
    model: EncodesPairs,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
    copies: int = COPIES,
    gallery: Gallery | None = None,
) -> Adversarial:
    """Maximise InfoNCE losses of the pair, with another pair of the gallery as the negative.

    `nce(a, P, n) = log(1 + exp(cos(a, n) / T) / sum_p exp(cos(a, p) / T))`

    1. Captions: t' maximises `nce(t', views of x, other image)`, at most `threat.words` words.
    2. Image: x' maximises `nce(x', views of x, other image) + nce(x', t and t', other caption)`,
       with momentum and the mean gradient of `copies` randomly resized and padded copies.
    3. Captions once more, from the clean ones, with x' among the views.

    From the paper's idea and settings; the released program does not run. Two things are ours:
    the paper lets words drift over a whole vocabulary and holds them by penalties, here they keep
    to the threat's budget and candidates; and for its translated captions and turned images there
    stand the other captions of the image and its resized views. The other pair, a clean image with
    its first caption, is drawn for each image by its key, so that the batch does not matter.

    `official`: start on one side of the image, last point. `strict`: both sides, best point.

    Args:
        copies: resized copies whose gradients are averaged.
        gallery: what the negative is drawn from. None takes the pair before it in the batch, on
            which the result then depends. One image alone has no negative.

    Raises:
        ValueError: the batch carries no words to substitute.
    """
    require_preset(preset)
    official = preset == "official"
    words = attackable_words(batch, threat, preset)
    prepared = plan_captions(model, batch, words, preset)
    clean = batch.images.astype(jnp.float32)
    keys = example_keys(key, batch.ids)
    views = jax.lax.map(lambda one: embed_images(model, one), scale_views(clean, keys))
    views = views.swapaxes(0, 1)
    texts = embed_texts(model, batch.tokens)
    if gallery is None:
        alone = jnp.full(clean.shape[:1], clean.shape[0] == 1)
        other_image = jnp.roll(views[:, 0], 1, axis=0)
        other_text = jnp.roll(texts[:, 0], 1, axis=0)
    else:
        other_image, other_text, alone = drawn_pairs(gallery, batch.ids, keys)
    everything = jnp.ones(views.shape[:2], bool)

    def captions_against(near: Array):
        pack = jnp.concatenate([near, other_image[:, None]], axis=1)
        reference = jnp.broadcast_to(
            pack.reshape(len(pack), 1, -1), (*batch.present.shape, pack[0].size)
        )
        one = jnp.all(alone)  # of one gallery: all images or none

        def objective(reference: Array, units: Array) -> Array:
            pack = reference.reshape(*reference.shape[:-1], -1, units.shape[-1])
            near, far = pack[..., :-1, :], pack[..., -1, :]
            return nce(units, near, jnp.ones(near.shape[:-1], bool), far, one)

        return attack_captions(model, batch, words, threat, prepared, objective, reference)

    before = captions_against(views)
    around = jnp.concatenate([texts, before.unit], axis=1)
    there = jnp.concatenate([batch.present, batch.present], axis=1)

    def loss(images: Array) -> Array:
        embed = embed_images(model, images)
        return nce(embed, views, everything, other_image, alone) + nce(
            embed, around, there, other_text, alone
        )

    size = step_size(threat) if threat.step_size is None else threat.step_size

    def step(carry, index: Array, keys: Array):
        x, velocity, kept, value = carry
        keys = fold(keys, index + 1)

        def slope(copy: Array) -> Array:
            return jax.grad(lambda x: jnp.sum(loss(resized(x, fold(keys, copy)))))(x)

        mean = jnp.mean(jax.lax.map(slope, jnp.arange(copies)), axis=0)
        length = jnp.mean(jnp.abs(mean), axis=(1, 2, 3), keepdims=True)
        velocity = DECAY * velocity + mean / jnp.where(length > 0, length, 1.0)
        x = project(x + size * uphill(velocity, threat.norm), clean, threat.eps, threat.norm)
        return (x, velocity, *_better(kept, value, x, loss, official)), None

    def attempt(carry, index: Array):
        once = fold(keys, index)
        first = fold(once, jnp.zeros_like(index))
        start = inside(clean, first, threat.eps, threat.norm, one_sided=official)
        begin = (start, jnp.zeros_like(clean), *_better(start, -jnp.inf, start, loss, official))
        (x, _, kept, value), _ = jax.lax.scan(
            lambda carry, index: step(carry, index, once), begin, jnp.arange(threat.steps)
        )
        if official:
            kept, value = x, loss(x)
        wins = value > carry[1]
        image = wins[:, None, None, None]
        return (jnp.where(image, kept, carry[0]), jnp.where(wins, value, carry[1])), None

    worst = (clean, jnp.full(clean.shape[:1], -jnp.inf))
    (images, _), _ = jax.lax.scan(attempt, worst, jnp.arange(threat.restarts))
    images = jnp.clip(images, 0.0, 1.0)
    after = captions_against(
        jnp.concatenate([views[:, 1:], embed_images(model, images)[:, None]], axis=1)
    )
    result = unchanged(batch)._replace(images=images)
    rounds = threat.restarts * threat.steps
    forwards = views.shape[1] + 1 + threat.restarts + rounds * (copies + int(not official))
    for name, count in (("image_forwards", forwards), ("image_backwards", rounds * copies)):
        result.stats[name] = jnp.full(len(clean), count, jnp.int32)
    return with_captions(result, batch, words, prepared, after, before)


def drawn_pairs(
    gallery: Gallery, ids: Int[Array, " batch"], keys: Key[Array, " batch"]
) -> tuple[Float[Array, "batch embed"], Float[Array, "batch embed"], Bool[Array, " batch"]]:
    """For each image another one of the gallery, each as likely, and that one's first caption.

    Returns:
        Their clean embeddings, and whether there is no other image.
    """
    gallery = Gallery(*map(jnp.asarray, gallery))
    others = gallery.image_ids[None, :] != ids[:, None]
    odds = jnp.where(others, 0.0, -jnp.inf)
    own = jax.vmap(lambda key: jax.random.fold_in(key, PAIR))(keys)
    row = jax.vmap(jax.random.categorical)(own, odds)
    text = jnp.argmax(gallery.text_ids[None, :] == gallery.image_ids[row][:, None], axis=1)
    return gallery.images[row], gallery.texts[text], ~jnp.any(others, axis=1)


def nce(
    anchor: Float[Array, "*lead embed"],
    positives: Float[Array, "*lead positives embed"],
    there: Bool[Array, "*lead positives"],
    negative: Float[Array, "*lead embed"],
    alone: Bool[Array, "*lead"] | Bool[Array, ""],
    temperature: float = TEMPERATURE,
) -> Float[Array, "*lead"]:
    """InfoNCE of unit vectors with several positives and one negative, none where `alone`.

    Without a negative the ratio is 1; what is left to maximise is its numerator, falling.
    """
    near = jnp.einsum("...e,...pe->...p", anchor, positives) / temperature
    near = jax.nn.logsumexp(jnp.where(there, near, -jnp.inf), axis=-1)
    far = jnp.sum(anchor * negative, axis=-1) / temperature
    return jnp.where(alone, -near, jnp.logaddexp(near, far) - near)


def resized(
    images: Float[Array, "batch height width 3"], keys: Key[Array, " batch"]
) -> Float[Array, "batch height width 3"]:
    """Each image, half of the time, at 90 to 100 % of its size somewhere on a black canvas.

    Input diversity (Xie et al. 2019); linear interpolation.
    """
    height, width = images.shape[1:3]

    def one(image: Array, key: Array) -> Array:
        often, scale, down, right = jax.random.uniform(key, (4,))
        scale = SMALLEST + (1 - SMALLEST) * scale
        room = jnp.array([height, width], jnp.float32) * (1 - scale)
        moved = jax.image.scale_and_translate(
            image,
            image.shape,
            (0, 1),
            jnp.broadcast_to(scale, (2,)),
            jnp.floor(room * jnp.stack([down, right])),
            "linear",
            antialias=False,
        )
        return jnp.where(often < OFTEN, moved, image)

    return jax.vmap(one)(images, keys)


def _better(kept: Array, value, x: Array, loss, official: bool) -> tuple[Array, Array]:
    """The better of two points; `official` looks at the last one only."""
    if official:
        return kept, jnp.full(len(x), -jnp.inf)
    new = loss(x)
    wins = new > value
    return jnp.where(wins[:, None, None, None], x, kept), jnp.where(wins, new, value)
