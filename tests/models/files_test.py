"""Folders: what transformers writes we read, what we write transformers reads; damage is named."""

import json

import jax
import numpy as np
import pytest
import safetensors.numpy
import torch
import transformers
from flax import nnx

from mat_jax import models

CAPTIONS = ["a red ball lies on the sofa", "dogs", "two green boxes play in the blue field"]


@pytest.fixture
def folder(clip_folder):
    return clip_folder()[1]


def weights(folder):
    return safetensors.numpy.load_file(folder / "model.safetensors")


def call(model, method, *inputs):
    """`model.method(*inputs)`, compiled, with the weights as arguments."""
    graph, state = nnx.split(model)
    run = jax.jit(lambda state, *inputs: getattr(nnx.merge(graph, state), method)(*inputs))
    return run(state, *inputs)


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_clip_round_trip_is_bitwise(clip_folder, tmp_path):
    _, folder = clip_folder()
    models.save(*models.load(folder), tmp_path / "export")
    ours, theirs = weights(tmp_path / "export"), weights(folder)
    assert ours.keys() == theirs.keys()
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in theirs)


def test_bert_round_trip_is_bitwise(bert_folder, tmp_path):
    _, folder = bert_folder
    models.save(*models.load(folder), tmp_path / "export")
    ours, theirs = weights(tmp_path / "export"), weights(folder)
    assert ours.keys() == theirs.keys()
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in theirs)


def test_transformers_loads_our_clip(tmp_path, clip_tokenizer):
    config = models.CLIPConfig(
        image_size=16,
        patch_size=8,
        vision=models.ViTConfig(32, layers=2, heads=2, eps=1e-4),
        text=models.BertConfig(width=48, layers=1, heads=3, hidden=50, eps=1e-4),
        embed=24,
    )
    model, tokenizer = models.Fresh(config, clip_tokenizer).build(seed=1)
    models.save(model, tokenizer, tmp_path / "export")
    theirs = transformers.CLIPModel.from_pretrained(tmp_path / "export").eval()
    for kind in (transformers.CLIPTokenizer, transformers.AutoTokenizer):
        loaded = kind.from_pretrained(tmp_path / "export")
        padded = loaded(CAPTIONS, padding="max_length", return_tensors="pt")
        np.testing.assert_array_equal(padded.input_ids, tokenizer(CAPTIONS).ids)
    images = np.random.default_rng(0).random((2, 16, 16, 3), dtype=np.float32)
    prepare = transformers.CLIPImageProcessorPil.from_pretrained(tmp_path / "export")
    pixels = prepare(list((images * 255).astype(np.uint8)), return_tensors="pt").pixel_values
    with torch.no_grad():
        output = theirs(pixel_values=pixels, **padded)
    rounded = np.float32(np.uint8(images * 255)) / 255
    unit = call(model, "encode_image", rounded).unit
    np.testing.assert_allclose(unit, output.image_embeds.numpy(), atol=1e-5)
    unit = call(model, "encode_text", tokenizer(CAPTIONS)).unit
    np.testing.assert_allclose(unit, output.text_embeds.numpy(), atol=1e-5)
    np.testing.assert_allclose(model.scale, theirs.logit_scale.exp().item(), rtol=1e-6)


def test_transformers_loads_our_bert(tmp_path, bert_tokenizer):
    config = models.BertConfig(width=32, layers=1, heads=2, hidden=48)
    model, tokenizer = models.Fresh(config, bert_tokenizer).build(seed=1)
    models.save(model, tokenizer, tmp_path / "export")
    theirs = transformers.BertForMaskedLM.from_pretrained(tmp_path / "export").eval()
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path / "export")
    padded = loaded(CAPTIONS, padding="max_length", return_tensors="pt")
    tokens = tokenizer(CAPTIONS)
    np.testing.assert_array_equal(padded.input_ids, tokens.ids)
    with torch.no_grad():
        expected = theirs(**padded).logits.numpy()
    ours = np.asarray(call(model, "logits", tokens))
    np.testing.assert_allclose(ours[tokens.mask], expected[tokens.mask], atol=2e-5)


def test_save_replaces_a_model_and_nothing_else(folder, tmp_path):
    model, tokenizer = models.load(folder)
    models.save(model, tokenizer, tmp_path / "export")
    models.save(model, tokenizer, tmp_path / "export")
    assert {p.name for p in tmp_path.iterdir()} == {"export"}
    (tmp_path / "export" / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match=r"holds thesis.tex, which is not a file of this"):
        models.save(model, tokenizer, tmp_path / "export")
    assert (tmp_path / "export" / "thesis.tex").read_text() == "years of work"
    assert {p.name for p in tmp_path.iterdir()} == {"export"}


def test_where_nothing_can_be_written(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"the model could not be written to .*; free the disk"):
        models.save(*models.load(folder), tmp_path / "file" / "export")


def test_half_precision_files_become_float32(folder):
    halves = {name: tensor.astype(np.float16) for name, tensor in weights(folder).items()}
    safetensors.numpy.save_file(halves, folder / "model.safetensors")
    model, _ = models.load(folder)
    assert model.text.tok[...].dtype == np.float32


def test_text_length_can_be_cut(folder):
    model, tokenizer = models.load(folder, text_length=8)
    assert model.text_format == tokenizer.text_format
    assert tokenizer(CAPTIONS).ids.shape == (3, 8)


def test_pixels_are_normalised_as_the_folder_says(folder, tmp_path):
    models.save(*models.load(folder), tmp_path / "other")
    path = tmp_path / "other" / "preprocessor_config.json"
    edit(path, image_mean=[0.1, 0.5, 0.6], image_std=[0.2, 0.25, 0.5])
    model, tokenizer = models.load(tmp_path / "other")
    models.save(model, tokenizer, tmp_path / "again")
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    ours = model.pixels.normalised(np.float32(images) / 255, 32)
    for name in ("other", "again"):
        prepare = transformers.CLIPImageProcessorPil.from_pretrained(tmp_path / name)
        theirs = prepare(list(images), return_tensors="np").pixel_values
        np.testing.assert_allclose(ours, theirs.transpose(0, 2, 3, 1), atol=1e-5)
    edit(path, image_std=[0.2, 0.25, 0])
    with pytest.raises(ValueError, match=r"image_std=.*; expected three numbers each, no std of 0"):
        models.load(tmp_path / "other")


def truncate(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def lose_a_tensor(folder):
    tensors = weights(folder)
    del tensors["text_projection.weight"]
    safetensors.numpy.save_file(tensors, folder / "model.safetensors")


def add_a_tensor(folder):
    tensors = weights(folder) | {"text_model.adapter.weight": np.zeros(3, np.float32)}
    safetensors.numpy.save_file(tensors, folder / "model.safetensors")


def change_the_sizes(folder):
    settings = json.loads((folder / "config.json").read_text())
    settings["vision_config"]["hidden_size"] = 32
    edit(folder / "config.json", **settings)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, r"model.safetensors cannot be read .* cut short or damaged"),
        (lose_a_tensor, r"1 missing \(text_projection.weight\)"),
        (add_a_tensor, r"1 unexpected \(text_model.adapter.weight\)"),
        (change_the_sizes, r"vision_model.* has shape \(64,\), expected \(32,\)"),
        (lambda f: edit(f / "config.json", model_type="llama"), r"model_type='llama'; expected"),
        (lambda f: (f / "config.json").write_text("{"), r"config.json is not JSON"),
        (lambda f: (f / "config.json").write_text("[]"), r"is not JSON of settings by name"),
        (lambda f: (f / "config.json").unlink(), r"holds no config.json"),
        (lambda f: (f / "model.safetensors").unlink(), r"holds no model.safetensors"),
        (lambda f: (f / "tokenizer.json").write_text("{"), r"tokenizer.json is not a tokenizer"),
    ],
)
def test_damaged_folders_are_named(folder, damage, message):
    damage(folder)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
        models.load(folder)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_of_another_model(folder, bert_tokenizer):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    bert_tokenizer.save(folder)
    with pytest.raises(ValueError, match=r"expected both to be of one checkpoint"):
        models.load(folder)


def test_names_that_lead_nowhere():
    with pytest.raises(FileNotFoundError, match=r"there is no model 'nonsense'; expected a folder"):
        models.load("nonsense")
    with pytest.raises(FileNotFoundError, match=r"could not be fetched from the Hugging Face hub"):
        models.load("mat-jax-tests/no-such-model")


def test_fresh_models_follow_seed_and_tokenizer(bert_tokenizer):
    spec = models.Fresh(models.BertConfig(width=8, layers=1, heads=2), bert_tokenizer)
    first, again, other = (spec.build(seed)[0].text.tok[...] for seed in (0, 0, 1))
    assert first.shape == (bert_tokenizer.vocab_size, 8)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_pretrained_is_load(folder):
    model, tokenizer = models.Pretrained(folder, image_size=16).build(seed=0)
    assert model.config.image_size == 16
    assert tokenizer.text_format == model.text_format
