"""Embeddings of pictures and of captions as text, on the host, for ranking."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from mat_jax.records import Tokens

TEXT_BATCH = 256


@partial(jax.jit, static_argnums=0)
def _images(graph: Any, state: Any, images: Float[Array, "batch height width 3"]) -> Array:
    return nnx.merge(graph, state).encode_image(images).unit


@partial(jax.jit, static_argnums=0)
def _texts(graph: Any, state: Any, tokens: Tokens) -> Array:
    return nnx.merge(graph, state).encode_text(tokens).unit


def encode_images(
    model: nnx.Module, images: Float[np.ndarray, "batch height width 3"]
) -> Float[np.ndarray, "batch embed"]:
    """Image embeddings on the unit sphere."""
    return np.asarray(_images(*nnx.split(model), images), np.float32)


def encode_texts(
    model: nnx.Module, tokenizer: Any, texts: Sequence[str]
) -> Float[np.ndarray, "texts embed"]:
    """Caption embeddings on the unit sphere, tokenized from the strings."""
    parts = []
    for first in range(0, len(texts), TEXT_BATCH):
        chunk = list(texts[first : first + TEXT_BATCH])
        filled = chunk + [chunk[0]] * (min(TEXT_BATCH, len(texts)) - len(chunk))
        embeds = _texts(*nnx.split(model), tokenizer(filled))
        parts.append(np.asarray(embeds, np.float32)[: len(chunk)])
    return np.concatenate(parts)
