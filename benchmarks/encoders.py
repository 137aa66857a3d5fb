"""CLIP and ALBEF on both sides: the same weights, the same images and captions."""

import contextlib
import dataclasses
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import safetensors.numpy
import torch
import work
from jax import Array
from torch import Tensor
from torch.nn import functional
from transformers import CLIPModel
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from mat_jax import models
from mat_jax.types.arrays import Batch, TextFeatures, Tokens, unit
from mat_jax.types.protocols import MatchesPairs, Model
from tests.models.albef_reference import Reference, original
from tests.tools.narrow import host, some

STEP = 2 / 255
# Relative l2 distance of two programs that do the same. Theirs in bfloat16 round elsewhere.
SAME = {"float32": 1e-4, "bfloat16": 0.1}


class Compiled:
    """A function of weights and inputs, compiled; weights are arguments, as everywhere."""

    def __init__(self, function: Callable[..., Any], weights: Any, *inputs: Any):
        leaves, tree = jax.tree.flatten(weights)

        def run(leaves: list[Array], *inputs: Any) -> Any:
            return function(jax.tree.unflatten(tree, leaves), *inputs)

        self.inputs = jax.device_put((leaves, *inputs))
        before = time.perf_counter()
        self.run = jax.jit(run).lower(*self.inputs).compile()
        self.compile_seconds = time.perf_counter() - before
        self.scratch_bytes = some(self.run.memory_analysis()).temp_size_in_bytes

    def __call__(self) -> Any:
        return jax.block_until_ready(self.run(*self.inputs))


def own(model: Model, images: Array) -> Array:
    """The image tower as mat_jax computes it."""
    return model.encode_image(images).embed


def images(embed: Callable[[Any, Array], Array], weights: Any, images: Array) -> Array:
    return unit(embed(weights, images))


def texts(model: Model, tokens: Tokens) -> Array:
    return model.encode_text(tokens).unit


def match(model: MatchesPairs, images: Array, tokens: Tokens) -> Array:
    """Logits of image and caption fused, from pixels and ids."""
    image, text = model.encode_image(images), model.encode_text(tokens)
    return model.match_logits(model.fuse(image, text))


def cosine_step(
    embed: Callable[[Any, Array], Array], weights: Any, images: Array, target: Array
) -> tuple[Array, Array]:
    """One step of every image away from its caption, and the gradient it follows."""
    return _step(lambda x: -(unit(embed(weights, x)) * target).sum(), images)


def match_step(model: MatchesPairs, images: Array, text: TextFeatures) -> tuple[Array, Array]:
    """The same, with the fused score for a distance."""

    def value(x: Array) -> Array:
        logits = model.match_logits(model.fuse(model.encode_image(x), text))
        return (logits[:, 0] - logits[:, 1]).sum()

    return _step(value, images)


def _step(value: Callable[[Array], Array], images: Array) -> tuple[Array, Array]:
    slope = jax.grad(value)(images)
    return (images + STEP * jax.numpy.sign(slope)).clip(0, 1), slope


class Torch:
    """The peer in PyTorch, eager: transformers' CLIPModel, or the ALBEF of our tests."""

    def __init__(self, module: Any, batch: Batch, dtype: str, attention: str):
        self.module, self.dtype = module.eval().requires_grad_(False), dtype
        self.tokens = Tokens(
            *(host(np.array(x[:, 0])) for x in batch.tokens)
        )  # torch wants its own
        self.clean = torch.tensor(batch.images).permute(0, 3, 1, 2).contiguous()
        self.mean = torch.tensor(OPENAI_CLIP_MEAN).view(1, 3, 1, 1)
        self.std = torch.tensor(OPENAI_CLIP_STD).view(1, 3, 1, 1)
        self.clip = isinstance(module, CLIPModel)
        if not self.clip and attention == "sdpa":
            for layer in module.vision_model.encoder.layers:
                layer.self_attn.forward = partial(_fused_attention, layer.self_attn)
        with torch.no_grad(), self.precision():
            self.hidden, self.target = self.encode_texts()

    def precision(self) -> contextlib.AbstractContextManager:
        """Parameters stay float32 in any case."""
        return torch.autocast("cpu", torch.bfloat16, enabled=self.dtype == "bfloat16")

    def encode_images(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """All tokens, and the unit embedding."""
        out = self.module.vision_model(pixel_values=(x - self.mean) / self.std)
        if self.clip:
            embed = self.module.visual_projection(out.pooler_output)
        else:
            embed = self.module.vision_proj(out.last_hidden_state[:, 0])
        return out.last_hidden_state, functional.normalize(embed.float(), dim=-1)

    def encode_texts(self) -> tuple[Tensor, Tensor]:
        if self.clip:
            ids = torch.as_tensor(self.tokens.ids, dtype=torch.long)
            out = self.module.text_model(input_ids=ids)
            embed = self.module.text_projection(out.pooler_output)
            return out.last_hidden_state, functional.normalize(embed.float(), dim=-1)
        hidden, embed = self.module.encode_text(self.tokens, self.module.first_fusion)
        return hidden, embed.float()

    def score(self, tokens: Tensor, hidden: Tensor) -> Tensor:
        read = self.module.fuse(tokens, hidden, self.tokens, self.module.first_fusion)
        return self.module.itm_head(read[:, 0]).float()

    def images(self) -> Tensor:
        with torch.no_grad(), self.precision():
            return self.encode_images(self.clean)[1]

    def texts(self) -> Tensor:
        with torch.no_grad(), self.precision():
            return self.encode_texts()[1]

    def match(self) -> Tensor:
        with torch.no_grad(), self.precision():
            return self.score(self.encode_images(self.clean)[0], self.encode_texts()[0])

    def cosine_step(self, *, published: bool = False) -> tuple[Tensor, Tensor]:
        return self._step(lambda x: -(self.encode_images(x)[1] * self.target).sum(), published)

    def match_step(self, *, published: bool = False) -> tuple[Tensor, Tensor]:
        def value(x: Tensor) -> Tensor:
            logits = self.score(self.encode_images(x)[0], self.hidden)
            return (logits[:, 0] - logits[:, 1]).sum()

        return self._step(value, published)

    def _step(self, function: Callable[[Tensor], Tensor], published: bool) -> tuple[Tensor, Tensor]:
        """`published`: weights that require gradients under `.backward()`, as released programs."""
        self.module.requires_grad_(published)
        x = self.clean.clone().requires_grad_()
        with self.precision():
            value = function(x)
        if published:
            self.module.zero_grad()
            value.backward()
            slope = some(x.grad)
        else:
            (slope,) = torch.autograd.grad(value, x)
        return (self.clean + STEP * slope.sign()).clamp(0, 1), slope


def _fused_attention(attention: Any, hidden_states: Tensor, **_: Any) -> tuple[Tensor, None]:
    """BLIP's attention by the fused kernel that transformers gives to CLIP and not to BLIP."""
    three = attention.qkv(hidden_states).unflatten(-1, (3, attention.num_heads, -1))
    q, k, v = three.permute(2, 0, 3, 1, 4)
    read = functional.scaled_dot_product_attention(q, k, v)
    return attention.projection(read.transpose(1, 2).flatten(2)), None


def clip(size: str, batch: int, dtype: str, attention: str, folder: Path) -> tuple[Any, Torch]:
    """Our random weights, written by `models.save`, in both."""
    # `load` wants the ids that `export`'s tokenizer, the smallest there is, begins and ends with.
    config = dataclasses.replace(work.SIZES[size], bos=512, eos=513)
    work.export(config, folder)
    model = _load(folder, dtype)
    module = CLIPModel.from_pretrained(folder, attn_implementation=attention)
    return model, Torch(module, work.batch(model, batch, captions=1), dtype, attention)


def albef(size: str, batch: int, dtype: str, attention: str, folder: Path) -> tuple[Any, Torch]:
    """The peer's random weights, in a checkpoint as ALBEF's authors publish theirs, in both."""
    config = work.ALBEF_SIZES[size]
    vit, bert = config.vision, config.text
    vision = {
        "hidden_size": vit.width,
        "num_hidden_layers": vit.layers,
        "num_attention_heads": vit.heads,
        "intermediate_size": vit.hidden,
        "image_size": config.image_size,
        "patch_size": config.patch_size,
    }
    text = {
        "vocab_size": bert.vocab_size,
        "hidden_size": bert.width,
        "num_hidden_layers": bert.layers,
        "num_attention_heads": bert.heads,
        "intermediate_size": bert.hidden,
        "max_position_embeddings": bert.length,
        "bos_token_id": 0,  # not used, but it must be one of the vocabulary
    }
    module: Any = Reference(vision, text, config.embed)
    module.first_fusion = config.first_fusion
    with torch.no_grad():  # fresh biases are 0, and nobody would notice if one were forgotten
        for weight in module.parameters():
            weight.add_(0.02 * torch.randn_like(weight))
    # The file wants a tokenizer beside it; the benchmark makes its ids up and never uses it.
    models.Tokenizer.train_bert(["a red circle"], bert.vocab_size, bert.length).save(folder)
    file = folder / "albef.safetensors"
    safetensors.numpy.save_file(original(module, "retrieval", config.first_fusion), file)
    model = _load(file, dtype)
    assert model.config == config, f"expected {config}, got {model.config}"
    return model, Torch(module, work.batch(model, batch, captions=1), dtype, attention)


def _load(source: Path, dtype: str) -> Any:
    options: dict[str, Any] = {} if dtype == "float32" else {"dtype": dtype}
    return models.load(source, **options)[0]


def require_same(name: str, ours: Any, theirs: Any, dtype: str) -> float:
    """How far two results are apart, relative to their size; exits if they are not the same.

    Of a step the gradient counts: its sign near zero is rounding's choice.
    """
    a, b = (_array(x[1] if isinstance(x, tuple) else x) for x in (ours, theirs))
    apart = float(np.linalg.norm(a - b) / np.linalg.norm(b))
    if not apart <= SAME[dtype]:
        sys.exit(f"{name}: results are {apart:.1e} apart, expected {SAME[dtype]}; nothing timed")
    return apart


def _array(x: Any) -> np.ndarray:
    if isinstance(x, Tensor):
        x = x.permute(0, 2, 3, 1) if x.ndim == 4 else x
        return x.detach().float().numpy()
    return np.asarray(x, np.float32)
