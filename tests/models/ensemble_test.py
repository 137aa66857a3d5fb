"""Several models as one: cosines, logits and ids are those of its members."""

import copy
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mat_jax import models
from mat_jax.attacks import ATTACKS, ThreatModel, compile_attack
from mat_jax.data import Corpus, Substitutes, attackable, retrieval_json
from mat_jax.models.ensemble import resized
from mat_jax.models.joint_tokens import JointTokenizer, split_ids
from tests.evaluate import runner_test

toys, own_cache = runner_test.toys, runner_test.own_cache
TEXTS = [text for own in runner_test.CAPTIONS for text in own]


@pytest.fixture(scope="module")
def members(toys):
    """Two CLIPs of other image sizes, lengths of texts and ids."""
    return [models.load(toys.clip), models.load(toys.other)]


def images(size=24):
    return jax.random.uniform(jax.random.key(0), (5, size, size, 3))


@pytest.mark.parametrize("text", ["", "a red ball", *TEXTS[:4], "zebra " * 40, "red " * 11])
def test_every_member_reads_its_own_ids(members, text):
    model, tokenizer = models.ensemble_of(members)
    joint = tokenizer([text, "a cat"])
    for number, (_, own) in enumerate(members):
        found = split_ids(joint, model.bases, number, own.text_format)
        expected = own([text, "a cat"])
        np.testing.assert_array_equal(found.ids, expected.ids)
        np.testing.assert_array_equal(found.mask, expected.mask)


@pytest.mark.parametrize("turned", [False, True])
def test_a_member_that_shares_a_tokenizer_reads_as_many_ids_as_alone(turned):
    """ALBEF cuts captions at 30 ids, and BLIP at 35, of one vocabulary."""
    (albef, reads), blip = models.load("scenes-albef"), models.load("scenes-blip")
    reads = copy.copy(reads)
    reads.text_format = replace(reads.text_format, length=12)
    loaded = [blip, (albef, reads)] if turned else [(albef, reads), blip]
    model, tokenizer = models.ensemble_of(loaded)
    texts = ["red boat tree house " * 4, "a cat"]
    for (_, own), number, form in zip(loaded, model.readers, model.formats, strict=True):
        found, expected = split_ids(tokenizer(texts), model.bases, number, form), own(texts)
        np.testing.assert_array_equal(found.ids, expected.ids)
        np.testing.assert_array_equal(found.mask, expected.mask)


def test_a_cosine_is_the_mean_of_the_members(members):
    model, tokenizer = models.ensemble_of(members)
    cosines = model.encode_image(images()).unit @ model.encode_text(tokenizer(TEXTS)).unit.T
    assert model.config.image_size == 24
    own = [
        one.encode_image(
            jnp.clip(jax.image.resize(images(), (5, size, size, 3), "cubic"), 0, 1)
        ).unit
        @ one.encode_text(read(TEXTS)).unit.T
        for (one, read), size in zip(members, (16, 24), strict=True)
    ]
    np.testing.assert_allclose(cosines, (own[0] + own[1]) / 2, atol=1e-5)


def test_a_logit_is_the_mean_of_the_members(members):
    """Of members whose scales differ, which the mean of the cosines does not heed."""
    loaded = [models.load(name) for name in ("scenes-clip", "scenes-albef")]
    model, tokenizer = models.ensemble_of(loaded, joint="logits")
    texts, pictures = ["a red apple on sand", "two cats"], images(64)
    unit = model.encode_image(pictures).unit
    logits = model.scale * unit @ model.encode_text(tokenizer(texts)).unit.T
    own = [
        one.scale * one.encode_image(pictures).unit @ one.encode_text(read(texts)).unit.T
        for one, read in loaded
    ]
    np.testing.assert_allclose(logits, (own[0] + own[1]) / 2, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, rtol=1e-5)


def test_the_gradient_goes_through_every_members_image_size(members):
    model, tokenizer = models.ensemble_of(members)
    texts = model.encode_text(tokenizer(TEXTS[:5])).unit

    def climbed(one, read, pictures):
        text = one.encode_text(read(TEXTS[:5])).unit
        size = one.config.image_size
        return jnp.sum(one.encode_image(resized(pictures, size)).unit * text)

    whole = jax.grad(lambda x: jnp.sum(model.encode_image(x).unit * texts))(images())
    parts = [jax.grad(partial(climbed, *member))(images()) for member in members]
    np.testing.assert_allclose(whole, (parts[0] + parts[1]) / 2, atol=1e-5)
    assert all(float(jnp.abs(part).max()) > 0 for part in parts)


@pytest.mark.parametrize("attack", ["pgd", "bert_attack", "co_attack", "sga"])
def test_an_ensemble_of_a_model_with_itself_is_attacked_as_the_model(toys, attack):
    """The mean of two that are equal is each of them, so attacks end at the same texts."""
    loaded = models.load(toys.clip)
    both = models.ensemble_of([loaded, loaded])
    assert len(both[1].tokenizers) == 1
    threat = ThreatModel(eps=8 / 255, steps=2, words=1, candidates=10)
    source = retrieval_json(toys.json, images=toys.images)
    found = []
    for model, tokenizer in (loaded, both):
        corpus = Corpus.prepare(source, tokenizer, image_size=16)
        corpus = attackable(corpus, Substitutes(mlm=str(toys.bert)), tokenizer)
        run = compile_attack(ATTACKS[attack].function, model, threat=threat)
        found.append(jax.device_get(run(corpus.batch(range(7)), jax.random.key(0))))
    # Where a gradient is near 0 its sign is that of rounding.
    assert (np.abs(found[0].images - found[1].images) > 1e-5).mean() < 0.06
    if found[0].choice is not None:
        np.testing.assert_array_equal(found[0].choice, found[1].choice)


def test_tokenizers_that_differ_in_special_tokens_alone_are_one():
    loaded = [models.load(name) for name in ("scenes-albef", "scenes-blip")]
    vocabularies = [tokenizer.backend.get_vocab() for _, tokenizer in loaded]
    assert vocabularies[0] != vocabularies[1]
    model, tokenizer = models.ensemble_of(loaded)
    alike = all(vocabularies[1].get(token) == number for token, number in vocabularies[0].items())
    assert len(tokenizer.tokenizers) == (1 if alike else 2)
    unit = model.encode_text(tokenizer(["a red apple"])).unit
    assert unit.shape == (1, sum(one.config.embed for one, _ in loaded))


def test_what_cannot_be_put_together_is_refused(members):
    with pytest.raises(ValueError, match=r"an ensemble of 1 model is none: give two or more"):
        models.ensemble_of(members[:1])

    # Four times some 530 ids are more than 2^31 of them together.
    with pytest.raises(ValueError, match=r"vocabularies of 5\d\d and .* share a tokenizer"):
        JointTokenizer([members[0][1]] * 4)
    model, tokenizer = models.ensemble_of(members)
    with pytest.raises(TypeError, match=r"no word embeddings of its own: attack one model"):
        model.encode_text(tokenizer(["a"]), jnp.zeros((1, 16, 16)))
