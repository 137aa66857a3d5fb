"""Features of pictures and of captions as text, on the host, for ranking."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from mat_jax.types.arrays import ImageFeatures, TextFeatures, Tokens
from mat_jax.types.protocols import (
    Captions,
    EncodesImages,
    EncodesPairs,
    FusesPairs,
    MatchesPairs,
    Model,
    Tokenizer,
)

TEXT_BATCH = 256
MATCH_BATCH = 128  # texts that are matched with one image at once


class Encoded(NamedTuple):
    """Pictures or texts on the unit sphere; and all their features, if a model reads them on."""

    unit: Float[np.ndarray, "rows embed"]
    whole: ImageFeatures | TextFeatures | None


@partial(jax.jit, static_argnums=0)
def _images(graph: Any, state: Any, images: Float[Array, "batch height width 3"]) -> Any:
    model = nnx.merge(graph, state)
    found = model.encode_image(images)
    read_on = isinstance(model, FusesPairs | Captions)
    return Encoded(found.unit, found if read_on else None)


@partial(jax.jit, static_argnums=0)
def _texts(graph: Any, state: Any, tokens: Tokens) -> Any:
    model = nnx.merge(graph, state)
    found = model.encode_text(tokens)
    return Encoded(found.unit, found if isinstance(model, FusesPairs) else None)


@partial(jax.jit, static_argnums=0)
def _scores(graph: Any, state: Any, image: ImageFeatures, texts: TextFeatures) -> Array:
    model = nnx.merge(graph, state)
    logits = model.match_logits(model.fuse(image, texts))
    return model.match_score(logits, texts.unit @ image.unit[0])


def matches_pairs(model: object) -> bool:
    """Whether a model can say of a pair, read together, if it belongs together."""
    return isinstance(model, MatchesPairs)


def encode_images(
    model: EncodesImages, images: Float[np.ndarray, "batch height width 3"]
) -> Encoded:
    """Features of images."""
    return jax.device_get(_images(*nnx.split(model), images))


def encode_texts(
    model: EncodesPairs, tokenizer: Tokenizer, texts: Sequence[str], *, of: int | None = None
) -> Encoded:
    """Features of captions, tokenized from the strings.

    Args:
        model, tokenizer: who reads them.
        texts: the captions.
        of: how many captions the gallery has that these are some of: any number of them then goes
            through one compiled program.
    """
    parts = []
    size = min(TEXT_BATCH, of or len(texts))
    for first in range(0, len(texts), size):
        chunk = list(texts[first : first + size])
        filled = chunk + [chunk[0]] * (size - len(chunk))
        found = jax.device_get(_texts(*nnx.split(model), tokenizer(filled)))
        parts.append(rows(found, slice(len(chunk))))
    return joined(parts)


def rows(encoded: Any, chosen: slice | np.ndarray) -> Any:
    """Some of the rows."""
    return jax.tree.map(lambda x: x[chosen], encoded)


def joined(parts: Sequence[Encoded]) -> Encoded:
    """Parts of a gallery as one."""
    return jax.tree.map(lambda *x: np.concatenate(x), *parts)


def match_scores(
    model: Model, images: Encoded, texts: Encoded, pairs: Int[np.ndarray, "pairs 2"]
) -> Float[np.ndarray, " pairs"]:
    """What a model that matches makes of pairs (image row, text row).

    Pairs are taken image by image, so that what is read of an image is computed once for
    `MATCH_BATCH` texts.
    """
    graph, state = nnx.split(model)
    scores = np.empty(len(pairs), np.float32)
    order = np.argsort(pairs[:, 0], kind="stable")
    ends = np.flatnonzero(np.diff(pairs[order, 0])) + 1
    for own in np.split(order, ends):
        image = pairs[own[0], 0]
        for first in range(0, len(own), MATCH_BATCH):
            chunk = own[first : first + MATCH_BATCH]
            filled = np.resize(chunk, MATCH_BATCH)  # one shape, so one compilation
            found = _scores(
                graph,
                state,
                rows(images.whole, slice(image, image + 1)),
                rows(texts.whole, pairs[filled, 1]),
            )
            scores[chunk] = np.asarray(found)[: len(chunk)]
    return scores
