"""Attacks on classification: exact verdicts of linear models, the threat model, refusals."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mat_jax import attacks
from mat_jax.attacks import ThreatModel
from mat_jax.attacks.objectives import is_class, margin
from mat_jax.evaluate.tasks.retrieval import Retrieval
from mat_jax.evaluate.tasks.zero_shot import ZeroShot
from mat_jax.types.arrays import Batch, Tokens
from tests.attacks.toy import Toy, toy_batch
from tests.tools.narrow import host

NAMES = [name for name, of in attacks.ATTACKS.items() if of.classifies]
SIZE, CLASSES, BATCH = 48, 5, 24


class Linear(nnx.Module):
    """`z = W (x - 1/2)`, of which the exact robustness is known."""

    def __init__(self, classes=CLASSES):
        draw = np.random.RandomState(classes)
        self.matrix = nnx.Param(jnp.asarray(draw.randn(SIZE, classes), jnp.float32))

    def class_logits(self, images):
        return (images.reshape(len(images), -1) - 0.5) @ self.matrix[...]

    def drawn_class_logits(self, images, keys):
        """One number more for all logits of an image, which decides nothing."""
        return self.class_logits(images) + jax.vmap(jax.random.normal)(keys)[:, None]


def linear_batch(classes=CLASSES) -> Batch:
    """Pixels so far inside the box that it holds every ball; all are classified rightly."""
    images = np.random.RandomState(0).uniform(0.4, 0.6, (BATCH, 4, 4, 3)).astype(np.float32)
    labels = np.argmax(np.asarray(Linear(classes).class_logits(jnp.asarray(images))), axis=1)
    ids = np.zeros((BATCH, 1, 1), np.int32)
    return Batch(
        ids=host(np.arange(BATCH, dtype=np.int32)),
        images=host(images),
        tokens=Tokens(host(ids), host(ids == 0)),
        present=host(np.ones((BATCH, 1), bool)),
        labels=host(labels.astype(np.int32)),
    )


@functools.cache
def run(name, threat, preset="strict", classes=CLASSES, rank=None):
    of, model, batch = attacks.ATTACKS[name].function, Linear(classes), linear_batch(classes)
    more = {} if rank is None else {"rank": jnp.int32(rank)}
    attack = functools.partial(of, threat=threat, preset=preset, **more)
    return jax.jit(lambda batch, key: attack(model, batch, key))(batch, jax.random.key(1))


def margins(images):
    positive = is_class(jnp.asarray(linear_batch().labels), CLASSES)
    return np.asarray(margin(Linear().class_logits(jnp.asarray(images)), positive))


def reach(norm):
    """Of each image the smallest eps at which it can be misclassified."""
    batch, matrix = linear_batch(), np.asarray(Linear().matrix[...])
    z = np.asarray(Linear().class_logits(jnp.asarray(batch.images)))
    apart = matrix.T[None] - matrix.T[batch.labels][:, None]
    dual = np.abs(apart).sum(-1) if norm == "linf" else np.linalg.norm(apart, axis=-1)
    lead = z[np.arange(BATCH), batch.labels][:, None] - z
    return np.min(np.where(dual > 0, lead / np.where(dual > 0, dual, 1), np.inf), axis=1)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("name", NAMES)
def test_what_falls_of_a_linear_model_is_what_can(name, norm):
    """The margin to class t can be moved by `eps |w_t - w_y|` in the dual norm, and no further."""
    least = reach(norm)
    of = attacks.ATTACKS[name]
    eps = float(np.median(least)) * (2 if of.searches else 1)
    steps = 12 if of.searches else 30
    threat = ThreatModel(eps=eps, norm=norm, steps=steps)
    adv = run(name, threat)
    delta = (np.asarray(adv.images) - linear_batch().images).reshape(BATCH, -1)
    size = np.abs(delta).max(1) if norm == "linf" else np.linalg.norm(delta, axis=1)
    assert size.max() <= eps * (1 + 1e-5)
    fallen = margins(adv.images) > 0
    assert not fallen[least > eps * 1.001].any()
    # Search by scores comes less near, the more pixels there are.
    near = least < eps * (0.5 if of.searches else 0.97)
    # Cross-entropy climbs towards the likeliest class, which need not be the nearest one.
    assert near.any() and fallen[near].mean() >= (0.8 if "_ce" in name else 1)


@pytest.mark.parametrize("preset", ["strict", "official"])
@pytest.mark.parametrize("name", NAMES)
def test_ball_box_texts_and_counts(name, preset):
    for norm, eps in (("linf", 0.2), ("l2", 2.0)):
        threat = ThreatModel(eps=eps, norm=norm, steps=2, restarts=2)
        batch = toy_batch()._replace(labels=host(np.arange(4, dtype=np.int32)))
        call = attacks.compile_attack(
            attacks.ATTACKS[name].function, Toy(), threat=threat, preset=preset
        )
        adv = call(batch, jax.random.key(0))
        images = np.asarray(adv.images)
        assert images.dtype == np.float32 and images.min() >= 0 and images.max() <= 1
        delta = (images - batch.images).reshape(4, -1)
        size = np.abs(delta).max(1) if norm == "linf" else np.linalg.norm(delta, axis=1)
        assert size.max() <= eps * (1 + 1e-5)
        np.testing.assert_array_equal(adv.tokens.ids, batch.tokens.ids)
        for count in ("image_forwards", "image_backwards"):
            assert adv.stats[count].shape == (4,) and adv.stats[count].dtype == jnp.int32


@pytest.mark.parametrize("name", ["apgd_targeted", "fab_targeted"])
def test_the_targets_one_by_one_are_the_attack(name):
    threat = ThreatModel(eps=float(np.median(reach("linf"))), steps=10)
    whole = margins(run(name, threat).images) > 0
    each = [margins(run(name, threat, rank=rank).images) > 0 for rank in range(CLASSES - 1)]
    np.testing.assert_array_equal(whole, np.any(each, axis=0))
    # They differ, and each counts its own passes.
    assert len({tuple(one) for one in each}) > 1
    alone = run(name, threat, rank=0).stats["image_backwards"][0]
    assert run(name, threat).stats["image_backwards"][0] == (CLASSES - 1) * alone


def test_both_presets_of_pgd():
    """`official` is the last point; of a linear model with one wrong class it is the best too."""
    threat = ThreatModel(eps=0.05, steps=8)
    official, strict = (run("pgd_ce", threat, preset) for preset in ("official", "strict"))
    assert (margins(strict.images) >= margins(official.images) - 1e-6).all()
    assert strict.stats["image_forwards"][0] == 9 and official.stats["image_forwards"][0] == 8


@pytest.mark.parametrize(
    "name, classes, sentence",
    [
        ("apgd_dlr", 2, "the DLR loss needs 3 classes or more, the model has 2.*apgd_ce"),
        ("apgd_dlr_rand", 2, "the DLR loss needs 3 classes or more"),
        ("apgd_targeted", 3, "targeted DLR loss needs 4 classes or more, the model has 3.*fab"),
    ],
)
def test_too_few_classes_are_refused(name, classes, sentence):
    with pytest.raises(ValueError, match=sentence):
        run(name, ThreatModel(steps=1), classes=classes)
    run(name, ThreatModel(steps=1), classes=classes + 1)


@pytest.mark.parametrize("name", ["apgd_ce", "fab_targeted", "square_margin"])
def test_two_classes_are_enough_for_the_others(name):
    """Of two classes a linear model has one margin, and far outside its reach nothing stands."""
    found = run(name, ThreatModel(eps=0.2, steps=5), classes=2)
    labels = np.argmax(Linear(2).class_logits(found.images), axis=1)
    assert np.all(labels != linear_batch(2).labels)
    assert np.abs(found.images - linear_batch(2).images).max() <= 0.2 + 1e-6


def test_a_batch_without_labels_is_refused():
    for name in NAMES:
        with pytest.raises(ValueError, match="the batch has no labels, expected the class"):
            attacks.ATTACKS[name].function(
                Linear(), linear_batch()._replace(labels=None), jax.random.key(0),
                threat=ThreatModel(),
            )  # fmt: skip


def test_they_are_for_zero_shot_alone():
    for name in NAMES:
        assert ZeroShot().allows(name) and not Retrieval().allows(name)
