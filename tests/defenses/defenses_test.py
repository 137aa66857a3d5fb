"""The defences: their balls, their budgets, their losses and how they relate."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import entropy

from mat_jax import data, defenses
from mat_jax.attacks.objectives import info_nce
from mat_jax.train.experiment import load

toy = load(Path(__file__).parents[1] / "toy_experiment.py")
EPS = 8 / 255
KEY = jax.random.key(4)


@pytest.fixture(scope="module")
def world():
    experiment = toy(batch_size=12)
    model, tokenizer = experiment.model.build(0)
    corpus = data.Corpus.prepare(experiment.data, tokenizer, image_size=16)
    corpus = corpus.with_words(experiment.substitutes.build(corpus, tokenizer))
    batch = jax.device_put(next(data.training_batches(corpus, batch_size=12, seed=0)))
    # A second, different model in the part of the frozen original.
    return model, experiment.model.build(1)[0], batch


def perturb(defense, world):
    model, reference, batch = world
    return jax.jit(defense.perturb)(model, reference, batch, jax.random.key(3))


def nce(model, batch):
    tokens = jax.tree.map(lambda x: x[:, 0], batch.tokens)
    embeds = model.encode_image(batch.images).embed, model.encode_text(tokens).embed
    return float(info_nce(*embeds, model.scale, batch.ids).mean())


@pytest.fixture(scope="module")
def attacked(world):
    return perturb(defenses.MAT(eps=EPS), world)


def test_mat_stays_in_the_ball_and_the_box(world, attacked):
    clean, found = np.asarray(world[2].images), np.asarray(attacked.images)
    assert np.abs(found - clean).max() <= EPS + 1e-6
    assert np.abs(found - clean).max() > EPS / 2
    assert found.min() >= 0 and found.max() <= 1


def test_mat_replaces_one_word_of_each_caption(world, attacked):
    batch = world[2]
    changed = np.asarray(batch.tokens.ids != attacked.tokens.ids).sum(axis=-1)
    # Every colour of the toy is one token, so one word is one id.
    assert changed.max() == 1
    assert changed.mean() > 0.5


def test_the_image_raises_the_loss_that_training_lowers(world, attacked):
    """The text's own objective is the cosine to its image, so it is the image that climbs."""
    model, _, batch = world
    assert nce(model, attacked) > nce(model, attacked._replace(images=batch.images))


def test_more_pgd_steps_raise_it_further(world, attacked):
    more = perturb(defenses.MAT(eps=EPS, steps=10, step_size=EPS / 4), world)
    np.testing.assert_array_equal(more.tokens.ids, attacked.tokens.ids)
    assert nce(world[0], more) > nce(world[0], attacked)


def test_the_text_of_mat_moves_away_from_the_clean_image(world, attacked):
    model, _, batch = world
    image = model.encode_image(batch.images).unit
    cosines = [
        jnp.sum(image * model.encode_text(jax.tree.map(lambda x: x[:, 0], tokens)).unit, axis=-1)
        for tokens in (batch.tokens, attacked.tokens)
    ]
    assert (np.asarray(cosines[1]) <= np.asarray(cosines[0]) + 1e-6).all()


def test_the_text_objective_may_be_the_caption_itself(world, attacked):
    """Then captions end farther from the clean ones than where the image is fled."""
    model, _, batch = world
    found = perturb(defenses.MAT(eps=EPS, text_objective="kl"), world)
    clean, kl, away = (
        softmax(model.encode_text(one.first).unit, axis=1) for one in (batch, found, attacked)
    )
    assert entropy(clean, kl, axis=1).mean() > 1.001 * entropy(clean, away, axis=1).mean() > 0


def test_mat_without_words_is_tecoa_itr(world):
    one = perturb(defenses.MAT(eps=EPS, words=0), world)
    other = perturb(defenses.TeCoAITR(eps=EPS), world)
    np.testing.assert_array_equal(one.images, other.images)
    np.testing.assert_array_equal(one.tokens.ids, world[2].tokens.ids)


def test_an_empty_ball_and_no_words_is_fine_tuning(world):
    model, reference, batch = world
    defense = defenses.MAT(eps=0.0, words=0)
    found = perturb(defense, world)
    np.testing.assert_array_equal(found.images, batch.images)
    losses, _ = defense.loss(model, None, batch, found, KEY)
    plain, _ = defenses.FineTune().loss(model, None, batch, batch, KEY)
    np.testing.assert_allclose(losses, plain, rtol=1e-6)


def test_the_result_of_an_image_follows_its_id_not_its_place(world):
    model, reference, batch = world
    order = np.array([5, 2, 0, 1, 4, 3, 11, 10, 6, 7, 8, 9])
    turned = jax.tree.map(lambda x: x[order], batch)
    defense = defenses.FARE(eps=EPS, steps=2)
    one = perturb(defense, world)
    other = perturb(defense, (model, reference, turned))
    np.testing.assert_allclose(other.images, one.images[order], atol=1e-6)


def test_fare_measures_the_squared_distance_to_the_original(world):
    model, reference, batch = world
    defense = defenses.FARE(eps=EPS, steps=2)
    found = perturb(defense, world)
    losses, _ = defense.loss(model, reference, batch, found, KEY)
    embed = np.asarray(model.encode_image(found.images).embed)
    target = np.asarray(reference.encode_image(batch.images).embed)
    np.testing.assert_allclose(losses, ((embed - target) ** 2).sum(axis=1), rtol=1e-5)
    clean, _ = defense.loss(model, reference, batch, batch, KEY)
    assert float(losses.mean()) > float(clean.mean())
    same, _ = defense.loss(model, model, batch, batch, KEY)
    np.testing.assert_allclose(same, 0.0, atol=1e-10)


def test_what_trains():
    names = ["vision.ln.scale", "vision_proj.kernel", "text.ln.scale", "text_proj.kernel"]
    paths = [tuple(name.split(".")) for name in [*names, "logit_scale"]]
    assert [defenses.FARE().trains(path) for path in paths] == [True, True, False, False, False]
    for defense in (defenses.MAT(), defenses.TeCoAITR(), defenses.FineTune()):
        assert all(defense.trains(path) for path in paths)
    vision = defenses.FineTune(part="vision")
    assert [vision.trains(path) for path in paths] == [True, True, False, False, False]


def test_the_papers_settings_are_the_defaults():
    mat = defenses.MAT()
    assert (mat.eps, mat.steps, mat.norm, mat.words) == (2 / 255, 2, "linf", 1)
    fare = defenses.FARE()
    assert (fare.eps, fare.steps, fare.needs_reference) == (2 / 255, 10, True)


@pytest.mark.parametrize(
    "settings, sentence",
    [
        ({"eps": 2.0}, r"outside \[0, 1\]"),
        ({"steps": -1}, "steps -1"),
        ({"words": -1}, "words -1"),
    ],
)
def test_settings_that_cannot_be(settings, sentence):
    # A wrong norm or objective is stopped by its annotation before, under test.
    with pytest.raises(ValueError, match=sentence):
        defenses.MAT(**settings)


def test_words_are_needed_where_text_is_attacked(world):
    model, _, batch = world
    with pytest.raises(ValueError, match="carries none"):
        defenses.MAT().perturb(model, None, batch._replace(words=None), jax.random.key(0))
