"""ALIGN against transformers' AlignModel, its statistics in training, and its files."""

import dataclasses
import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import safetensors.numpy
import torch
import transformers
from flax import nnx

from mat_jax import attacks, data, defenses, models
from mat_jax.models import efficientnet
from mat_jax.models.formats.detection import from_hf
from mat_jax.models.formats.preprocessing import Preprocessing
from mat_jax.models.layers import gelu
from mat_jax.train import mesh, state
from mat_jax.train.experiment import load as load_experiment
from mat_jax.train.step import compile_step
from mat_jax.types.arrays import Tokens
from tests.models.conftest import randomise, randomise_convolutions
from tests.models.mistakes import edited, inside
from tests.models.parity import largest, loaded, pixels, relative, run, to_hf, torch_ids
from tests.tools.narrow import host

TEXTS = ["a red ball lies on the sofa", "dogs", "two green boxes play in the blue field"]
toy = load_experiment(Path(__file__).parents[1] / "toy_experiment.py")


@pytest.fixture(autouse=True)
def _exact_products():
    with jax.default_matmul_precision("highest"):
        yield


@pytest.fixture(scope="module")
def pair(align_folder):
    reference, folder = align_folder
    return reference, *models.load(folder)


def torch_outputs(reference, images, tokens):
    pixel_values = (2 * torch.as_tensor(images) - 1).permute(0, 3, 1, 2)
    return reference(pixel_values=pixel_values, **torch_ids(tokens))


def everything(model, images, tokens):
    image, text = model.encode_image(images), model.encode_text(tokens)
    return image, text, model.scale * image.unit @ text.unit.T


def with_gradient(model, images, tokens):
    def logit(images):
        found = everything(model, images, tokens)
        return found[2][0, 0], found

    gradient, found = jax.grad(logit, has_aux=True)(images)
    return *found, gradient


def check_parity(reference, model, tokens, size, *, hidden):
    """Features, logits and pixel gradients, at the tolerances of models.md section 8."""
    leaf = torch.tensor(pixels(size), requires_grad=True)
    theirs = torch_outputs(reference, leaf, tokens)
    theirs.logits_per_image[0, 0].backward()

    image, text, logits, gradient = run(with_gradient, model, pixels(size), tokens)
    last_map = theirs.vision_model_output.last_hidden_state.permute(0, 2, 3, 1)
    assert largest(image.tokens, last_map.flatten(1, 2)) < hidden
    assert largest(image.unit, theirs.image_embeds) < 1e-5
    real = tokens.mask
    hidden_text = theirs.text_model_output.last_hidden_state
    assert largest(np.asarray(text.tokens)[real], hidden_text[torch.as_tensor(real)]) < hidden
    assert largest(text.unit, theirs.text_embeds) < 1e-5
    assert largest(logits, theirs.logits_per_image) < 2e-4
    assert relative(gradient, leaf.grad) < 1e-4


# 45 -> 23 -> 12 -> 6 pixels where the blocks pad like TensorFlow, and odd maps throughout.
@pytest.mark.parametrize("size", [32, 45])
def test_features_logits_and_pixel_gradients(align_folder, size):
    reference, folder = align_folder
    model, tokenizer = models.load(folder, image_size=size)
    assert model.config.image_size == size
    check_parity(reference, model, tokenizer(TEXTS), size, hidden=2e-5)


@pytest.mark.slow
def test_b7(tmp_path):
    torch.manual_seed(0)
    config = transformers.AlignConfig(vision_config={"image_size": 289, "hidden_dim": 640})
    reference = randomise_convolutions(randomise(transformers.AlignModel(config)), gain=0.5)
    reference.temperature.data.fill_(0.05)
    reference.save_pretrained(tmp_path)
    model = loaded(tmp_path, models.ALIGNConfig())
    assert [config.vision_config.num_hidden_layers, len(model.vision.blocks)] == [55, 55]
    ids = np.zeros((3, 64), np.int32)
    for row, length in enumerate((5, 20, 62)):
        words = np.random.default_rng(row).integers(1000, 30000, length)
        ids[row, : length + 2] = [101, *words, 102]
    check_parity(reference, model, Tokens(host(ids), host(ids > 0)), 289, hidden=1e-4)


def residual_everywhere(model):
    first = model.vision.blocks[5]  # it keeps size and channels, so it could
    assert not first.residual
    first.residual = True


def temperature_times(model):
    model.temp[...] = 1 / model.temp[...]


def image_unit(model, images, tokens):
    return model.encode_image(images).unit


def text_unit(model, images, tokens):
    return model.encode_text(tokens).unit


def logits(model, images, tokens):
    return everything(model, images, tokens)[2]


MISTAKES = {
    "all blocks padded alike": (inside("vision", depthwise_padding=()), image_unit),
    "all blocks padded on all sides": (
        inside("vision", depthwise_padding=tuple(range(6))),
        image_unit,
    ),
    "wrong eps": (inside("vision", batch_norm_eps=1e-5), image_unit),
    "residual on the first block of a stage": (edited(residual_everywhere), image_unit),
    "wrong text heads": (inside("text", heads=4), text_unit),
    "temperature multiplied": (edited(temperature_times), logits),
}


def distance(pair, model, feature):
    """How far a feature is from the reference's. Not compiled: mistakes share most operations."""
    reference, _, tokenizer = pair
    tokens = tokenizer(TEXTS)
    theirs = torch_outputs(reference, pixels(32), tokens)
    theirs = {
        image_unit: theirs.image_embeds,
        text_unit: theirs.text_embeds,
        logits: theirs.logits_per_image,
    }
    return largest(feature(model, pixels(32), tokens), theirs[feature])


@pytest.mark.parametrize(("mistake", "feature"), MISTAKES.values(), ids=MISTAKES.keys())
def test_parity_notices_mistakes(pair, mistake, feature):
    assert distance(pair, pair[1], feature) < 2e-4
    assert distance(pair, mistake(pair[1]), feature) > 100 * 1e-5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("silu", gelu),
        ("pixels", Preprocessing((0.0,) * 3, (0.5,) * 3, fit="align")),
        ("pixels", Preprocessing((0.5,) * 3, (1.0,) * 3, fit="align")),
    ],
    ids=["gelu", "pixels from 0 to 2", "pixels from -0.5 to 0.5"],
)
def test_parity_notices_mistakes_inside(pair, monkeypatch, name, value):
    monkeypatch.setattr(pair[1] if name == "pixels" else efficientnet, name, value)
    assert distance(pair, pair[1], image_unit) > 100 * 1e-5


def test_squeeze_of_the_wrong_width(align_folder, tmp_path):
    # A share of the widened channels: four or six times as many as there are.
    folder = shutil.copytree(align_folder[1], tmp_path / "copy")
    settings = json.loads((folder / "config.json").read_text())
    settings["vision_config"]["squeeze_expansion_ratio"] = 1.0
    (folder / "config.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=r"squeeze_excite.reduce.* has shape .*, expected"):
        models.load(folder)


def test_neither_padding_nor_length_changes_the_feature(pair):
    _, model, tokenizer = pair
    tokens = tokenizer(TEXTS)
    short = int(tokens.mask.sum(axis=1).max())
    cut = Tokens(tokens.ids[:, :short], tokens.mask[:, :short])
    other_padding = np.where(tokens.mask, tokens.ids, 7)
    same_length = Tokens(
        host(np.concatenate([tokens.ids, other_padding, tokens.ids])),
        host(np.concatenate([tokens.mask, tokens.mask, np.ones_like(tokens.mask)])),
    )
    expected, padded, seen = np.split(np.asarray(run(text_unit, model, None, same_length)), 3)
    np.testing.assert_allclose(padded, expected, atol=1e-6)
    np.testing.assert_allclose(run(text_unit, model, None, cut), expected, atol=1e-6)
    assert np.abs(seen - expected).max() > 100 * 1e-5  # where padding is read


def test_images_of_the_wrong_size_are_refused(pair):
    with pytest.raises(ValueError, match=r"got images of 40x40 pixels, but this model takes 32x32"):
        pair[1].encode_image(pixels(40))


def test_round_trip_is_bitwise(align_folder, tmp_path):
    _, folder = align_folder
    models.save(*models.load(folder), tmp_path / "export")
    ours, theirs = (
        safetensors.numpy.load_file(f / "model.safetensors") for f in (tmp_path / "export", folder)
    )
    assert ours.keys() == theirs.keys()
    assert all(ours[name].dtype == theirs[name].dtype for name in theirs)
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in theirs)


SMALL = models.ALIGNConfig(
    image_size=16,
    vision=models.EfficientNetConfig(
        width_coefficient=0.5, depth_coefficient=1.0, depth_divisor=4, in_channels=(32, 16),
        out_channels=(16, 48), kernel_sizes=(3, 5), strides=(1, 2), num_block_repeats=(1, 1),
        expand_ratios=(1, 4),
    ),
    text=models.BertConfig(width=32, layers=1, heads=2, hidden=48),
)  # fmt: skip


@pytest.fixture(scope="module")
def trained():
    """A model before and after a step of MAT with weight decay, and the batch it saw."""
    experiment, defense = toy(), defenses.MAT(eps=8 / 255, steps=1)
    captions = [text for i in range(36) for text in experiment.data[i].captions]
    tokenizer = models.Tokenizer.train_bert(captions, 150, 12)
    model, _ = models.Fresh(SMALL, tokenizer).build(seed=0)
    statistics = nnx.state(model, nnx.BatchStat)
    nnx.update(model, jax.tree.map(lambda x: 0.3 + 0.5 * x, statistics))
    corpus = data.Corpus.prepare(experiment.data, tokenizer, image_size=16)
    corpus = corpus.with_words(experiment.substitutes.build(corpus, tokenizer))
    batch = jax.tree.map(jnp.asarray, next(data.training_batches(corpus, batch_size=8, seed=0)))
    layout, weights = state.flatten(model)
    optimizer = optax.chain(optax.add_decayed_weights(0.1), optax.sgd(0.1))
    start = state.create(weights, optimizer, defense.trains, seed=0)
    step = compile_step(layout, defense, optimizer, mesh.make(1), start)
    end, metrics = step(start, None, batch)
    assert np.isfinite(metrics["loss"]) and metrics["captions_changed"] > 0
    return model, layout.model({**end.trained, **end.frozen}), tokenizer, batch


def test_training_leaves_statistics_alone(trained):
    before, after = (state.flatten(model)[1] for model in trained[:2])
    kept = {name for name in before if name.endswith(("running_mean", "running_var"))}
    assert len(kept) == 2 * (1 + 2 + 3)
    for name, leaf in before.items():
        if name in kept:
            np.testing.assert_array_equal(after[name], leaf, err_msg=name)
        elif not name.startswith("pooler"):
            assert not np.array_equal(after[name], leaf), name


def test_transformers_loads_what_was_trained(trained, tmp_path):
    _, model, tokenizer, batch = trained
    models.save(model, tokenizer, tmp_path / "export")
    theirs, report = transformers.AlignModel.from_pretrained(
        tmp_path / "export", output_loading_info=True
    )
    assert not any(report.values())
    processor = transformers.AutoProcessor.from_pretrained(tmp_path / "export")
    texts = ["red beside blue", "left grey right yellow"]
    # Of another size than the model's, so that both sides have to resize.
    raw = np.random.default_rng(0).integers(0, 256, (len(batch.images), 40, 60, 3), np.uint8)
    size, fit = model.config.image_size, model.pixels.fit
    images = np.stack([np.float32(data.resize(image, size, fit)) / 255 for image in raw])
    inputs = processor(
        text=texts,
        images=list(raw),
        padding="max_length",
        max_length=tokenizer.text_format.length,
        return_tensors="pt",
    )
    np.testing.assert_array_equal(inputs.input_ids, tokenizer(texts).ids)
    with torch.no_grad():
        expected = theirs.eval()(**inputs).logits_per_image
    assert largest(run(logits, model, images, tokenizer(texts)), expected) < 1e-5
    again, _ = models.load(tmp_path / "export")
    assert again.text_format == model.text_format


def test_pgd_moves_embeddings_farther_than_noise(trained):
    _, model, _, batch = trained
    threat = attacks.ThreatModel(eps=8 / 255, steps=3)
    adv = attacks.compile_attack(attacks.pgd_attack, model, threat=threat)(batch, jax.random.key(0))
    assert 0.9 * threat.eps < np.abs(adv.images - batch.images).max() <= threat.eps + 1e-6
    noise = threat.eps * jax.random.rademacher(jax.random.key(1), batch.images.shape, jnp.float32)

    images = jnp.concatenate([batch.images, adv.images, batch.images + noise])
    units = run(image_unit, model, images, None)
    clean, attacked, noisy = np.split(np.asarray(units), 3)
    assert ((clean * attacked).sum(axis=1) < (clean * noisy).sum(axis=1)).all()


def test_config_reads_what_it_writes():
    for config in (models.ALIGNConfig(), SMALL):
        assert from_hf(json.loads(json.dumps(to_hf(config)))) == config


def test_defaults_are_b7():
    config = from_hf(transformers.AlignConfig().to_dict())
    assert dataclasses.replace(config, image_size=289) == models.ALIGNConfig()
    assert config.embed == 640
    assert [config.vision.channels(n) for n in config.vision.in_channels] == [
        64,
        32,
        48,
        80,
        160,
        224,
        384,
    ]


def changed(tower, **changes):
    settings = to_hf(models.ALIGNConfig())
    return settings | {tower: settings[tower] | changes}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (changed("vision_config", image_size=[32, 48]), "is not square; expected one number"),
        (changed("vision_config", hidden_act="relu"), "hidden_act='relu' is not an EfficientNet's"),
        (
            changed("vision_config", pooling_type="max"),
            "pooling_type='max' is not an EfficientNet's",
        ),
        (changed("vision_config", strides=[1, 2]), "strides has 2 numbers and in_channels 7"),
        (changed("vision_config", width_coefficient=1.0), "projection_dim=640 does not fit"),
        (changed("text_config", hidden_act="relu"), "is not a BERT's; expected 'gelu'"),
    ],
)
def test_other_kinds_of_align_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        from_hf(settings)
