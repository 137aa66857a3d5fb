"""AutoAttack's attacks on models that answer at random: APGD on the mean of several draws.

As the attacks of `classification`, with the loss and the margin averaged over forward passes that
each draw anew (AutoAttack's version "rand"; Athalye et al. 2018, arXiv:1802.00420, section 4.2.2).
"""

import jax
from jaxtyping import Array, Key

from mat_jax.attacks.classification import LogitLoss, require_classes, require_labels
from mat_jax.attacks.embeddings import unchanged
from mat_jax.attacks.expectation import DRAWS, averaged
from mat_jax.attacks.objectives import cross_entropy, dlr, is_class, margin
from mat_jax.attacks.optimizers.auto_pgd import apgd
from mat_jax.attacks.optimizers.projected_gradient import example_keys, fold
from mat_jax.attacks.passes import with_passes
from mat_jax.attacks.threat import Preset, ThreatModel, require_preset
from mat_jax.types.arrays import Adversarial, Batch
from mat_jax.types.protocols import ClassifiesAtRandom


def apgd_ce_rand_attack(
    model: ClassifiesAtRandom,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
    draws: int = DRAWS,
) -> Adversarial:
    """APGD-CE on a random model: maximise the mean cross-entropy over `draws` forward passes.

    The visited point of largest mean margin is kept. Both presets are the same.

    Raises:
        ValueError: a batch without labels.
    """
    require_preset(preset)
    return _by_rand(cross_entropy, model, batch, key, threat, draws)


def apgd_dlr_rand_attack(
    model: ClassifiesAtRandom,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
    draws: int = DRAWS,
) -> Adversarial:
    """APGD-DLR on a random model: maximise the mean `objectives.dlr` over `draws` passes.

    The visited point of largest mean margin is kept. Both presets are the same.

    Raises:
        ValueError: a batch without labels, or fewer than 3 classes.
    """
    require_preset(preset)
    return _by_rand(dlr, model, batch, key, threat, draws, needs="DLR")


def _by_rand(
    loss_fn: LogitLoss,
    model: ClassifiesAtRandom,
    batch: Batch,
    key: Array,
    threat: ThreatModel,
    draws: int,
    needs: str | None = None,
) -> Adversarial:
    labels, keys = require_labels(batch), example_keys(key, batch.ids)
    shapes = jax.eval_shape(model.drawn_class_logits, batch.images, keys)
    if needs:
        require_classes(shapes.shape[-1], needs)
    positive = is_class(labels, shapes.shape[-1])

    def of_draw(images: Array, keys: Array) -> tuple[Array, Array]:
        logits = model.drawn_class_logits(images, keys)
        return loss_fn(logits, positive), margin(logits, positive)

    mean = averaged(of_draw, draws=draws)
    # The last point of a start is judged by draws of its own.
    last = fold(keys, threat.restarts * threat.steps)
    images = apgd(
        lambda images: mean(images, last)[1],
        batch.images,
        keys,
        eps=threat.eps,
        steps=threat.steps,
        norm=threat.norm,
        restarts=threat.restarts,
        climb_fn=mean,
    )
    # A draw's forward pass is made again for its gradient.
    runs = threat.restarts * draws
    result = unchanged(batch)._replace(images=images)
    return with_passes(result, runs * (2 * threat.steps + 1), runs * threat.steps)
