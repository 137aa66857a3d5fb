"""What holds of every attack on image-text pairs, and of the one call it is compiled into."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mat_jax import attacks
from mat_jax.attacks.compiled import Compiled
from mat_jax.attacks.embeddings import embed_images, embed_texts
from mat_jax.attacks.words.substitution import kl
from mat_jax.types.arrays import Batch, Tokens
from tests.attacks.toy import Toy, assert_within, gallery_of, toy_batch
from tests.tools.narrow import some

EPS = 4 / 255


def rows(batch: Batch, index) -> Batch:
    return jax.tree.map(lambda x: x[index], batch)


@functools.cache
def call(name, preset, threat):
    return attacks.compile_attack(
        attacks.ATTACKS[name].function, Toy(), threat=threat, preset=preset
    )


def run(name, batch, preset="strict", **asked: Any):
    settings: dict[str, Any] = {"eps": EPS, "steps": 4, **asked}
    threat = attacks.ThreatModel(**settings)
    more = gallery_of(batch) if attacks.ATTACKS[name].gallery else {}
    return call(name, preset, threat)(batch, jax.random.key(0), **more)


def compilations(call: Compiled) -> int:
    """Of a compiled attack so far."""
    compiled: Any = call.func
    return compiled._cache_size()


both = pytest.mark.parametrize("preset", ["strict", "official"])
# Those left out are asked the same in `plain_test`, and LEAF, of another table, in its own; those
# on classes in `classification_test` and `mmcoa`.
ELSEWHERE = ("leaf", "dra", "sa_aet", "vlp_attack", "co_attack_fused", "match")
NAMES = [
    name
    for name, of in attacks.ATTACKS.items()
    if name not in ELSEWHERE and "retrieval" in of.tasks
]


@pytest.mark.parametrize("name", NAMES)
@both
def test_ball_box_budget_and_one_compilation_for_all_batches(name, preset):
    threat = attacks.ThreatModel(eps=EPS, steps=4)
    for seed in (0, 1):
        batch = toy_batch(seed=seed)
        adv = run(name, batch, preset)
        assert_within(threat, batch, adv)
        changed = np.asarray(adv.stats["changed"])
        assert (changed <= np.asarray(adv.stats["attackable"])).all()
        assert changed[0, 0] == 0 and (changed[1, 1:] == 0).all()
    assert compilations(call(name, preset, threat)) == 1


@pytest.mark.parametrize("name", ["sep", "co_attack", "sga"])
def test_a_threat_of_nothing_changes_nothing(name):
    batch = toy_batch()
    adv = run(name, batch, eps=0.0, words=0)
    np.testing.assert_array_equal(adv.images, batch.images)
    np.testing.assert_array_equal(adv.tokens.ids, batch.tokens.ids)
    assert (np.asarray(adv.choice) == -1).all()


@pytest.mark.parametrize("name", ["pgd", "co_attack", "sga"])
@both
def test_neither_order_nor_size_of_the_batch_matters(name, preset):
    batch = toy_batch()
    whole = run(name, batch, preset)
    for index in (np.array([2, 0, 3, 1]), np.array([0, 3])):
        part = run(name, rows(batch, index), preset)
        np.testing.assert_allclose(part.images, whole.images[index], atol=1e-6)
        np.testing.assert_array_equal(part.choice, some(whole.choice)[index])
        np.testing.assert_array_equal(part.tokens.ids, whole.tokens.ids[index])


@both
@pytest.mark.parametrize("name", ["co_attack", "sga"])
def test_an_absent_caption_changes_no_image(name, preset):
    batch = toy_batch()
    whole = run(name, batch, preset)
    alone = Batch(
        batch.ids[1:2],
        batch.images[1:2],
        Tokens(*(x[1:2, :1] for x in batch.tokens)),
        batch.present[1:2, :1],
        jax.tree.map(lambda x: x[1:2, :1], batch.words),
    )
    np.testing.assert_allclose(run(name, alone, preset).images, whole.images[1:2], atol=1e-6)


def test_candidates_beyond_the_threat_are_not_tried():
    batch = toy_batch()
    adv = run("bert_attack", batch, candidates=1, words=4)
    assert np.asarray(adv.choice).max() == 0


def test_each_attack_moves_what_it_says():
    batch, model = toy_batch(), Toy()
    clean_images = embed_images(model, jnp.asarray(batch.images))
    clean_texts = embed_texts(model, batch.tokens)
    present = np.asarray(batch.present)

    def far(adv):
        image = np.asarray(kl(clean_images, embed_images(model, adv.images)))
        text = np.asarray(kl(clean_texts, embed_texts(model, adv.tokens)))
        pair = np.einsum(
            "be,bme->bm", embed_images(model, adv.images), embed_texts(model, adv.tokens)
        )
        return image, text, pair

    start = far(run("none", batch))
    pgd, bert, sep = (far(run(name, batch)) for name in ("pgd", "bert_attack", "sep"))
    sga = far(run("sga", batch))
    assert (pgd[0] > 1e-5).all() and (pgd[1] == start[1]).all()
    assert (bert[0] == start[0]).all() and (bert[1][present].sum() > 0)
    np.testing.assert_array_equal(sep[0], pgd[0])
    np.testing.assert_array_equal(sep[1], bert[1])
    # SGA brings an image and its captions apart, and further than the attacks that do not look.
    together = [np.where(present, pairs, 0).sum(axis=1) for pairs in (sga[2], start[2])]
    assert (together[0] < together[1]).all()
    assert sga[2][present].mean() < min(x[2][present].mean() for x in (pgd, bert, sep))


@pytest.mark.parametrize("name", ["bert_attack", "sep", "co_attack", "sga"])
def test_a_batch_without_words_is_refused_in_one_sentence(name):
    with pytest.raises(ValueError, match="carries none: prepare the corpus with a word table"):
        run(name, toy_batch()._replace(words=None))


@pytest.mark.parametrize("name", ["none", "pgd"])
def test_image_attacks_need_no_words(name):
    adv = run(name, toy_batch()._replace(words=None))
    assert adv.choice is None


def test_weights_are_arguments_of_the_compiled_call():
    threat = attacks.ThreatModel(eps=EPS, steps=2)
    call = attacks.compile_attack(attacks.pgd_attack, Toy(), threat=threat)
    other = nnx.state(Toy(seed=1))
    batch, key = toy_batch(), jax.random.key(0)
    swapped = call.func(other, batch, key)
    expected = attacks.compile_attack(attacks.pgd_attack, Toy(seed=1), threat=threat)(batch, key)
    np.testing.assert_array_equal(swapped.images, expected.images)
    assert compilations(call) == 1


def test_pass_counts_are_those_of_the_algorithm():
    batch = toy_batch()
    adv = run("sga", batch)
    # The clean image, 4 steps of 5 views, the last point once to judge it, once to guide.
    assert (np.asarray(adv.stats["image_forwards"]) == 1 + 20 + 1 + 1).all()
    assert (np.asarray(adv.stats["image_backwards"]) == 20).all()
    official = run("sga", batch, "official")
    assert (np.asarray(official.stats["image_forwards"]) == 22).all()
    adv = run("bert_attack", batch)
    sizes = np.asarray(some(batch.words).substitute_lengths)
    attackable = (sizes > 0).any(-1).sum(-1)
    forwards = np.asarray(adv.stats["text_forwards"])
    tried = forwards - attackable - np.asarray(batch.present)
    assert (tried >= (attackable > 0)).all() and (tried <= 3).all()
    assert forwards[1, 1] == 0
