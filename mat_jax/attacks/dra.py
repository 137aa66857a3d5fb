"""DRA (Gao et al. 2024): SGA, its gradients taken between the last two images and the clean one."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from mat_jax.attacks.embeddings import embed_images, unchanged
from mat_jax.attacks.optimizers.projected_gradient import example_keys, fold
from mat_jax.attacks.optimizers.projections import inside, project, uphill
from mat_jax.attacks.optimizers.views import NOISE, SCALES, scale_views
from mat_jax.attacks.sep import (
    attack_captions,
    attackable_words,
    plan_captions,
    with_captions,
)
from mat_jax.attacks.sga import step_size
from mat_jax.attacks.threat import Preset, ThreatModel, require_preset
from mat_jax.attacks.words.substitution import away
from mat_jax.types.arrays import Adversarial, Batch
from mat_jax.types.protocols import EncodesPairs

SAMPLES = 5  # points tried inside the triangle at each step
MIX = (0.6, 0.2, 0.2)  # clean, adversarial and last but one image, as guides of the captions

Draw = Callable[[Key[Array, ""]], Float[Array, "samples 3"]]
Towards = Callable[[Float[Array, "batch embed"]], Float[Array, "batch embed"]]


def dra_attack(
    model: EncodesPairs,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
    samples: int = SAMPLES,
    mix: Sequence[float] = MIX,
) -> Adversarial:
    """SGA with diversified gradients, and captions away from three images at once.

    1. t_i' minimises `cos(t_i', x)`, as in SGA.
    2. Each step from x' looks at `samples` points `p = a x' + b x + c y`, with y the image before
       x' and random a + b + c = 1; it keeps the p whose gradient of `sum_i -cos(p, t_i')` leads
       farthest when followed from x', and then follows SGA's gradient (all scales) at that p.
    3. t_i'' minimises `0.6 cos(t_i'', x) + 0.2 cos(t_i'', x') + 0.2 cos(t_i'', y)`, again from the
       clean caption, for the final x' and y.

    `official`: one draw of a, b, c serves the whole batch, and so does the choice among them, by
    the mean loss; the points tried are not held to the ball; the last image is returned. `strict`
    decides for each image, and keeps the one farthest from its captions. The default step size is
    `eps / 4`; the paper's tables are at 8/255, transfer is what they measure.

    Raises:
        ValueError: the batch carries no words to substitute.
    """
    return guided(
        model, batch, key, threat, preset, draw=lambda key: weights(key, samples), mix=mix
    )


def weights(
    key: Key[Array, ""], samples: int, *, ordered: bool = False
) -> Float[Array, "samples 3"]:
    """Weights of the current, the clean and the previous image, in whole percent.

    As in the released code: the first uniform in 1 .. 100, the second uniform in 1 .. what the
    first leaves, the rest to the third; all three again where the third gets nothing. A first of 99
    or 100 leaves too little, and becomes (98, 1, 1). `ordered`: current < previous < clean, or
    again (SA-AET).
    """
    triples = [(a, b, 100 - a - b) for a in range(1, 99) for b in range(1, 100 - a)]
    if ordered:
        triples = [one for one in triples if one[0] < one[2] < one[1]]
    table = np.array(triples, np.float32)
    odds = 1 / (100 - table[:, 0]) + 2.0 * (table[:, 0] == 98)
    logits = jnp.asarray(np.log(odds).astype(np.float32))
    return jnp.asarray(table / 100)[jax.random.categorical(key, logits, shape=(samples,))]


def guided(
    model: EncodesPairs,
    batch: Batch,
    key: Key[Array, ""],
    threat: ThreatModel,
    preset: Preset,
    *,
    draw: Draw,
    mix: Sequence[float],
    towards: Towards = lambda target: target,
    trials_stay: bool = False,
) -> Adversarial:
    """Captions, image, captions: what DRA and SA-AET share.

    Args:
        draw: weights of the points tried at a step.
        mix: how much the clean, the adversarial and the last but one image guide the captions.
        towards: what becomes of the sum of the captions' embeddings before images flee from it.
        trials_stay: the points tried are held to the ball in `official` too.
    """
    require_preset(preset)
    words = attackable_words(batch, threat, preset)
    prepared = plan_captions(model, batch, words, preset)

    def captions_against(embed: Array):
        reference = jnp.broadcast_to(embed[:, None], prepared.clean.shape)
        return attack_captions(model, batch, words, threat, prepared, away, reference)

    clean = embed_images(model, batch.images)
    before = captions_against(clean)
    target = towards(jnp.sum(before.unit * batch.present.astype(jnp.float32)[..., None], axis=1))
    path = along_trajectory(
        lambda images: away(embed_images(model, images), target),
        batch,
        key,
        threat,
        preset,
        draw=draw,
        trials_stay=trials_stay,
    )
    guides = (clean, embed_images(model, path.images), embed_images(model, path.previous))
    after = captions_against(jnp.einsum("g,gbe->be", jnp.asarray(mix), jnp.stack(guides)))
    result = unchanged(batch)._replace(images=path.images)
    tried = int(jax.eval_shape(draw, key).shape[0])
    rounds = threat.restarts * threat.steps
    views, judged = 1 + len(SCALES), int(preset == "strict")
    for name, count in (
        ("image_forwards", 3 + threat.restarts + rounds * (2 * tried + views + judged)),
        ("image_backwards", rounds * (tried + views)),
    ):
        result.stats[name] = jnp.full(batch.images.shape[0], count, jnp.int32)
    return with_captions(result, batch, words, prepared, after, before)


class Path(NamedTuple):
    """Where an ascent led: the images, and those one step before them."""

    images: Float[Array, "batch height width 3"]
    previous: Float[Array, "batch height width 3"]
    value: Float[Array, " batch"]


def along_trajectory(
    loss: Callable[[Array], Array],
    batch: Batch,
    key: Key[Array, ""],
    threat: ThreatModel,
    preset: Preset,
    *,
    draw: Draw,
    trials_stay: bool,
) -> Path:
    """Maximise `loss(images) -> [batch]`; each gradient is taken beside the point it is used at."""
    clean = batch.images.astype(jnp.float32)
    size = step_size(threat) if threat.step_size is None else threat.step_size
    official = preset == "official"

    def stepped(x: Array, slope: Array) -> Array:
        return project(x + size * uphill(slope, threat.norm), clean, threat.eps, threat.norm)

    def seen(x: Array, keys: Array) -> Array:
        views = scale_views(x, keys, scales=SCALES, noise=NOISE)
        return jnp.sum(jax.lax.map(loss, views))

    def step(carry: tuple[Path, Path], index: Array, keys: Array) -> tuple[tuple[Path, Path], None]:
        now, kept = carry
        keys = fold(keys, index + 1)
        drawn = jax.vmap(draw)(fold(keys, jnp.zeros_like(index)))
        if official:
            drawn = jnp.broadcast_to(draw(jax.random.fold_in(key, index))[None], drawn.shape)
        # There is no image before the first.
        drawn = jnp.where(index > 0, drawn, jnp.eye(3)[:1][None])

        def between(shares: Float[Array, "batch 3"]) -> Array:
            points = jnp.stack([now.images, clean, now.previous], axis=1)
            return jnp.einsum("bi,bihwc->bhwc", shares, points)

        def trial(shares: Array) -> Array:
            slope = jax.grad(lambda x: jnp.sum(loss(x)))(between(shares))
            if official and not trials_stay and threat.norm == "linf":
                return loss(now.images + size * jnp.sign(slope))
            return loss(stepped(now.images, slope))

        values = jax.lax.map(trial, drawn.swapaxes(0, 1))
        if official:
            values = jnp.broadcast_to(jnp.mean(values, axis=1, keepdims=True), values.shape)
        best = jnp.argmax(values, axis=0)
        slope = jax.grad(seen)(between(drawn[jnp.arange(drawn.shape[0]), best]), keys)
        moved = stepped(now.images, slope)
        if official:
            now = kept = Path(moved, now.images, now.value)
        else:
            now = Path(moved, now.images, loss(moved))
            kept = _farther(kept, now)
        return (now, kept), None

    def attempt(kept: Path, index: Array) -> tuple[Path, None]:
        keys = fold(example_keys(key, batch.ids), index)
        start = inside(clean, fold(keys, jnp.zeros_like(index)), threat.eps, threat.norm)
        first = Path(start, start, nowhere.value if official else loss(start))
        (_, found), _ = jax.lax.scan(
            lambda carry, index: step(carry, index, keys), (first, first), jnp.arange(threat.steps)
        )
        found = found._replace(value=loss(found.images)) if official else found
        return _farther(kept, found), None

    nowhere = Path(clean, clean, jnp.full(clean.shape[:1], -jnp.inf))
    return jax.lax.scan(attempt, nowhere, jnp.arange(threat.restarts))[0]


def _farther(one: Path, other: Path) -> Path:
    # A value that is not a number never wins.
    wins = other.value > one.value
    image = wins[:, None, None, None]
    return Path(
        jnp.where(image, other.images, one.images),
        jnp.where(image, other.previous, one.previous),
        jnp.where(wins, other.value, one.value),
    )
