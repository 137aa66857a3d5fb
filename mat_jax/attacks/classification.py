"""Attacks on classification: the members of AutoAttack, and PGD on the cross-entropy.

All move pictures within `threat.eps`, read `batch.labels` and leave texts alone. Each keeps, per
image, the visited point of largest `objectives.margin`: above 0 the image is misclassified. With z
the logits and y the label, the margin is `max_{c != y} z_c - z_y`.

`threat.steps` are the gradient steps of one start of APGD and FAB; Square makes 50 proposals for
each (`threat.proposals`). With 100 steps and 1 restart each attack has the budget that it has in
AutoAttack (Croce & Hein, ICML 2020, arXiv:2003.01690). The presets differ for two of them: PGD
returns its last point under `official`, and Square places its squares as AutoAttack does.

AutoAttack returns the clean image where it fails, and these attacks their best attempt. Which
images are misclassified is the same.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from mat_jax.attacks.embeddings import unchanged
from mat_jax.attacks.objectives import cross_entropy, dlr, is_class, margin, runners_up
from mat_jax.attacks.optimizers.auto_pgd import apgd, apgd_targeted
from mat_jax.attacks.optimizers.boundary import fab
from mat_jax.attacks.optimizers.projected_gradient import (
    best_attempt,
    better,
    example_keys,
    fold,
    pgd,
)
from mat_jax.attacks.optimizers.projections import per_image
from mat_jax.attacks.optimizers.square_search import square
from mat_jax.attacks.optimizers.square_search_l2 import square_l2
from mat_jax.attacks.passes import with_passes
from mat_jax.attacks.threat import Preset, ThreatModel, proposals, require_preset, step_size
from mat_jax.types.arrays import Adversarial, Batch
from mat_jax.types.protocols import Classifies

TARGETS = 9  # of AutoAttack's targeted members

LogitLoss = Callable[[Array, Bool[Array, "batch classes"]], Float[Array, " batch"]]
# The fewest classes that a loss is defined for, and the attack to take with fewer.
LEAST = {"DLR": (3, "apgd_ce"), "targeted DLR": (4, "apgd_ce or fab_targeted")}


def pgd_ce_attack(
    model: Classifies,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
) -> Adversarial:
    """Maximise the cross-entropy `-log softmax(z)_y` by PGD (Madry et al. 2018, section 2.1).

    The start is uniform in the ball, and a step is `2.5 eps / steps` unless the threat says.
    `strict` keeps the visited point of largest margin, `official` the last.

    Raises:
        ValueError: a batch without labels.
    """
    require_preset(preset)
    positive = _positive(model, batch)
    strict = preset == "strict"

    def climb(images: Array, keys: Array) -> tuple[Array, Array]:
        logits = model.class_logits(images)
        return cross_entropy(logits, positive), margin(logits, positive)

    images = pgd(
        lambda images: margin(model.class_logits(images), positive),
        batch.images,
        example_keys(key, batch.ids),
        eps=threat.eps,
        step_size=step_size(threat) if threat.step_size is None else threat.step_size,
        steps=threat.steps,
        norm=threat.norm,
        restarts=threat.restarts,
        best=strict,
        climb_fn=climb,
    )
    judged = threat.restarts * int(strict or threat.restarts > 1)
    taken = threat.restarts * threat.steps
    return _found(batch, images, taken + judged, taken)


def apgd_ce_attack(
    model: Classifies,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
) -> Adversarial:
    """APGD-CE: maximise the cross-entropy `-log softmax(z)_y`. Both presets are the same.

    Raises:
        ValueError: a batch without labels.
    """
    require_preset(preset)
    return _by_apgd(cross_entropy, model, batch, key, threat)


def apgd_dlr_attack(
    model: Classifies,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
) -> Adversarial:
    """APGD-DLR: maximise `objectives.dlr`, which the scale of the logits does not change.

    Both presets are the same.

    Raises:
        ValueError: a batch without labels, or fewer than 3 classes.
    """
    require_preset(preset)
    return _by_apgd(dlr, model, batch, key, threat, needs="DLR")


def apgd_targeted_attack(
    model: Classifies,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
    rank: Int[Array, ""] | None = None,
) -> Adversarial:
    """APGD-T: maximise `objectives.dlr_targeted` towards each of the 9 likeliest wrong classes.

    Of fewer classes all wrong ones. Both presets are the same.

    Args:
        rank: one target alone, 0 being the likeliest wrong class on the clean image. The targets
            one by one are the attack, but images that have fallen may be left out in between.

    Raises:
        ValueError: a batch without labels, or fewer than 4 classes.
    """
    require_preset(preset)
    positive = _positive(model, batch, needs="targeted DLR")
    targets = _targets(positive) if rank is None else 1
    images = apgd_targeted(
        model.class_logits,
        batch.images,
        positive,
        example_keys(key, batch.ids),
        eps=threat.eps,
        targets=targets,
        first=0 if rank is None else rank,
        steps=threat.steps,
        norm=threat.norm,
        restarts=threat.restarts,
    )
    runs = targets * threat.restarts
    return _found(batch, images, 1 + targets + runs * (threat.steps + 1), runs * threat.steps)


def fab_targeted_attack(
    model: Classifies,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
    rank: Int[Array, ""] | None = None,
) -> Adversarial:
    """FAB-T: minimise the distance to a misclassified image, towards 9 wrong classes in turn.

    See `boundary.fab`. The targets are those of `apgd_targeted_attack`. The first start of each is
    the image, further restarts are at random. An image whose nearest misclassified point lies
    outside the ball stays clean. Both presets are the same.

    Args:
        rank: one target alone, as in `apgd_targeted_attack`.

    Raises:
        ValueError: a batch without labels.
    """
    require_preset(preset)
    positive = _positive(model, batch)
    clean = batch.images.astype(jnp.float32)
    keys = example_keys(key, batch.ids)
    goals = runners_up(model.class_logits(clean), positive, positive.shape[-1])
    targets = _targets(positive) if rank is None else 1
    first = 0 if rank is None else rank

    def run(number: Array, restart: Array, random_start: bool) -> tuple[Array, Array]:
        found, distance = fab(
            model.class_logits,
            clean,
            jnp.argmax(positive, axis=-1),
            fold(fold(keys, number), restart),
            eps=threat.eps,
            targets=goals[number],
            steps=threat.steps,
            norm=threat.norm,
            random_start=random_start,
        )
        return found, jnp.where(distance <= threat.eps, -distance, -jnp.inf)

    def attempt(index: Array) -> tuple[Array, Array]:
        number = first + index
        best = run(number, jnp.int32(0), False)

        def again(best: tuple[Array, Array], restart: Array):
            return better(*best, *run(number, restart, True)), None

        return jax.lax.scan(again, best, jnp.arange(1, threat.restarts))[0]

    def within(index: Array) -> tuple[Array, Array]:
        found, nearness = attempt(index)
        return jnp.where(per_image(jnp.isfinite(nearness)), found, clean), nearness

    images = best_attempt(within, clean, targets)
    runs = targets * threat.restarts
    return _found(batch, images, 1 + runs * (2 * threat.steps + 1), runs * threat.steps)


def square_margin_attack(
    model: Classifies,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
) -> Adversarial:
    """Square: maximise the margin from scores alone (arXiv:1912.00049), with `proposals(threat)`.

    `strict` shrinks the squares over that budget. `official` shrinks them at the proposals where
    AutoAttack's shrink among its 5,000, and keeps them off the last row and column as AutoAttack
    does, which is weaker. The first cover 0.8 of the image in both norms, as in AutoAttack.

    Raises:
        ValueError: a batch without labels.
    """
    require_preset(preset)
    positive = _positive(model, batch)
    search = square if threat.norm == "linf" else partial(square_l2, p=0.8)
    images = search(
        lambda images: margin(model.class_logits(images), positive),
        batch.images,
        example_keys(key, batch.ids),
        eps=threat.eps,
        steps=proposals(threat),
        rescale=preset == "strict",
        to_edge=preset == "strict",
        restarts=threat.restarts,
    )
    return _found(batch, images, threat.restarts * (proposals(threat) + 1), 0)


def require_labels(batch: Batch) -> Int[Array, " batch"]:
    """The labels of a batch, or one clear sentence where it has none."""
    if batch.labels is None:
        raise ValueError(
            "the batch has no labels, expected the class of each image: take a source with "
            "label(i), or an attack on image-text pairs such as apgd"
        )
    return jnp.asarray(batch.labels)


def require_classes(classes: int, needs: str) -> None:
    """One clear sentence where a model has too few classes for a loss (a name in `LEAST`)."""
    least, other = LEAST[needs]
    if classes < least:
        raise ValueError(
            f"the {needs} loss needs {least} classes or more, the model has {classes}: climb the "
            f"cross-entropy instead ({other})"
        )


def _by_apgd(
    loss_fn: LogitLoss,
    model: Classifies,
    batch: Batch,
    key: Array,
    threat: ThreatModel,
    needs: str | None = None,
) -> Adversarial:
    positive = _positive(model, batch, needs)

    def climb(images: Array, keys: Array) -> tuple[Array, Array]:
        logits = model.class_logits(images)
        return loss_fn(logits, positive), margin(logits, positive)

    images = apgd(
        lambda images: margin(model.class_logits(images), positive),
        batch.images,
        example_keys(key, batch.ids),
        eps=threat.eps,
        steps=threat.steps,
        norm=threat.norm,
        restarts=threat.restarts,
        climb_fn=climb,
    )
    runs = threat.restarts
    return _found(batch, images, runs * (threat.steps + 1), runs * threat.steps)


def _positive(
    model: Classifies, batch: Batch, needs: str | None = None
) -> Bool[Array, "batch classes"]:
    """The one right class of each image; refused where a loss needs more classes."""
    labels = require_labels(batch)
    classes = jax.eval_shape(model.class_logits, batch.images).shape[-1]
    if needs:
        require_classes(classes, needs)
    return is_class(labels, classes)


def _targets(positive: Bool[Array, "batch classes"]) -> int:
    return min(TARGETS, positive.shape[-1] - 1)


def _found(batch: Batch, images: Array, forwards: int, backwards: int) -> Adversarial:
    return with_passes(unchanged(batch)._replace(images=images), forwards, backwards)
