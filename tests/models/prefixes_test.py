"""Variants of captions whose common beginnings are encoded once, against each encoded whole."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from mat_jax import models
from mat_jax.attacks.embeddings import embed_texts, embed_variants
from mat_jax.models import prefixes
from mat_jax.models.layers import compute_in
from mat_jax.models.memory import Memory, remember
from mat_jax.types.arrays import Tokens

PLAIN = Memory()
LENGTH, VOCABULARY, CAPTIONS, VARIANTS = 40, 60, 9, 8


@functools.cache
def clip(memory: Memory = PLAIN, dtype: str = "float32") -> models.CLIP:
    vision = models.ViTConfig(width=16, layers=1, heads=2)
    text = models.BertConfig(vocab_size=VOCABULARY, length=LENGTH, width=32, layers=3, heads=2)
    config = models.CLIPConfig(
        image_size=16, patch_size=8, vision=vision, text=text, embed=16, bos=58, eos=59
    )
    model = models.CLIP(config, nnx.Rngs(0))
    remember(model, memory)
    compute_in(model, dtype)
    return model


def text(draw: np.random.Generator, words: int) -> np.ndarray:
    ids = np.zeros(LENGTH, np.int32)
    ids[: words + 2] = 58, *draw.integers(1, 50, words), 59
    return ids


def texts(seed: int, rests: list[int]) -> tuple[Tokens, Tokens]:
    """Captions, and variants of each that are other from some place on, and shorter or longer."""
    draw = np.random.default_rng(seed)
    captions, variants = [], []
    for rest in rests:
        words = int(draw.integers(rest, LENGTH - 3))
        caption = text(draw, words)
        captions.append(caption)
        for _ in range(VARIANTS):
            kept = words - rest
            other = text(draw, kept + int(draw.integers(0, min(rest + 1, LENGTH - 3 - kept) + 1)))
            other[: kept + 1] = caption[: kept + 1]
            variants.append(other)
    return tuple(  # type: ignore[return-value]
        Tokens(jnp.asarray(x), jnp.asarray(np.arange(LENGTH) <= (x == 59).argmax(1)[:, None]))
        for x in (np.array(captions), np.array(variants))
    )


@functools.cache
def both(memory: Memory = PLAIN, dtype: str = "float32"):
    model = clip(memory, dtype)
    whole = jax.jit(lambda tokens: embed_texts(model, tokens))
    rest = jax.jit(lambda captions, variants: embed_variants(model, captions)(variants, None))
    return whole, rest


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 36), min_size=CAPTIONS, max_size=CAPTIONS))
def test_variants_are_embedded_as_if_encoded_whole(seed: int, rests: list[int]) -> None:
    captions, variants = texts(seed, rests)
    whole, rest = both()
    np.testing.assert_allclose(rest(captions, variants), whole(variants), atol=2e-6)


def test_texts_too_short_to_be_cut() -> None:
    captions, variants = texts(0, [1] * CAPTIONS)
    short = [jax.tree.map(lambda x: x[:, :8], tokens) for tokens in (captions, variants)]
    short = [Tokens(tokens.ids.at[:, 7].set(59), tokens.mask) for tokens in short]
    np.testing.assert_allclose(both()[1](*short), both()[0](short[1]), atol=2e-6)


@pytest.mark.parametrize("rest", [1, 7, 8, 15, 16, 19, 20, 36])
@pytest.mark.parametrize("memory", [Memory(rows=24), Memory(scan=True), Memory("blocks", rows=24)])
def test_so_they_are_in_pieces_and_in_loops(rest: int, memory: Memory) -> None:
    captions, variants = texts(rest, [rest] * CAPTIONS)
    found = both(memory)[1](captions, variants)
    np.testing.assert_allclose(found, both()[0](variants), atol=2e-6)


def test_in_bfloat16_they_are_as_near_as_its_rounding() -> None:
    captions, variants = texts(0, [3, 5, 30, 12, 8, 20, 1, 0, 9])
    found = both(Memory(), "bfloat16")[1](captions, variants)
    np.testing.assert_allclose(found, both()[0](variants), atol=0.05)


def test_variants_of_some_of_the_captions() -> None:
    captions, variants = texts(4, [2, 9, 17, 30, 1, 6, 11, 4, 8])
    rows = jnp.asarray([7, 2, 2, 0])
    model = clip()

    @jax.jit
    def of_some(captions: Tokens, variants: Tokens) -> jax.Array:
        own = jax.tree.map(
            lambda x: x.reshape(CAPTIONS, VARIANTS, -1)[rows].reshape(-1, LENGTH), variants
        )
        return embed_variants(model, captions)(own, rows)

    expected = both()[0](variants).reshape(CAPTIONS, VARIANTS, -1)[rows].reshape(-1, 16)
    np.testing.assert_allclose(of_some(captions, variants), expected, atol=2e-6)


@pytest.mark.parametrize(
    ("length", "expected"), [(77, [24, 40]), (32, [8, 16]), (24, [8, 16]), (16, [8]), (8, [])]
)
def test_windows_are_shorter_than_the_text(length: int, expected: list[int]) -> None:
    assert prefixes.windows(length) == expected


def test_only_what_differs_is_encoded() -> None:
    """Operations of the branch for the shortest rests are those of its window, not of all."""
    model = clip()
    captions, variants = texts(1, [3] * CAPTIONS)
    apart = variants.ids.reshape(CAPTIONS, VARIANTS, LENGTH)
    at = jnp.argmax(apart == 59, axis=-1)
    first = jnp.min(at, axis=1)
    kept = prefixes.encode(model.text, captions.ids)

    def work(function, *given) -> float:
        costs = jax.jit(function).lower(*given).compile().cost_analysis()
        assert costs is not None
        return costs["flops"]

    def rest(apart, at, first):
        return prefixes._encode_rest(model.text, kept, apart, at, first, window=8)

    all_of_them = work(
        lambda ids, at: model.text(ids, ids > 0, at)[1], variants.ids, at.reshape(-1)
    )
    # Attention still looks at the whole caption: here, of 40 ids and width 32, that is much.
    assert work(rest, apart, at, first) < 0.45 * all_of_them
