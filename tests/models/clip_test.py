"""CLIP against transformers' CLIP: the same weights give the same features and gradients."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import transformers
from flax import nnx

from mat_jax import models
from mat_jax.models.formats.detection import from_hf
from mat_jax.models.formats.preprocessing import OPENAI
from mat_jax.types.arrays import Tokens
from tests.models.mistakes import Nothing, edited
from tests.models.parity import largest, loaded, pixels, relative, run, to_hf, torch_ids
from tests.tools.narrow import host

TEXTS = ["a red ball lies on the sofa", "dogs", "two green boxes play in the blue field"]


@pytest.fixture(autouse=True)
def _exact_products():
    with jax.default_matmul_precision("highest"):
        yield


@pytest.fixture(scope="module")
def pair(clip_folder):
    reference, folder = clip_folder()
    return reference, *models.load(folder)


def normalised(images: np.ndarray | torch.Tensor) -> torch.Tensor:
    images = torch.as_tensor(images)
    images = (images - torch.tensor(OPENAI.mean)) / torch.tensor(OPENAI.std)
    return images.permute(0, 3, 1, 2)


def torch_outputs(reference, images, tokens, **options):
    with torch.no_grad():
        return reference(pixel_values=normalised(images), **torch_ids(tokens), **options)


def everything(model, images, tokens):
    image, text = model.encode_image(images), model.encode_text(tokens)
    return image, text, model.scale * image.unit @ text.unit.T


def gradient(model, images, tokens):
    return jax.grad(lambda images: everything(model, images, tokens)[2][0, 0])(images)


def check_parity(reference, model, tokens, size, *, hidden, **options):
    """Features, logits and pixel gradients, at the tolerances of models.md section 8."""
    images = pixels(size)
    theirs = torch_outputs(reference, images, tokens, **options)

    image, text, logits = run(everything, model, images, tokens)
    assert largest(image.tokens, theirs.vision_model_output.last_hidden_state) < hidden
    assert largest(image.unit, theirs.image_embeds) < 1e-5
    real = tokens.mask
    hidden_text = theirs.text_model_output.last_hidden_state
    assert largest(np.asarray(text.tokens)[real], hidden_text[torch.as_tensor(real)]) < hidden
    assert largest(text.unit, theirs.text_embeds) < 1e-5
    np.testing.assert_allclose(logits, theirs.logits_per_image.numpy(), rtol=1e-5, atol=1e-3)

    ours = run(gradient, model, images, tokens)
    leaf = torch.tensor(images, requires_grad=True)
    reference(pixel_values=normalised(leaf), **torch_ids(tokens), **options).logits_per_image[
        0, 0
    ].backward()
    assert relative(ours, leaf.grad) < 1e-4


@pytest.mark.parametrize("act", ["quick_gelu", "gelu"])
def test_features_logits_and_pixel_gradients(clip_folder, act):
    reference, folder = clip_folder(hidden_act=act)
    model, tokenizer = models.load(folder)
    check_parity(reference, model, tokenizer(TEXTS), 32, hidden=2e-5)


@pytest.mark.parametrize("vision_act, text_act", [("quick_gelu", "gelu"), ("gelu", "quick_gelu")])
def test_towers_with_different_activations(clip_folder, vision_act, text_act):
    reference, folder = clip_folder(
        vision={"hidden_act": vision_act}, text={"hidden_act": text_act}
    )
    model, tokenizer = models.load(folder)
    assert (model.config.vision_act, model.config.text_act) == (vision_act, text_act)
    check_parity(reference, model, tokenizer(TEXTS), 32, hidden=2e-5)


@pytest.mark.parametrize("size", [33, 37, 39])
def test_an_image_size_that_is_no_multiple_of_the_patch(clip_folder, tmp_path, size):
    reference, folder = clip_folder(vision={"image_size": size})
    model, tokenizer = models.load(folder)
    assert model.config.image_size == size and len(model.vision.pos) == 1 + 4**2
    check_parity(reference, model, tokenizer(TEXTS), size, hidden=2e-5)
    # What makes no whole patch has no influence, so an attack gains nothing there.
    gradients = np.asarray(run(gradient, model, pixels(size), tokenizer(TEXTS)))
    assert (gradients[:, :32, :32] != 0).any()
    assert not gradients[:, 32:].any() and not gradients[:, :, 32:].any()
    models.save(model, tokenizer, tmp_path / "clip")
    again = transformers.CLIPModel.from_pretrained(tmp_path / "clip")
    assert again.config.vision_config.image_size == size


@pytest.mark.parametrize("size", [48, 50, 55])
def test_another_image_size(clip_folder, size):
    reference, folder = clip_folder()
    model, tokenizer = models.load(folder, image_size=size)
    assert model.config.image_size == size
    tokens = tokenizer(TEXTS)
    check_parity(reference, model, tokens, size, hidden=2e-5, interpolate_pos_encoding=True)


@pytest.mark.slow
def test_vit_b_16(tmp_path, clip_tokenizer):
    torch.manual_seed(0)
    config = transformers.CLIPConfig(vision_config={"patch_size": 16})
    reference = transformers.CLIPModel(config)
    with torch.no_grad():
        for name, weight in reference.named_parameters():
            if name.endswith("bias"):
                weight.normal_(0.0, 0.02)
    reference.eval().save_pretrained(tmp_path)
    model = loaded(tmp_path, models.CLIPConfig())
    ids = np.full((3, 77), 49407, np.int32)
    for row, length in enumerate((5, 20, 75)):
        ids[row, : length + 1] = [49406, *np.random.default_rng(row).integers(0, 49406, length)]
    tokens = Tokens(host(ids), host(np.cumsum(ids == 49407, axis=1) <= 1))
    check_parity(reference, model, tokens, 224, hidden=1e-4)


def with_config(part=None, **changes):
    def change(model):
        config = model.config
        if part is None:
            config = dataclasses.replace(config, **changes)
        else:
            tower = dataclasses.replace(getattr(config, part), **changes)
            config = dataclasses.replace(config, **{part: tower})
        graph, _ = nnx.split(nnx.eval_shape(lambda: models.CLIP(config, nnx.Rngs(0))))
        return nnx.merge(graph, nnx.state(model))

    return change


def without_pre_norm(model):
    model.vision.ln_pre = Nothing()


class OneEarlier(nnx.Module):
    def __init__(self, tower):
        self.tower = tower

    def __call__(self, ids, mask, at, layers, shift):
        return self.tower(ids, mask, at - 1, layers, shift)


def one_before_the_end(model):
    model.text = OneEarlier(model.text)


def image_unit(model, images):
    return model.encode_image(images).unit


def text_unit(model, tokens):
    return model.encode_text(tokens).unit


MISTAKES = {
    "wrong gelu": (with_config(vision_act="gelu"), image_unit),
    "wrong gelu in the text tower": (with_config(text_act="gelu"), text_unit),
    "wrong eps": (with_config("vision", eps=1e-3), image_unit),
    "wrong vision heads": (with_config("vision", heads=2), image_unit),
    "wrong text heads": (with_config("text", heads=4), text_unit),
    "no norm before the vision blocks": (edited(without_pre_norm), image_unit),
    "text read one token early": (edited(one_before_the_end), text_unit),
}


@pytest.mark.parametrize(("mistake", "feature"), MISTAKES.values(), ids=MISTAKES.keys())
def test_parity_notices_mistakes(pair, mistake, feature):
    reference, model, tokenizer = pair
    tokens = tokenizer(TEXTS)
    theirs = torch_outputs(reference, pixels(32), tokens)
    if feature is image_unit:
        wrong = largest(run(feature, mistake(model), pixels(32)), theirs.image_embeds)
    else:
        wrong = largest(run(feature, mistake(model), tokens), theirs.text_embeds)
    assert wrong > 100 * 1e-5


def test_embed_is_the_pooled_token_projected(pair):
    # The last block is written twice, for all tokens and for one; both must agree.
    _, model, tokenizer = pair
    tokens = tokenizer(TEXTS)
    end = jnp.asarray(tokens.mask.sum(axis=1) - 1)

    def both_ways(model, images, tokens):
        image, text = model.encode_image(images), model.encode_text(tokens)
        of_image = model.vision_proj(model.vision.ln_post(image.tokens[:, 0]))
        of_text = model.text_proj(text.tokens[jnp.arange(len(TEXTS)), end])
        return (image.embed, of_image), (text.embed, of_text)

    for pooled_first, pooled_last in run(both_ways, model, pixels(32), tokens):
        np.testing.assert_allclose(pooled_first, pooled_last, rtol=1e-5, atol=2e-6)


def flops(model, part):
    graph, state = nnx.split(model)
    compiled = jax.jit(lambda state, x: part(nnx.merge(graph, state), x))
    costs: Any = compiled.lower(state, pixels(32)).compile().cost_analysis()
    return costs["flops"]


def test_unused_tokens_cost_nothing(pair):
    _, model, _ = pair
    embed = flops(model, lambda model, x: model.encode_image(x).embed)
    tokens = flops(model, lambda model, x: model.encode_image(x).tokens)
    # For 16 of 17 tokens the last block computes no query, output and feed-forward.
    width, hidden = model.config.vision.width, model.config.vision.hidden
    saved = 3 * 16 * 2 * (2 * width**2 + 2 * width * hidden)
    assert tokens - embed > 0.9 * saved


def test_neither_padding_nor_length_changes_the_feature(pair):
    _, model, tokenizer = pair
    tokens = tokenizer(TEXTS)
    short = int(tokens.mask.sum(axis=1).max())
    cut = Tokens(tokens.ids[:, :short], tokens.mask[:, :short])
    padded = Tokens(host(np.where(tokens.mask, tokens.ids, 0)), tokens.mask)
    # A slot of a batch that holds no caption: nothing is real, and nothing may become nan.
    nothing = Tokens(np.full_like(tokens.ids, tokenizer.text_format.pad), tokens.mask & False)

    def all_units(model, *several):
        return [text_unit(model, tokens) for tokens in several]

    expected, *same, finite = run(all_units, model, tokens, cut, padded, nothing)
    for unit in same:
        np.testing.assert_allclose(unit, expected, atol=1e-6)
    assert jnp.isfinite(finite).all()


def test_images_of_the_wrong_size_are_refused(pair):
    with pytest.raises(ValueError, match=r"got images of 40x40 pixels, but this model takes 32x32"):
        pair[1].encode_image(pixels(40))


def test_texts_too_long_are_refused(pair):
    tokens = Tokens(host(np.zeros((1, 21), np.int32)), host(np.ones((1, 21), bool)))
    with pytest.raises(ValueError, match=r"got texts of 21 ids, but this model has 20 positions"):
        pair[1].encode_text(tokens)


def test_config_reads_what_it_writes():
    vision, text = models.ViTConfig(96, heads=6), models.BertConfig(hidden=33, eps=1e-4)
    config = models.CLIPConfig(vision=vision, text=text, text_act="gelu")
    assert from_hf(to_hf(config)) == config


def test_config_of_early_checkpoints():
    # openai/clip-vit-* of 2021 say eos_token_id 2, and hold the sizes in *_config_dict.
    old = {
        "model_type": "clip",
        "text_config_dict": {"eos_token_id": 2, "bos_token_id": 0},
        "text_config": {},
    }
    config = from_hf(old)
    assert (config.bos, config.eos) == (49406, 49407)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden_size": 100, "num_attention_heads": 3}, "does not divide into heads=3"),
        ({"image_size": 15, "patch_size": 16}, "image_size=15 holds no patch of patch_size=16"),
        ({"hidden_act": "relu"}, "vision_config.hidden_act='relu' is not known; expected quick"),
    ],
)
def test_impossible_sizes_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        models.files.build(from_hf({"model_type": "clip", "vision_config": settings}), 0)
