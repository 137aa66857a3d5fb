"""Models of entailment learn from verdicts, clean and attacked, and who cannot is told so."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import log_softmax

import mat_jax
from mat_jax import data, defenses, models
from mat_jax.defenses.inner.images import against_texts
from mat_jax.defenses.losses.pair_loss import Pairs, mixed_losses, pair_losses
from mat_jax.types.protocols import JudgesPairs

VIT = models.ViTConfig(width=8, layers=1, heads=2)
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def source():
    return data.Verdicts(data.load_scenes("val", limit=6))


@pytest.fixture(scope="module")
def spec(source):
    tokenizer = models.Tokenizer.train_bert(
        [source.captions(i)[0] for i in range(len(source))], vocab_size=120, length=16
    )
    text = models.BertConfig(width=8, layers=2, heads=2)
    config = models.ALBEFConfig(32, 16, VIT, text, first_fusion=1, embed=0, task="entailment")
    return models.Fresh(config, tokenizer)


@pytest.fixture(scope="module")
def toy(spec, source):
    model, tokenizer = spec.build(0)
    corpus = data.Corpus.prepare(source, tokenizer, image_size=32)
    return model, jax.tree.map(jnp.asarray, corpus.batch(np.arange(6)))


def by_hand(model, images, batch):
    """Of every pair, from the logits."""
    text = model.encode_text(jax.tree.map(lambda x: x[:, 0], batch.tokens))
    logits = np.asarray(model.classify(model.fuse(model.encode_image(images), text)))
    return -log_softmax(logits, axis=-1)[np.arange(6), np.asarray(batch.labels)]


def test_the_loss_is_the_surprise_at_the_right_verdict(toy):
    model, batch = toy
    clean = by_hand(model, batch.images, batch)
    assert np.ptp(clean) > 0
    np.testing.assert_allclose(pair_losses(model, batch, KEY)[0], clean, rtol=1e-5)
    # The same climbs inside, and pairings are weighted as anywhere.
    attacked = batch._replace(images=1 - batch.images)
    dark = by_hand(model, attacked.images, batch)
    climbed = against_texts(model, batch, batch.tokens)(model.encode_image(attacked.images))
    np.testing.assert_allclose(climbed, dark, rtol=1e-5)
    both, _ = mixed_losses(model, batch, attacked, KEY, pairs=Pairs(both=0.25, clean=0.75))
    np.testing.assert_allclose(both, 0.25 * dark + 0.75 * clean, rtol=1e-5)


def test_without_verdicts_there_is_nothing_to_learn(toy):
    model, batch = toy
    with pytest.raises(ValueError, match="learns from verdicts, and the data has none"):
        pair_losses(model, batch._replace(labels=None), KEY)


def experiment(spec, source, defense):
    return mat_jax.Experiment(
        model=spec,
        data=source,
        defense=defense,
        optimizer=optax.adam(1e-2),
        steps=20,
        batch_size=6,
        log_every=1,
    )


def test_attacked_pairs_are_learnt_and_what_is_exported_still_judges(spec, source, tmp_path):
    asked = experiment(spec, source, defenses.TeCoAITR(eps=2 / 255))
    mat_jax.fit(asked, tmp_path, mesh=1, quiet=True)
    losses = [
        json.loads(line)["loss"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()
    ]
    assert losses[0] == pytest.approx(np.log(3), rel=0.05)  # it knows nothing yet
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    model, _ = models.load(tmp_path / "export")
    assert isinstance(model, models.ALBEF) and isinstance(model, JudgesPairs)
    assert model.config.embed == 0


def test_a_defence_that_compares_embeddings_refuses_it(spec, source, tmp_path):
    with pytest.raises(ValueError, match="is a classifier, expected one of images and texts"):
        mat_jax.fit(experiment(spec, source, defenses.MAVA()), tmp_path, mesh=1, quiet=True)
