"""ALBEF against parts of transformers put together, and a copy of its published layout."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
import torch
import transformers
from flax import nnx
from transformers.models.blip import modeling_blip, modeling_blip_text

from mat_jax import models
from mat_jax.models import files
from mat_jax.models.clip import PIXEL_MEAN, PIXEL_STD
from mat_jax.models.layouts import ALBEF_ORIGINAL
from mat_jax.models.vision import resize_positions
from mat_jax.records import Tokens

TEXTS = ["a red ball lies on the sofa", "dogs", "two green boxes play in the blue field"]
HEAD = 16
FUSION = 2  # blocks before fusion, and blocks of it


@pytest.fixture(autouse=True)
def _exact_products():
    with jax.default_matmul_precision("highest"):
        yield


class Reference(torch.nn.Module):
    """BLIP's image tower is ALBEF's, and BLIP's text tower can be run as ALBEF's in two parts."""

    def __init__(self, vision: dict, text: dict, embed: int = 24):
        super().__init__()
        vision = {"layer_norm_eps": 1e-6, "initializer_range": 0.02} | vision
        self.vision = modeling_blip.BlipVisionModel(transformers.BlipVisionConfig(**vision))
        wide = self.vision.config.hidden_size
        text = transformers.BlipTextConfig(encoder_hidden_size=wide, **text)
        self.text = modeling_blip_text.BlipTextModel(text, add_pooling_layer=False)
        narrow = text.hidden_size
        self.vision_proj = torch.nn.Linear(wide, embed)
        self.text_proj = torch.nn.Linear(narrow, embed)
        self.itm_head = torch.nn.Linear(narrow, 2)
        self.cls_head = torch.nn.Sequential(
            torch.nn.Linear(narrow, narrow), torch.nn.ReLU(), torch.nn.Linear(narrow, 3)
        )

    def encode_image(self, images):
        pixels = (images - torch.tensor(PIXEL_MEAN)) / torch.tensor(PIXEL_STD)
        tokens = self.vision(pixel_values=pixels.permute(0, 3, 1, 2)).last_hidden_state
        return tokens, unit(self.vision_proj(tokens[:, 0]))

    def encode_text(self, tokens, fusion=FUSION):
        ids = torch.as_tensor(tokens.ids, dtype=torch.long)
        hidden = self.run(self.text.embeddings(ids), tokens, slice(fusion), None)
        return hidden, unit(self.text_proj(hidden[:, 0]))

    def fuse(self, image, hidden, tokens, fusion=FUSION):
        return self.run(hidden, tokens, slice(fusion, None), image)

    def run(self, x, tokens, layers, image):
        hide = torch.where(torch.as_tensor(tokens.mask), 0.0, torch.finfo(x.dtype).min)
        for layer in self.text.encoder.layer[layers]:
            x = layer(x, image, attention_mask=hide[:, None, None])
        return x


def unit(x):
    return torch.nn.functional.normalize(x, dim=-1)


ORIGINAL = {
    "embeddings.class_embedding": "cls_token",
    "embeddings.position_embedding": "pos_embed",
    "embeddings.patch_embedding": "patch_embed.proj",
    "encoder.layers": "blocks",
    "layer_norm": "norm",
    "self_attn.projection": "attn.proj",
    "self_attn": "attn",
    "post_layernorm": "norm",
}


def original(reference: Reference, task: str, fusion: int = FUSION) -> dict[str, np.ndarray]:
    """The tensors a published checkpoint of such a model holds, as ALBEF's code names them."""
    entailment = task == "entailment"
    heads = ("cls_head",) if entailment else ("vision_proj", "text_proj", "itm_head")
    found = {} if entailment else {"temp": np.asarray(0.05, np.float32)}
    for name, tensor in reference.state_dict().items():
        part, rest = name.split(".", 1)
        if part == "vision":
            for theirs, albef in ORIGINAL.items():
                rest = rest.replace(theirs, albef)
            name = f"visual_encoder.{rest}"
        elif part == "text":
            name = f"text_encoder.{rest}"
            number = [int(n) for n in name.split(".") if n.isdigit()]
            if "crossattention" in name and number[0] < fusion:
                continue
        elif part not in heads:
            continue
        found[name] = tensor.numpy()
    # The reference has no segments: theirs are in its positions.
    width = reference.text.config.hidden_size
    types = np.random.default_rng(1).normal(size=(2, width)).astype(np.float32)
    positions = "text_encoder.embeddings.position_embeddings.weight"
    found[positions] = found[positions] - types[0]
    found["text_encoder.embeddings.token_type_embeddings.weight"] = types
    return found


def training_state(tensors):
    """What else is in a checkpoint: slow copies, queues, a buffer."""
    slow = {name.replace(".", "_m.", 1): tensor for name, tensor in tensors.items() if "." in name}
    queues = {"image_queue": np.zeros((4, 8)), "idx_queue": np.zeros(8), "queue_ptr": np.zeros(1)}
    return slow | queues | {"text_encoder.embeddings.position_ids": np.arange(24)[None]}


def assemble(tensors, **options):
    config = models.ALBEFConfig.from_tensors(tensors, **options)
    return files.assemble(config, files.fitted(tensors, config, ALBEF_ORIGINAL, source="file"))


@pytest.fixture(scope="module")
def reference(bert_tokenizer, randomised):
    torch.manual_seed(0)
    vision = {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 120,
        "image_size": 32,
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
    return np.random.default_rng(0).random((3, 32, 32, 3), dtype=np.float32)


@pytest.fixture(scope="module")
def theirs(reference, images, tokens):
    return expected(reference, images, tokens)


def expected(reference, images, tokens, fusion=FUSION):
    """What the reference says: a dictionary of arrays, with the gradient of the matches."""
    pixels = torch.tensor(images, requires_grad=True)
    image, image_unit = reference.encode_image(pixels)
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
        "gradient": pixels.grad,
    }
    return {name: tensor.detach().numpy() for name, tensor in found.items()}


def run(function, model, *inputs):
    """`function(model, *inputs)`, compiled, with the weights as arguments."""
    graph, state = nnx.split(model)
    return jax.jit(lambda state, *inputs: function(nnx.merge(graph, state), *inputs))(
        state, *inputs
    )


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
    assert relative(ours.pop("gradient"), theirs["gradient"]) < 1e-4
    for name, error in errors(ours, theirs, mask).items():
        assert error < (1e-5 if name.endswith("unit") else hidden), (name, error)


def relative(ours, theirs):
    return float(np.linalg.norm(np.asarray(ours) - theirs) / np.linalg.norm(theirs))


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


def inside(part, **changes):
    def change(model):
        changed = dataclasses.replace(getattr(model.config, part), **changes)
        config = dataclasses.replace(model.config, **{part: changed})
        graph, _ = nnx.split(nnx.eval_shape(lambda: models.ALBEF(config, nnx.Rngs(0))))
        return nnx.merge(graph, nnx.state(model))

    return change


def edited(edit):
    def change(model):
        model = nnx.clone(model)
        edit(model)
        return model

    return change


class Nothing(nnx.Module):
    def __call__(self, x):
        return x


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
    return cam.mean(1).mean(1).reshape(len(images), 4, 4).detach().numpy()


@pytest.mark.parametrize("layer", [FUSION, 2 * FUSION - 1])
def test_grad_cam(reference, model, images, tokens, layer):
    ours = run(lambda m, i, t: models.grad_cam(m, i, t, layer=layer), model, images, tokens)
    theirs = their_cam(reference, images, tokens, layer)
    assert relative(ours, theirs) < 1e-4
    # It tells patches, images and layers apart.
    assert theirs.std(axis=(1, 2)).min() > 0.1 * theirs.mean()
    other = their_cam(reference, images, tokens, 3 * FUSION - 1 - layer)
    assert relative(theirs, other) > 0.1


@pytest.mark.parametrize("layer", [-1, FUSION - 1, 2 * FUSION])
def test_grad_cam_of_a_layer_that_sees_nothing(model, images, tokens, layer):
    with pytest.raises(ValueError, match=rf"layer={layer} does not read the image; choose 2 to 3"):
        models.grad_cam(model, images, tokens, layer=layer)


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
    with pytest.raises(ValueError, match=r"image_size=50 is not a multiple of patch_size=8"):
        models.load(tmp_path / "export", image_size=50)


def test_a_checkpoint_of_something_else():
    with pytest.raises(ValueError, match=r"has no 'visual_encoder.patch_embed.proj.weight'; exp"):
        models.ALBEFConfig.from_tensors({"logit_scale": np.zeros(())})


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
    images = rng.random((2, 384, 384, 3), dtype=np.float32)
    mask = np.arange(30)[None] < np.array([[7], [30]])
    tokens = Tokens(np.where(mask, rng.integers(1000, 30000, mask.shape), 0).astype(np.int32), mask)
    check(
        run(everything, model, images, tokens),
        expected(reference, images, tokens, fusion=6),
        mask,
        hidden=1e-4,
    )
