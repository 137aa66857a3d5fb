"""BLIP against transformers' BLIP: retrieval, and the captioner's logits."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
import torch
import transformers
from flax import nnx

from mat_jax import models
from mat_jax.models import files
from mat_jax.models.formats import detection
from mat_jax.models.formats.detection import from_hf
from mat_jax.models.formats.layouts import BLIP_ORIGINAL
from mat_jax.models.formats.preprocessing import OPENAI
from mat_jax.models.layers import LayerNorm
from mat_jax.types.arrays import Tokens
from tests.models.albef_reference import published
from tests.models.mistakes import Twice, edited, inside
from tests.models.parity import loaded, pixels, relative, run, to_hf, torch_ids
from tests.tools.narrow import host, some

TEXTS = ["a red ball lies on the sofa", "dogs", "two green boxes play in the blue field"]
RETRIEVAL, CAPTIONING = "BlipForImageTextRetrieval", "BlipForConditionalGeneration"


@pytest.fixture(autouse=True)
def _exact_products():
    with jax.default_matmul_precision("highest"):
        yield


@pytest.fixture(scope="module")
def retrieval(blip_folder):
    reference, folder = blip_folder(RETRIEVAL)
    return reference, *models.load(folder)


@pytest.fixture(scope="module")
def captioner(blip_folder):
    reference, folder = blip_folder(CAPTIONING)
    return reference, *models.load(folder)


@pytest.fixture(scope="module")
def images():
    return pixels(32)


@pytest.fixture(scope="module")
def tokens(blip_tokenizer):
    return blip_tokenizer(TEXTS)


def normalised(images):
    images = (torch.as_tensor(images) - torch.tensor(OPENAI.mean)) / torch.tensor(OPENAI.std)
    return images.permute(0, 3, 1, 2)


def starting(tokens, start):
    """Ids for torch, the first of them replaced."""
    ids = torch_ids(Tokens(host(np.array(tokens.ids)), tokens.mask))
    ids["input_ids"][:, 0] = start
    return ids


def expected(reference, images, tokens, start):
    """What the reference says: a dictionary of arrays, with the gradient of the matches."""
    leaf = torch.tensor(images, requires_grad=True)
    apart = reference(pixel_values=normalised(leaf), **torch_ids(tokens), use_itm_head=False)
    fused = reference(pixel_values=normalised(leaf), **starting(tokens, start))
    fused.itm_score[:, 1].sum().backward()
    found = {
        "image": apart.last_hidden_state,
        "text": apart.question_embeds,
        "cosines": apart.itm_score,
        "fused": fused.question_embeds,
        "match": fused.itm_score,
        "gradient": leaf.grad,
    }
    return {name: some(tensor).detach().numpy() for name, tensor in found.items()}


def features(model, images, tokens):
    image, text = model.encode_image(images), model.encode_text(tokens)
    fused = model.fuse(image, text)
    return {
        "image": image.tokens,
        "text": text.tokens,
        "cosines": image.unit @ text.unit.T,
        "fused": fused,
        "match": model.match_logits(fused),
    }


def everything(model, images, tokens):
    def match(images):
        found = features(model, images, tokens)
        return jnp.sum(found["match"][:, 1]), found

    gradient, found = jax.grad(match, has_aux=True)(images)
    return found | {"gradient": gradient}


def check(ours, theirs, mask, *, hidden):
    """All arrays at the tolerances of models.md section 8."""
    assert relative(ours.pop("gradient"), torch.tensor(theirs["gradient"])) < 1e-4
    for name in ours:
        error = largest(ours[name], theirs[name], mask if name in ("text", "fused") else ...)
        assert error < (1e-5 if name == "cosines" else hidden), (name, error)


def largest(ours, theirs, where=...):
    return float(np.abs(np.asarray(ours) - theirs)[where].max())


def starting_with(start, model):
    model = nnx.clone(model)
    model.config = dataclasses.replace(model.config, match_start=start)
    return model


def test_features_matches_and_pixel_gradients(retrieval, images, tokens):
    reference, model, tokenizer = retrieval

    def both(model, images, tokens):
        as_transformers = starting_with("cls", model)
        return everything(model, images, tokens), features(as_transformers, images, tokens)

    ours, as_transformers = run(both, model, images, tokens)
    theirs = expected(reference, images, tokens, model.config.enc)
    check(ours, theirs, tokens.mask, hidden=2e-5)
    cls = expected(reference, images, tokens, tokenizer.text_format.start)
    assert largest(as_transformers["match"], cls["match"]) < 2e-5
    assert largest(cls["match"], theirs["match"]) > 100 * 2e-5


def test_an_image_size_that_is_no_multiple_of_the_patch(blip_folder, tokens):
    reference, folder = blip_folder(RETRIEVAL, image_size=37)
    model, _ = models.load(folder)
    theirs = expected(reference, pixels(37), tokens, model.config.enc)
    check(run(everything, model, pixels(37), tokens), theirs, tokens.mask, hidden=2e-5)


def one_norm_too_many(model):
    model.vision.ln_post = Twice(model.vision.ln_post)


def without_patch_bias(model):
    model.vision.patch.bias = None


def without_a_cross_attention(model):
    model.text.blocks[0].cross = None


MISTAKES = {
    "wrong image eps": (inside("vision", eps=1e-3), "cosines", 1e-5),
    "wrong text eps": (inside("text", eps=1e-3), "cosines", 1e-5),
    "wrong image heads": (inside("vision", heads=2), "image", 2e-5),
    "wrong text heads": (inside("text", heads=4), "fused", 2e-5),
    "class token normalised twice": (edited(one_norm_too_many), "cosines", 1e-5),
    "patches without bias": (edited(without_patch_bias), "cosines", 1e-5),
    "no cross-attention in a block": (edited(without_a_cross_attention), "match", 2e-5),
}


@pytest.mark.parametrize(("mistake", "name", "error"), MISTAKES.values(), ids=MISTAKES.keys())
def test_parity_notices_mistakes(retrieval, images, tokens, mistake, name, error):
    reference, model, _ = retrieval
    theirs = expected(reference, images, tokens, model.config.enc)
    wrong = features(mistake(model), images, tokens)
    assert largest(wrong[name], theirs[name]) > 100 * error


def their_logits(reference, images, tokens):
    ids = starting(tokens, reference.config.text_config.bos_token_id)
    with torch.no_grad():
        return reference(pixel_values=normalised(images), **ids).logits.numpy()


def logits(model, images, tokens):
    return model.caption_logits(model.encode_image(images), tokens)


def test_caption_logits(captioner, images, tokens):
    reference, model, _ = captioner
    theirs = their_logits(reference, images, tokens)
    ours = run(logits, model, images, tokens)
    assert largest(ours, theirs, tokens.mask) < 2e-5
    # A word changes what is said after it, and nothing before.
    ids = tokens.ids.copy()
    ids[:, 2] = 7
    change = np.abs(logits(model, images, Tokens(ids, tokens.mask)) - theirs).max(axis=(0, 2))
    assert change[:2].max() < 2e-5 < 100 * 2e-5 < change[2]


def test_caption_logits_notice_mistakes(captioner, images, tokens):
    reference, model, _ = captioner
    theirs = their_logits(reference, images, tokens)
    decoder = model.decoder

    def everything_readable(x, readable, keys):
        return type(decoder).fuse(decoder, x, jnp.ones_like(readable), keys)

    def not_causal(model):
        model.decoder.fuse = everything_readable

    def wrong_eps_of_the_head(model):
        model.mlm.ln = LayerNorm(48, eps=1e-3)

    for edit in (not_causal, wrong_eps_of_the_head):
        wrong = nnx.clone(model)
        edit(wrong)
        assert largest(logits(wrong, images, tokens), theirs, tokens.mask) > 100 * 2e-5


def weights(folder):
    return safetensors.numpy.load_file(folder / "model.safetensors")


@pytest.mark.parametrize("name", [RETRIEVAL, CAPTIONING])
def test_round_trip_is_bitwise(blip_folder, tmp_path, name):
    _, folder = blip_folder(name)
    model, tokenizer = models.load(folder)
    models.save(model, tokenizer, tmp_path / "export")
    assert models.load(tmp_path / "export")[0].config == model.config
    ours, theirs = weights(tmp_path / "export"), weights(folder)
    assert ours.keys() == theirs.keys()
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in theirs)


SMALL = models.BLIPConfig(
    image_size=16,
    patch_size=8,
    vision=models.ViTConfig(width=32, layers=1, heads=2, eps=1e-4),
    text=models.BertConfig(width=48, layers=1, heads=3, hidden=50, segments=0),
    embed=12,
)


def exported(config, tokenizer, folder):
    model, tokenizer = models.Fresh(config, tokenizer).build(seed=1)
    models.save(model, tokenizer, folder)
    loaded = transformers.AutoTokenizer.from_pretrained(folder)
    padded = loaded(TEXTS, padding="max_length", return_tensors="pt")
    np.testing.assert_array_equal(padded.input_ids, tokenizer(TEXTS).ids)
    assert loaded.convert_tokens_to_ids(["[DEC]", "[ENC]"]) == [model.config.dec, model.config.enc]
    return model, tokenizer(TEXTS)


def test_transformers_loads_our_retrieval(tmp_path, bert_tokenizer):
    model, tokens = exported(SMALL, bert_tokenizer, tmp_path / "export")
    theirs = transformers.BlipForImageTextRetrieval.from_pretrained(tmp_path / "export").eval()
    images = (pixels(16) * 255).astype(np.uint8).astype(np.float32) / 255
    prepare = transformers.BlipImageProcessorPil.from_pretrained(tmp_path / "export")
    prepared = prepare(list((images * 255).astype(np.uint8)), return_tensors="pt").pixel_values
    np.testing.assert_allclose(prepared, normalised(images), atol=1e-6)
    found = expected(theirs, images, tokens, model.config.enc)
    ours = run(features, model, images, tokens)
    assert largest(ours["cosines"], found["cosines"]) < 1e-5
    assert largest(ours["match"], found["match"]) < 2e-5


def test_transformers_loads_our_captioner(tmp_path, bert_tokenizer):
    config = dataclasses.replace(SMALL, task="captioning")
    model, tokens = exported(config, bert_tokenizer, tmp_path / "export")
    kind = transformers.BlipForConditionalGeneration
    theirs = kind.from_pretrained(tmp_path / "export").eval()
    images = pixels(16)
    ours = run(logits, model, images, tokens)
    assert largest(ours, their_logits(theirs, images, tokens), tokens.mask) < 2e-5


@pytest.mark.parametrize("name", [RETRIEVAL, CAPTIONING])
def test_original_layout(blip_folder, name):
    _, folder = blip_folder(name)
    model, _ = models.load(folder)
    tensors = {published(name): tensor for name, tensor in weights(folder).items()}
    slow = {name.replace(".", "_m.", 1): tensor for name, tensor in tensors.items()}
    rest = {"temp": np.asarray(0.05, np.float32), "ptr_queue": np.zeros(1)}
    config, layout = detection.original(tensors | slow | rest, head=16)
    assert config.task == model.config.task
    assert layout is BLIP_ORIGINAL
    arrays = files.fitted(tensors | slow | rest, config, BLIP_ORIGINAL, source="file")
    again = files.assemble(config, arrays)
    for ours, theirs in zip(jax.tree.leaves(again), jax.tree.leaves(model), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert again.config.vision.eps == 1e-6
    if name == RETRIEVAL:
        np.testing.assert_allclose(again.scale, 20.0, rtol=1e-6)


def test_config_reads_what_it_writes():
    for task in ("retrieval", "captioning"):
        config = dataclasses.replace(SMALL, task=task, eos=7, log_scale=1.5, match_start="cls")
        assert from_hf(to_hf(config)) == config


def test_broken_heads_of_early_configurations():
    settings = to_hf(models.BLIPConfig())
    settings["text_config"]["num_attention_heads"] = 8
    with pytest.warns(UserWarning, match=r"num_attention_heads=8 is an error .* going on with 12"):
        config = from_hf(settings)
    assert config.text.heads == 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"architectures": ["BlipForVideos"]},
            "Videos'\\] is not known",
        ),
        ({"vision_config": {"hidden_act": "relu"}}, "hidden_act='relu' is not a BLIP's"),
        (
            {"architectures": [CAPTIONING], "text_config": {"bos_token_id": 2}},
            "bos_token_id=2 is not the last id but one; expected 30522",
        ),
    ],
    ids=["task", "act", "bos"],
)
def test_other_kinds_of_blip_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        from_hf(to_hf(models.BLIPConfig()) | change)


def test_features_of_another_model_are_refused(retrieval, images, tokens):
    _, model, _ = retrieval
    image, text = model.encode_image(images), model.encode_text(tokens)
    with pytest.raises(ValueError, match=r"these features carry no ids; expected those of BLIP"):
        model.fuse(image, text._replace(ids=None))


@pytest.mark.slow
@pytest.mark.parametrize("name", [RETRIEVAL, CAPTIONING])
def test_full_size(tmp_path, name):
    torch.manual_seed(0)
    config = transformers.BlipConfig(
        text_config={"num_attention_heads": 12}, vision_config={"initializer_range": 0.02}
    )
    reference = getattr(transformers, name)(config).eval()
    with torch.no_grad():
        for weight_name, weight in reference.named_parameters():
            if weight_name.endswith("bias"):
                weight.normal_(0.0, 0.02)
    reference.save_pretrained(tmp_path)
    config = from_hf(json.loads((tmp_path / "config.json").read_text()))
    model = loaded(tmp_path, config)
    rng = np.random.default_rng(0)
    images = pixels(384, batch=2)
    mask = np.arange(35)[None] < np.array([[7], [35]])
    ids = np.where(mask, rng.integers(1000, 30000, mask.shape), 0).astype(np.int32)
    tokens = Tokens(host(ids), host(mask))
    if name == CAPTIONING:
        ours, theirs = run(logits, model, images, tokens), their_logits(reference, images, tokens)
        assert largest(ours, theirs, mask) < 1e-4
    else:
        theirs = expected(reference, images, tokens, config.enc)
        check(run(everything, model, images, tokens), theirs, mask, hidden=1e-4)
