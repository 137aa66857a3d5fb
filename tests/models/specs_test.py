"""Models that fuse image and text are attacked, trained and exported as any other is."""

import dataclasses
from functools import partial
from pathlib import Path

import jax
import numpy as np
import optax
import pytest
import torch
import transformers

from mat_jax import attacks, data, defenses, models
from mat_jax.attacks.embeddings import embed_images, embed_texts
from mat_jax.models.formats.preprocessing import OPENAI
from mat_jax.train import mesh, state
from mat_jax.train.experiment import load
from mat_jax.train.step import compile_step
from tests.models.parity import run

toy = load(Path(__file__).parents[1] / "toy_experiment.py")()
EPS = 16 / 255
SIZES = {
    "image_size": 16,
    "patch_size": 8,
    "vision": models.ViTConfig(width=32, layers=1, heads=2),
    "embed": 16,
}
CONFIGS = {
    "albef": models.ALBEFConfig(
        text=models.BertConfig(width=32, layers=2, heads=2), first_fusion=1, **SIZES
    ),
    "blip": models.BLIPConfig(
        text=models.BertConfig(width=32, layers=1, heads=2, segments=0), **SIZES
    ),
}


def prepared(family):
    captions = [text for i in range(len(toy.data)) for text in toy.data[i].captions]
    tokenizer = models.Tokenizer.train_bert(captions, 160, 10)
    model, tokenizer = models.Fresh(CONFIGS[family], tokenizer).build(0)
    corpus = data.Corpus.prepare(toy.data, tokenizer, image_size=16)
    return model, tokenizer, corpus.with_words(toy.substitutes.build(corpus, tokenizer))


def cosines(model, batch):
    images, texts = embed_images(model, batch.images), embed_texts(model, batch.tokens)
    return (images[:, None] * texts).sum(axis=-1)


# BLIP goes through the same calls as ALBEF; each family is compared with its peer elsewhere.
@pytest.mark.parametrize(
    "family", [pytest.param(f, marks=pytest.mark.slow if f == "blip" else ()) for f in CONFIGS]
)
def test_attacked_trained_and_exported(family, tmp_path):
    model, tokenizer, corpus = prepared(family)
    batch = jax.device_put(corpus.batch(range(8)))
    threat = attacks.ThreatModel(eps=EPS, steps=2, words=1)
    attack = attacks.compile_attack(
        partial(attacks.sga_attack, scales=(0.5,)), model, threat=threat
    )
    adv = attack(batch, jax.random.key(0))
    assert np.abs(adv.images - batch.images).max() <= EPS + 1e-6
    assert (adv.tokens.ids != batch.tokens.ids).any(axis=-1).mean() > 0.5
    attacked = batch._replace(images=adv.images, tokens=adv.tokens)
    before, after = run(cosines, model, batch), run(cosines, model, attacked)
    assert after.mean() < before.mean() - 0.01

    defense, optimizer = defenses.MAT(eps=EPS, steps=1), optax.sgd(0.1)
    layout, weights = state.flatten(model)
    start = state.create(weights, optimizer, defense.trains, 0)
    step = compile_step(layout, defense, optimizer, mesh.make(1), start)
    end, metrics = step(start, None, next(data.training_batches(corpus, batch_size=8, seed=0)))
    assert np.isfinite(metrics["loss"]) and metrics["captions_changed"] > 0
    trained = layout.model({**end.trained, **end.frozen})
    moved = {n for n, leaf in weights.items() if not np.array_equal(leaf, end.trained[n])}
    assert {"vision.patch.kernel", "text.tok", "vision_proj.kernel", "itm_head.kernel"} <= moved

    models.save(trained, tokenizer, tmp_path / "export")
    again, _ = models.load(tmp_path / "export")
    for ours, theirs in zip(jax.tree.leaves(again), jax.tree.leaves(trained), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    if family == "blip":
        check_transformers(tmp_path / "export", trained, batch)


def check_transformers(folder, model, batch):
    theirs = transformers.BlipForImageTextRetrieval.from_pretrained(folder).eval()
    pixels = (torch.tensor(np.asarray(batch.images)) - torch.tensor(OPENAI.mean)) / torch.tensor(
        OPENAI.std
    )
    with torch.no_grad():
        found = theirs(
            pixel_values=pixels.permute(0, 3, 1, 2),
            input_ids=torch.tensor(np.asarray(batch.tokens.ids[:, 0]), dtype=torch.long),
            attention_mask=torch.tensor(np.asarray(batch.tokens.mask[:, 0]), dtype=torch.long),
            use_itm_head=False,
        ).itm_score
    ours = np.asarray(run(cosines, model, batch))[:, 0]
    np.testing.assert_allclose(ours, np.diagonal(found.numpy()), atol=1e-5)


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        (dataclasses.replace(CONFIGS["albef"], task="entailment"), "classifier"),
        (dataclasses.replace(CONFIGS["blip"], task="captioning"), "captioner"),
        (models.BertConfig(width=32, layers=1, heads=2), "language model"),
    ],
)
def test_models_that_compare_nothing_are_refused(config, kind):
    with pytest.raises(ValueError, match=rf"'mine' is a {kind}, expected one of images and texts"):
        models.require_encoders(models.files.build(config, 0), "mine")


def test_a_fresh_model_reads_its_vocabulary_when_it_is_built(tmp_path):
    """From a folder: the same model as with the tokenizer at hand, cut to the configured length."""
    captions = ["a red dog runs", "two blue cars wait"]
    tokenizer = models.Tokenizer.train_clip(captions, 600, 12)
    text = models.BertConfig(1_000, 12, width=16, layers=1, heads=1)
    vision = models.ViTConfig(width=16, layers=1, heads=1)
    config = models.CLIPConfig(image_size=16, patch_size=8, vision=vision, text=text, embed=8)
    later = models.Fresh(config, tmp_path / "later")
    assert later.sizes == config  # nothing is there yet
    with pytest.raises(FileNotFoundError, match="no tokenizer"):
        later.build(0)
    tokenizer.save(tmp_path / "later")
    (one, reads), (other, _) = later.build(0), models.Fresh(config, tokenizer).build(0)
    assert one.config == other.config == models.Fresh(config, tokenizer).sizes
    assert one.config.text.vocab_size == tokenizer.vocab_size
    np.testing.assert_array_equal(reads(captions).ids, tokenizer(captions).ids)
    np.testing.assert_array_equal(one.text_proj.kernel[...], other.text_proj.kernel[...])
