"""The records that travel between the parts: all of them pytrees of arrays.

Dimension names, used in every annotation of the package:

=============  ==========================================================
`batch`        images of a batch
`captions`     captions of one image (padded; `Batch.present` says which are real)
`pictures`     partner images of one image
`length`       token positions of a caption
`words`        word slots of a caption (padded)
`candidates`   substitutes of one word (padded)
`parts`        token ids of one word (padded)
`embed`        the shared space of images and texts
=============  ==========================================================

Images are floats in [0, 1]; normalisation is the first thing a model does.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt8


class Example(NamedTuple):
    """One image with its captions.

    `image_id` is a number no other image of the source has: random draws for this image are
    derived from it, so that they do not depend on the batch it is in.
    """

    image: UInt8[np.ndarray, "height width 3"]
    captions: tuple[str, ...]
    image_id: int


class Tokens(NamedTuple):
    """Token ids and which of them are real (False on padding)."""

    ids: Int[Array, "*lead length"]
    mask: Bool[Array, "*lead length"]


class ImageFeatures(NamedTuple):
    """What an image encoder returns: all tokens, and the projected vector, not normalised."""

    tokens: Float[Array, "*lead patches width"]
    embed: Float[Array, "*lead embed"]

    @property
    def unit(self) -> Float[Array, "*lead embed"]:
        """`embed` on the unit sphere."""
        return unit(self.embed)


class TextFeatures(NamedTuple):
    """What a text encoder returns: all tokens, and the projected vector, not normalised.

    `ids` are there where a model reads the text again together with an image.
    """

    tokens: Float[Array, "*lead length width"]
    embed: Float[Array, "*lead embed"]
    mask: Bool[Array, "*lead length"]
    ids: Int[Array, "*lead length"] | None = None

    @property
    def unit(self) -> Float[Array, "*lead embed"]:
        """`embed` on the unit sphere."""
        return unit(self.embed)


class Words(NamedTuple):
    """Captions as words, with the substitutes an attacker may put in their place.

    A caption is the concatenation of its words' token ids (`text_format.compose`), so a caption
    with any words replaced is put together on the device, whatever lengths the substitutes have.
    A length of 0 is an empty slot: no such word, or no such substitute. Slot order is reading
    order for words and falling probability under the masked language model for substitutes.
    """

    parts: Int[Array, "*lead words parts"]
    lengths: Int[Array, "*lead words"]
    substitutes: Int[Array, "*lead words candidates parts"]
    substitute_lengths: Int[Array, "*lead words candidates"]


class GivenAnswers(NamedTuple):
    """What people answered to questions, every answer once.

    `weights` are the shares of the people who gave an answer: they sum to 1, and padding has 0.
    """

    tokens: Tokens  # [*lead, answers, length]
    weights: Float[Array, "*lead answers"]


class Batch(NamedTuple):
    """One batch of images with their captions.

    `words` is None where no text is attacked, `labels` where the source has no classes,
    `partner_images` where there is one picture an image, as in all but one-to-many training,
    and `answers` where captions are no questions.
    """

    ids: Int[Array, " batch"]
    images: Float[Array, "batch height width 3"]
    tokens: Tokens  # [batch, captions, length]
    present: Bool[Array, "batch captions"]
    words: Words | None = None  # [batch, captions, words, ...]
    labels: Int[Array, " batch"] | None = None  # the class of each image
    partner_images: Float[Array, "batch pictures height width 3"] | None = None
    answers: GivenAnswers | None = None  # [batch, answers, ...]

    @property
    def first(self) -> Tokens:
        """The first caption of each image, [batch, length]."""
        return Tokens(self.tokens.ids[:, 0], self.tokens.mask[:, 0])


class Adversarial(NamedTuple):
    """What an attack returns. `choice[b, m, w]` is the substitute put at word w, -1 for none."""

    images: Float[Array, "batch height width 3"]
    tokens: Tokens
    choice: Int[Array, "batch captions words"] | None
    stats: dict[str, Array]  # per-example [batch] or per-caption [batch, captions] figures


def unit(vectors: Float[Array, "*lead embed"]) -> Float[Array, "*lead embed"]:
    """Scale vectors to length 1. A zero vector stays zero, with a finite gradient."""
    squared = jnp.sum(jnp.square(vectors), axis=-1, keepdims=True)
    return vectors * jnp.where(
        squared > 0, 1.0 / jnp.sqrt(jnp.where(squared > 0, squared, 1.0)), 0.0
    )
