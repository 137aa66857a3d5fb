"""The ensemble: who attacks what still stands, and that its calls' filling changes nothing."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mat_jax.attacks import ThreatModel, autoattack
from mat_jax.attacks.auto_attack import members_of
from mat_jax.attacks.ensembles import ENSEMBLES, Member
from mat_jax.attacks.threat import Norm
from tests.attacks.classification_test import BATCH, CLASSES, Linear, linear_batch, margins, reach
from tests.tools.narrow import host, some

KEY = jax.random.key(5)
SHORT = tuple(Member(one.attack, 4) for one in ENSEMBLES["autoattack"])
LONG = tuple(Member(one.attack, 12) for one in ENSEMBLES["autoattack"])


def threat(norm: Norm = "linf") -> ThreatModel:
    return ThreatModel(eps=float(np.median(reach(norm))), norm=norm)


def batch():
    """The first three images have a wrong label."""
    found = linear_batch()
    labels = np.array(found.labels)
    labels[:3] = (labels[:3] + 1) % CLASSES
    return found._replace(labels=host(labels))


@functools.cache
def run(members=LONG, rows=BATCH, norm: Norm = "linf"):
    return autoattack(Linear(), batch(), KEY, threat=threat(norm), members=members, rows=rows)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_every_image_has_the_verdict_of_a_linear_model(norm):
    least, eps = reach(norm)[3:], threat(norm).eps
    found = run(norm=norm)
    stands, images = found.stands[3:], found.images
    assert stands[least > eps * 1.001].all() and not stands[least < eps * 0.97].any()
    assert found.felled_by[:3] == ("none",) * 3
    np.testing.assert_array_equal(images[found.stands], batch().images[found.stands])
    np.testing.assert_array_equal(images[:3], batch().images[:3])
    np.testing.assert_array_equal(margins(images)[3:] > 0, ~stands)
    delta = (images - batch().images).reshape(BATCH, -1)
    size = np.abs(delta).max(1) if norm == "linf" else np.linalg.norm(delta, axis=1)
    assert size.max() <= eps * (1 + 1e-5)


def test_each_attack_sees_what_still_stands():
    found = run(SHORT)
    left = BATCH - 3
    for member, attacked in zip(SHORT, found.attacked, strict=True):
        assert attacked == left
        left -= found.felled_by.count(member.attack)
    assert left == found.stands.sum() and 0 < left < BATCH - 3
    # APGD-CE of so few steps leaves some for the others.
    assert len(set(found.felled_by) - {"", "none"}) >= 2


def test_the_filling_of_a_call_changes_nothing():
    """Of 24 images at a time, or 7: the last call is filled up, and images move between calls."""
    found, other = run(SHORT), run(SHORT, rows=7)
    assert found.felled_by == other.felled_by and found.attacked == other.attacked
    np.testing.assert_allclose(found.images, other.images, atol=1e-6)


def test_nothing_is_attacked_where_nothing_stands():
    all_wrong = batch()._replace(labels=(some(linear_batch().labels) + 1) % CLASSES)
    found = autoattack(Linear(), all_wrong, KEY, threat=threat(), members=SHORT)
    assert found.attacked == (0,) * len(SHORT) and set(found.felled_by) == {"none"}


class Noisy(nnx.Module):
    """Linear, with so much noise on its weights that one draw's gradient says little."""

    def __init__(self):
        self.linear = Linear()

    def drawn_class_logits(self, images, keys):
        draw = jax.vmap(lambda key: jax.random.normal(key, self.linear.matrix.shape))
        matrix = self.linear.matrix[...][None] + draw(keys)
        return jnp.einsum("bp,bpc->bc", images.reshape(len(images), -1) - 0.5, matrix)


def test_a_random_model_is_attacked_in_the_mean():
    members = tuple(Member(one.attack, 10) for one in members_of("rand"))
    assert [one.attack for one in members] == ["apgd_ce_rand", "apgd_dlr_rand"]
    less = ThreatModel(eps=0.6 * threat().eps)
    call = functools.partial(autoattack, Noisy(), linear_batch(), KEY, version="rand")
    found = call(threat=less, members=members)
    clean = np.mean([name != "none" for name in found.felled_by])
    assert found.stands.mean() < clean  # one draw decides, on the clean images too
    # The mean margin of those that fell has risen.
    fallen = [name not in ("", "none") for name in found.felled_by]
    before, after = margins(linear_batch().images), margins(found.images)
    assert (after > before)[fallen].mean() > 0.9
    again = call(threat=less, members=members, rows=5)
    assert again.felled_by[:5] == found.felled_by[:5]


def test_refusals():
    call = functools.partial(autoattack, threat=ThreatModel())
    with pytest.raises(ValueError, match="unknown version 'plus' of AutoAttack; choose from stand"):
        call(Linear(), batch(), KEY, version="plus")
    with pytest.raises(ValueError, match="no drawn_class_logits.*or take the other version"):
        call(Toyless(), batch(), KEY, version="rand")
    with pytest.raises(ValueError, match="has no class_logits"):
        call(Noisy(), batch(), KEY)
    with pytest.raises(ValueError, match="expected an nnx.Module"):
        call(Plain(), batch(), KEY)
    with pytest.raises(ValueError, match="'sga' is none of classification; choose from pgd_ce"):
        call(Linear(), batch(), KEY, members=(Member("sga"),))
    with pytest.raises(ValueError, match="all draw from a random model, or none of them"):
        call(Linear(), batch(), KEY, members=(Member("apgd_ce"), Member("apgd_ce_rand")))
    with pytest.raises(ValueError, match="targeted DLR loss needs 4 classes"):
        three = linear_batch(3)
        call(Linear(3), three, KEY, members=(Member("apgd_targeted", 1),))


class Toyless(nnx.Module):
    """It classifies, but never at random."""

    def class_logits(self, images):
        return jnp.zeros((len(images), CLASSES))


class Plain:
    """It classifies, and is no module."""

    def class_logits(self, images):
        return jnp.zeros((len(images), CLASSES))
