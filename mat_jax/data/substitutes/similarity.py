"""How much of a sentence's meaning is left, as a text model that is not under attack sees it."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from mat_jax.data.clean import clean_caption
from mat_jax.data.substitutes.truth import Keep
from mat_jax.types.arrays import Tokens, unit
from mat_jax.types.protocols import Model, ReadsText, Tokenizer

BATCH = 256


class SentenceEncoder:
    """Cosines of sentences under a text model: an image-text model's text tower, or a BERT.

    A BERT's sentence is the mean of its tokens, start and end included (Reimers and Gurevych
    2019); of an image-text model it is the embedding it compares with images.
    """

    def __init__(self, model: Model | ReadsText, tokenizer: Tokenizer) -> None:
        self.graph, self.state = nnx.split(model)
        self.tokenizer = tokenizer
        self.known: dict[str, np.ndarray] = {}

    def units(self, texts: Sequence[str]) -> Float[np.ndarray, "texts embed"]:
        """Embeddings on the unit sphere; a sentence is encoded once."""
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        for first in range(0, len(new), BATCH):
            chunk = new[first : first + BATCH]
            # The last chunk is filled up, so that one shape is compiled.
            tokens = self.tokenizer(chunk + [chunk[0]] * (BATCH - len(chunk)))
            found = np.asarray(_embed(self.graph, self.state, tokens))
            self.known.update(zip(chunk, found, strict=False))
        return np.stack([self.known[text] for text in texts])

    def cosines(self, ones: Sequence[str], others: Sequence[str]) -> Float[np.ndarray, " texts"]:
        """The cosine of each of `ones` with the sentence at the same place of `others`."""
        return np.sum(self.units(ones) * self.units(others), axis=-1)


# Not inside the class: encoders of one shape, before and after training, share the program.
@partial(jax.jit, static_argnums=0)
def _embed(graph: Any, state: Any, tokens: Tokens) -> Array:
    """[texts, embed] on the unit sphere."""
    model: Model | ReadsText = nnx.merge(graph, state)
    if isinstance(model, Model):
        return unit(model.encode_text(tokens).embed.astype(jnp.float32))
    start = jnp.zeros(tokens.ids.shape[0], jnp.int32)
    hidden, _ = model.text(tokens.ids, tokens.mask, start)
    mask = tokens.mask[..., None].astype(jnp.float32)
    return unit(jnp.sum(hidden.astype(jnp.float32) * mask, axis=1))


def similar(corpus: Any, encoder: SentenceEncoder, threshold: float) -> Keep:
    """Keep a substitute if the caption with it has a cosine of `threshold` or more with the clean.

    Substitutes are judged one at a time: two that are each near may together be farther.
    """
    texts = [clean_caption(text) for text in corpus.caption_list]

    def keep(asked: Sequence[tuple[int, int, str]]) -> list[bool]:
        kept: list[bool] = []
        for first in range(0, len(asked), 64 * BATCH):
            clean, edited = [], []
            for row, word, substitute in asked[first : first + 64 * BATCH]:
                words = texts[row].split()
                clean.append(texts[row])
                edited.append(" ".join([*words[:word], substitute, *words[word + 1 :]]))
            kept += (encoder.cosines(clean, edited) >= threshold).tolist()
            encoder.known.clear()
        return kept

    return keep
