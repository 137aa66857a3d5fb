"""ALBEF against parts of transformers put together, in its published layouts."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
import torch

from mat_jax import models
from mat_jax.evaluate.tasks.heat_maps import grad_cam
from mat_jax.models import files
from mat_jax.models.formats import detection, originals
from mat_jax.models.formats.layouts import ALBEF_ORIGINAL
from mat_jax.models.formats.positions import resize_positions
from mat_jax.types.arrays import Tokens
from tests.models.albef_reference import FUSION, Reference, original, training_state
from tests.models.mistakes import Nothing, edited, inside
from tests.models.parity import pixels, relative, run
from tests.tools.narrow import host, some

TEXTS = ["a red ball lies on the sofa", "dogs", "two green boxes play in the blue field"]
HEAD = 16


@pytest.fixture(autouse=True)
def _exact_products():
    with jax.default_matmul_precision("highest"):
        yield


def assemble(tensors, **options):
    config, layout = detection.original(tensors, **options)
    assert layout is ALBEF_ORIGINAL
    return files.assemble(config, files.fitted(tensors, config, layout, source="file"))


@pytest.fixture(scope="module")
def reference(bert_tokenizer, randomised):
    return small(bert_tokenizer, randomised)


def small(bert_tokenizer, randomised, image_size=32):
    torch.manual_seed(0)
    vision = {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 120,
        "image_size": image_size,
        "patch_size": 8,
    }
    text = {
        "vocab_size": bert_tokenizer.vocab_size,
        "hidden_size": 48,
        "num_hidden_layers": 2 * FUSION,
        "num_attention_heads": 3,
        "intermediate_size": 100,
        "max_position_embeddings": 24,
    }
    return randomised(Reference(vision, text))


@pytest.fixture(scope="module")
def model(reference):
    return assemble(original(reference, "retrieval"), head=HEAD)


@pytest.fixture(scope="module")
def tokens(bert_tokenizer):
    return bert_tokenizer(TEXTS)


@pytest.fixture(scope="module")
def images():
    return pixels(32)


@pytest.fixture(scope="module")
def theirs(reference, images, tokens):
    return expected(reference, images, tokens)


def expected(reference, images, tokens, fusion=FUSION):
    """What the reference says: a dictionary of arrays, with the gradient of the matches."""
    leaf = torch.tensor(images, requires_grad=True)
    image, image_unit = reference.encode_image(leaf)
    text, text_unit = reference.encode_text(tokens, fusion)
    fused = reference.fuse(image, text, tokens, fusion)
    match = reference.itm_head(fused[:, 0])
    match[:, 1].sum().backward()
    found = {
        "image": image,
        "image unit": image_unit,
        "text": text,
        "text unit": text_unit,
        "fused": fused,
        "match": match,
        "verdict": reference.cls_head(fused[:, 0]),
        "gradient": leaf.grad,
    }
    return {name: some(tensor).detach().numpy() for name, tensor in found.items()}


def features(model, images, tokens):
    image, text = model.encode_image(images), model.encode_text(tokens)
    fused = model.fuse(image, text)
    return {
        "image": image.tokens,
        "image unit": image.unit,
        "text": text.tokens,
        "text unit": text.unit,
        "fused": fused,
        "match": model.match_logits(fused),
    }


def everything(model, images, tokens):
    def match(images):
        found = features(model, images, tokens)
        return jnp.sum(found["match"][:, 1]), found

    gradient, found = jax.grad(match, has_aux=True)(images)
    return found | {"gradient": gradient}


def errors(ours, theirs, mask):
    """The largest error of each array, over what is not padding."""
    differences = {name: np.abs(np.asarray(ours[name]) - theirs[name]) for name in ours}
    for name in {"text", "fused"} & differences.keys():
        differences[name] = differences[name][mask]
    return {name: float(difference.max()) for name, difference in differences.items()}


def check(ours, theirs, mask, *, hidden):
    """All arrays at the tolerances of models.md section 8."""
    assert relative(ours.pop("gradient"), torch.tensor(theirs["gradient"])) < 1e-4
    for name, error in errors(ours, theirs, mask).items():
        assert error < (1e-5 if name.endswith("unit") else hidden), (name, error)


def test_features_matches_and_pixel_gradients(model, theirs, images, tokens):
    check(run(everything, model, images, tokens), theirs, tokens.mask, hidden=2e-5)
    np.testing.assert_allclose(model.scale, 20.0, rtol=1e-6)


def test_entailment(reference, theirs, images, tokens):
    model = assemble(original(reference, "entailment"), head=HEAD)

    def verdict(model, images, tokens):
        image, text = model.encode_image(images), model.encode_text(tokens)
        return model.classify(model.fuse(image, text))

    ours = run(verdict, model, images, tokens)
    np.testing.assert_allclose(ours, theirs["verdict"], atol=2e-5)


def without_last_norm(model):
    model.vision.ln_post = Nothing()


def without_cross_attention(model):
    model.text.blocks[2].cross = None


def fusion_a_block_late(model):
    model.config = dataclasses.replace(model.config, first_fusion=3)
    model.text.blocks[3].cross = model.text.blocks[2].cross
    model.text.blocks[2].cross = None


def swapped_cross_attentions(model):
    first, second = model.text.blocks[2:]
    first.cross, second.cross = second.cross, first.cross


def without_segments(model):
    model.text.type = None


MISTAKES = {
    "wrong image eps": (inside("vision", eps=1e-3), "image unit"),
    "wrong text eps": (inside("text", eps=1e-3), "text unit"),
    "wrong image heads": (inside("vision", heads=2), "image unit"),
    "wrong text heads": (inside("text", heads=4), "text unit"),
    "no norm after the image blocks": (edited(without_last_norm), "image unit"),
    "no segment embedding": (edited(without_segments), "text unit"),
    "no cross-attention in a block": (edited(without_cross_attention), "match"),
    "fusion one block late": (edited(fusion_a_block_late), "match"),
    "cross-attentions swapped": (edited(swapped_cross_attentions), "match"),
}


@pytest.mark.parametrize(("mistake", "name"), MISTAKES.values(), ids=MISTAKES.keys())
def test_parity_notices_mistakes(model, theirs, images, tokens, mistake, name):
    wrong = features(mistake(model), images, tokens)
    assert errors({name: wrong[name]}, theirs, tokens.mask)[name] > 100 * 1e-5


def test_parity_notices_unmasked_padding(model, theirs, images, tokens):
    everything_real = Tokens(tokens.ids, np.ones_like(tokens.mask))
    wrong = features(model, images, everything_real)
    found = errors({name: wrong[name] for name in ("text unit", "match")}, theirs, tokens.mask)
    assert min(found.values()) > 100 * 1e-5


def test_fusion_goes_on_from_the_text_exactly(model, images, tokens):
    image, text = model.encode_image(images), model.encode_text(tokens)
    x, readable = model.text.embed(jnp.asarray(tokens.ids)), text.mask[:, None]
    keys = [None] * FUSION + model.image_keys(image)
    for block, key in zip(model.text.blocks, keys, strict=True):
        x = block(x, readable, image=key)
    np.testing.assert_array_equal(model.fuse(image, text), x)


def test_keys_serve_all_texts_of_an_image(model, images, tokens):
    image, text = model.encode_image(images), model.encode_text(tokens)
    keys = model.image_keys(image)
    np.testing.assert_array_equal(model.fuse(image, text, keys), model.fuse(image, text))
    # One image for all texts.
    one = jax.tree.map(lambda x: x[:1], image)
    repeated = jax.tree.map(lambda x: jnp.repeat(x, 3, axis=0), one)
    np.testing.assert_allclose(model.fuse(one, text), model.fuse(repeated, text), atol=2e-6)
    assert np.abs(model.fuse(one, text) - model.fuse(image, text)).max() > 0.1


def their_cam(reference, images, tokens, layer):
    """The probabilities come out of, and go back into, the layer through its idle dropout."""
    seen = []

    class Tap(torch.nn.Module):
        def forward(self, probs):
            probs.retain_grad()
            seen.append(probs)
            return probs

    attention = reference.text.encoder.layer[layer].crossattention.self
    dropout, attention.dropout = attention.dropout, Tap()
    image, _ = reference.encode_image(torch.as_tensor(images))
    fused = reference.fuse(image, reference.encode_text(tokens)[0], tokens)
    reference.itm_head(fused[:, 0])[:, 1].sum().backward()
    attention.dropout = dropout
    (probs,) = seen
    mask = torch.as_tensor(tokens.mask, dtype=torch.float32)[:, None, :, None]
    cam = (probs * mask)[..., 1:] * (probs.grad.clamp(min=0) * mask)[..., 1:]
    return cam.mean(1).mean(1).reshape(len(images), 4, 4).detach()


def looked_at(model, images, tokens, layer):
    return grad_cam(model, model.encode_image(images), model.encode_text(tokens), layer=layer)


@pytest.mark.parametrize("layer", [FUSION, 2 * FUSION - 1])
def test_grad_cam(reference, model, images, tokens, layer):
    ours = run(partial(looked_at, layer=layer), model, images, tokens)
    theirs = their_cam(reference, images, tokens, layer)
    assert relative(ours, theirs) < 1e-4
    theirs = theirs.numpy()
    # It tells patches, images and layers apart.
    assert theirs.std(axis=(1, 2)).min() > 0.1 * theirs.mean()
    other = their_cam(reference, images, tokens, 3 * FUSION - 1 - layer)
    assert relative(theirs, other) > 0.1


@pytest.mark.parametrize("layer", [-1, FUSION - 1, 2 * FUSION])
def test_grad_cam_of_a_layer_that_sees_nothing(model, images, tokens, layer):
    with pytest.raises(ValueError, match=rf"layer={layer} does not read the image; choose 2 to 3"):
        looked_at(model, images, tokens, layer=layer)


@pytest.mark.parametrize("task", ["retrieval", "entailment"])
def test_round_trip_is_bitwise(reference, bert_tokenizer, tmp_path, task):
    tensors = original(reference, task)
    first = assemble(tensors | training_state(tensors), head=HEAD)
    models.save(first, bert_tokenizer, tmp_path / "export")
    again, tokenizer = models.load(tmp_path / "export")
    assert again.config == first.config and again.config.task == task
    assert again.text_format == tokenizer.text_format
    saved = safetensors.numpy.load_file(tmp_path / "export" / "model.safetensors")
    assert saved.keys() == tensors.keys()
    assert all(saved[name].tobytes() == tensors[name].tobytes() for name in tensors)


def test_pretrained_layout(reference):
    tensors = original(reference, "retrieval")
    plain = assemble(tensors, head=HEAD)
    deeper = {name.replace("text_encoder.", "text_encoder.bert."): t for name, t in tensors.items()}
    head = {"text_encoder.cls.predictions.bias": np.zeros(3)}
    model = assemble(deeper | head | training_state(deeper), head=HEAD)
    assert model.config == plain.config
    for ours, theirs in zip(jax.tree.leaves(model), jax.tree.leaves(plain), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_another_image_size(reference, bert_tokenizer, tmp_path):
    model = assemble(original(reference, "retrieval"), head=HEAD)
    models.save(model, bert_tokenizer, tmp_path / "export")
    larger, _ = models.load(tmp_path / "export", image_size=48)
    assert larger.config.image_size == 48
    expected = resize_positions(np.asarray(model.vision.pos[...]), 6)
    np.testing.assert_array_equal(larger.vision.pos[...], expected)
    with pytest.raises(ValueError, match=r"image_size=7 holds no patch of patch_size=8"):
        models.load(tmp_path / "export", image_size=7)


def test_an_image_size_that_is_no_multiple_of_the_patch(
    bert_tokenizer, randomised, tokens, tmp_path
):
    """Features, pixel gradients and the map of 4 x 4 patches, which 37 pixels have as 32 do."""
    reference = small(bert_tokenizer, randomised, image_size=37)
    # Tensors do not tell the 5 pixels that no patch covers; the written config.json does.
    models.save(assemble(original(reference, "retrieval"), head=HEAD), bert_tokenizer, tmp_path)
    model, _ = models.load(tmp_path, image_size=37)
    images = pixels(37)
    theirs = expected(reference, images, tokens)
    check(run(everything, model, images, tokens), theirs, tokens.mask, hidden=2e-5)
    cam = run(partial(looked_at, layer=FUSION), model, images, tokens)
    assert relative(cam, their_cam(reference, images, tokens, FUSION)) < 1e-4
    models.save(model, bert_tokenizer, tmp_path)
    assert models.load(tmp_path)[0].config.image_size == 37


def test_a_checkpoint_of_something_else():
    with pytest.raises(ValueError, match=r"has no 'visual_encoder.patch_embed.proj.weight'; exp"):
        originals.albef({"logit_scale": np.zeros(())})


def test_fusion_has_blocks_before_it():
    with pytest.raises(ValueError, match="first_fusion=12 leaves no block before or after it"):
        models.ALBEFConfig(first_fusion=12)


@pytest.mark.slow
def test_full_size(randomised):
    torch.manual_seed(0)
    reference = Reference({}, {"vocab_size": 30522, "num_attention_heads": 12}, embed=256).eval()
    with torch.no_grad():
        for name, weight in reference.named_parameters():
            if name.endswith("bias"):
                weight.normal_(0.0, 0.02)
    tensors = original(reference, "retrieval", fusion=6)
    model = assemble(tensors)
    assert model.config == models.ALBEFConfig()
    rng = np.random.default_rng(0)
    images = pixels(384, batch=2)
    mask = np.arange(30)[None] < np.array([[7], [30]])
    ids = np.where(mask, rng.integers(1000, 30000, mask.shape), 0).astype(np.int32)
    tokens = Tokens(host(ids), host(mask))
    check(
        run(everything, model, images, tokens),
        expected(reference, images, tokens, fusion=6),
        mask,
        hidden=1e-4,
    )
