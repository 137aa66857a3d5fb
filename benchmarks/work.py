"""The work both sides are given: weights in a folder, images, captions and their substitutes."""

from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mat_jax import models
from mat_jax.attacks.compiled import longest
from mat_jax.attacks.optimizers.projected_gradient import example_keys, fold
from mat_jax.data.pipeline import SHORTEST
from mat_jax.types.arrays import Batch, Words
from mat_jax.types.text_format import compose, cut_length
from tests.tools.narrow import host

CAPTIONS, WORDS, CANDIDATES = 5, 15, 10
SGA_STEPS, MAT_STEPS, EPS, SCALES = 10, 2, 2 / 255, (0.5, 0.75, 1.25, 1.5)

SIZES = {
    # For debugging the benchmark: nothing but overhead is measured with it.
    "tiny": models.CLIPConfig(
        image_size=32, patch_size=16, vision=models.ViTConfig(width=64, layers=2, heads=2),
        text=models.BertConfig(vocab_size=514, length=24, width=64, layers=2, heads=2), embed=32,
    ),
    # The shape of the CLIP shipped with the package.
    "small": models.CLIPConfig(
        image_size=64, patch_size=16, vision=models.ViTConfig(width=192, layers=4, heads=6),
        text=models.BertConfig(vocab_size=964, length=24, width=128, layers=3, heads=4), embed=128,
    ),
    # OpenAI's ViT-B/16, its 77 ids a caption included.
    "b16": models.CLIPConfig(),
}  # fmt: skip


ALBEF_SIZES = {
    "tiny": models.ALBEFConfig(
        image_size=32, patch_size=16, vision=models.ViTConfig(width=64, layers=2, heads=1),
        text=models.BertConfig(vocab_size=300, length=40, width=64, layers=4, heads=1),
        first_fusion=2, embed=32,
    ),
    "small": models.ALBEFConfig(
        image_size=64, patch_size=16, vision=models.ViTConfig(width=192, layers=4, heads=3),
        text=models.BertConfig(vocab_size=964, length=40, width=128, layers=4, heads=2),
        first_fusion=2, embed=128,
    ),
    # The published one: ViT-B/16 at 384 px, captions of 30 ids, six blocks and six that read.
    "b16": models.ALBEFConfig(),
}  # fmt: skip


@dataclass(frozen=True)
class Caption:
    """A caption as the PyTorch program has it: lists of ids, no padding."""

    words: list[list[int]]
    substitutes: list[list[list[int]]]  # of each word; empty where the word may not change


def export(config: models.CLIPConfig, folder: Path) -> models.CLIP:
    """A model with random weights, written where transformers finds it."""
    model = models.CLIP(config, nnx.Rngs(0))
    # The file format wants a tokenizer; the benchmark makes its ids up and never uses it.
    tokenizer = models.Tokenizer.train_clip(["a red circle"], 514, config.text.length)
    models.save(model, tokenizer, folder)
    return model


def batch(model: models.CLIP | models.ALBEF, size: int, *, captions: int, seed: int = 0) -> Batch:
    """Blotchy images; captions of 10 to 15 words, every second of which may change.

    A word has one id, or two with probability 0.15, and so have its ten substitutes. (Flickr30k:
    12.4 words a caption, 7.0 of them not on the stop list.)
    """
    random, config = np.random.default_rng(seed), model.config
    vocab_size = config.text.vocab_size
    grid = random.uniform(0.1, 0.9, (size, 8, 8, 3))
    pixels = grid.repeat(config.image_size // 8, 1).repeat(config.image_size // 8, 2)
    pixels = np.clip(pixels + random.normal(0, 0.05, pixels.shape), 0, 1).astype(np.float32)

    lead = (size, captions, WORDS)

    def lengths(shape: tuple[int, ...]) -> np.ndarray:
        return 1 + (random.random(shape) < 0.15).astype(np.int32)

    def parts(shape: tuple[int, ...]) -> np.ndarray:
        return random.integers(0, vocab_size - 2, (*shape, 2), np.int32)

    real = np.arange(WORDS) < random.integers(10, WORDS + 1, (size, captions, 1))
    may_change = real & ((np.arange(WORDS) + random.integers(0, 2, (size, captions, 1))) % 2 == 0)
    table = Words(
        host(parts(lead)),
        host(lengths(lead) * real),
        host(parts((*lead, CANDIDATES))),
        host(lengths((*lead, CANDIDATES)) * may_change[..., None]),
    )
    tokens = compose(jnp.asarray(table.parts), jnp.asarray(table.lengths), model.text_format)
    ids, present = np.arange(size, dtype=np.int32), np.ones((size, captions), bool)
    found = Batch(host(ids), host(pixels), tokens, host(present), table)
    return jax.tree.map(np.asarray, found)


def cut(batch: Batch, model: models.CLIP) -> Batch:
    """The batch as training cuts it: no text is longer than any of them may become."""
    length = batch.tokens.ids.shape[-1]
    room = cut_length(longest(batch, model.text_format, 1), length, least=SHORTEST)
    return batch._replace(tokens=jax.tree.map(lambda x: x[..., :room], batch.tokens))


def as_lists(words: Words) -> list[Caption]:
    """The captions of a batch, image by image, for the PyTorch program."""
    flat = [np.asarray(x).reshape(-1, *x.shape[2:]) for x in words]
    return [
        Caption(
            [list(map(int, p[:n])) for p, n in zip(parts, lengths, strict=True) if n],
            [
                [list(map(int, p[:n])) for p, n in zip(some, counts, strict=True) if n]
                for some, counts, n in zip(substitutes, substitute_lengths, lengths, strict=True)
                if n
            ],
        )
        for parts, lengths, substitutes, substitute_lengths in zip(*flat, strict=True)
    ]


def start(
    images: np.ndarray, ids: np.ndarray, key: jax.Array, eps: float, *, one_sided: bool = False
) -> np.ndarray:
    """The random start that `attacks.pgd` draws for these images."""
    keys = fold(fold(example_keys(key, jnp.asarray(ids)), jnp.int32(0)), jnp.int32(0))
    low = 0.0 if one_sided else -eps
    draw = jax.vmap(lambda one: jax.random.uniform(one, images.shape[1:], minval=low, maxval=eps))
    moved = images + np.asarray(draw(keys))
    return moved if one_sided else np.clip(moved, 0, 1)


def noise(images: np.ndarray, ids: np.ndarray, key: jax.Array, step: int, view: int) -> np.ndarray:
    """The noise that `mat_jax.attacks.sga` adds to view 1, 2, ... in step 0, 1, ..."""
    keys = fold(fold(example_keys(key, jnp.asarray(ids)), jnp.int32(0)), jnp.int32(step + 1))
    draw = jax.vmap(lambda one: jax.random.normal(one, images.shape[1:]))
    return np.asarray(draw(fold(keys, jnp.int32(view))))
