"""What the parts ask of each other: models, tokenizers, sources, attacks, defences, tasks.

A protocol is kept by having its members; nothing is inherited. What only some models or sources
can do is a protocol of its own (`MatchesPairs`, `HasLabels`), and `isinstance` asks for it.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int, Key

from mat_jax.types.arrays import (
    Adversarial,
    Batch,
    ImageFeatures,
    TextFeatures,
    Tokens,
)
from mat_jax.types.text_format import TextFormat

# How an image becomes a square, see `data.resize`.
Fit = Literal["crop", "press", "align"]


@runtime_checkable
class Tokenizer(Protocol):
    """Turns captions into ids. `models.Tokenizer` is one."""

    @property
    def text_format(self) -> TextFormat:
        """How texts are framed."""
        ...

    def __call__(self, captions: Sequence[str], /, *, clean: Callable[[str], str] = ...) -> Tokens:
        """Tokens [captions, length], framed as `text_format` says."""
        ...

    def parts(self, word: str, /) -> list[int]:
        """The ids of one word, without start and end."""
        ...


@runtime_checkable
class EncodesImages(Protocol):
    """Sees images, floats in [0, 1]; normalisation is the first thing it does."""

    def encode_image(self, images: Float[Array, "batch height width 3"], /) -> ImageFeatures:
        """Features of images, each of the model's size."""
        ...


@runtime_checkable
class EncodesPairs(EncodesImages, Protocol):
    """Has an encoder of images and one of texts."""

    @property
    def text_format(self) -> TextFormat:
        """How its tokenizer frames texts; a compiled attack sets a shorter length."""
        ...

    @text_format.setter
    def text_format(self, text_format: TextFormat, /) -> None: ...

    def encode_text(
        self, tokens: Tokens, shift: Float[Array, "batch length width"] | None = None, /
    ) -> TextFeatures:
        """Features of texts [batch, length]; any length up to the model's.

        Args:
            tokens: the texts.
            shift: added to what the ids are embedded as; None adds nothing.
        """
        ...


@runtime_checkable
class Model(EncodesPairs, Protocol):
    """Compares images with texts in one space."""

    @property
    def scale(self) -> Float[Array, ""]:
        """What cosines are multiplied by to become logits."""
        ...


@runtime_checkable
class ImageConfig(Protocol):
    """A configuration with the size of the images that its model sees."""

    @property
    def image_size(self) -> int:
        """Pixels along a side."""
        ...


@runtime_checkable
class ImagePreparation(Protocol):
    """How images become squares of the model's size."""

    @property
    def fit(self) -> Fit:
        """The way of this model."""
        ...


@runtime_checkable
class SeesImages(Protocol):
    """What says how large its images are, and how they are made so."""

    @property
    def config(self) -> ImageConfig:
        """What the model was built from."""
        ...

    @property
    def pixels(self) -> ImagePreparation:
        """How its images are made."""
        ...


@runtime_checkable
class ComputesIn(Protocol):
    """A tower that says which floats it computes in."""

    @property
    def dtype(self) -> np.dtype:
        """The floats of its blocks."""
        ...


@runtime_checkable
class HasImageTower(Protocol):
    """A model with an image tower of its own: CLIP, ALBEF, BLIP."""

    @property
    def vision(self) -> object:
        """The tower; `ComputesIn` where it can be told in which floats."""
        ...


@runtime_checkable
class SizedModel(Model, SeesImages, Protocol):
    """A model of images and texts that says how large its images are."""


@runtime_checkable
class ComparesPatches(Model, Protocol):
    """A model whose patches lie in the space of its texts: CLIP."""

    def patch_embeddings(self, image: ImageFeatures, /) -> Float[Array, "batch patches embed"]:
        """The patches of encoded images, not of unit length."""
        ...


@runtime_checkable
class FusesPairs(EncodesPairs, Protocol):
    """A model that reads a text together with an image: ALBEF, TCL, BLIP.

    With n texts for each image, those of the first image first.
    """

    def fuse(self, image: ImageFeatures, text: TextFeatures, keys: Any = None) -> Array:
        """The text after it has read the image [texts, length, width].

        Args:
            image: features of the images.
            text: features of the texts.
            keys: of the images, from `image_keys`; None computes them.
        """
        ...

    def image_keys(self, image: ImageFeatures) -> Any:
        """What texts read of an image, computed once for all of them: a tree of arrays."""
        ...


@runtime_checkable
class MatchesPairs(FusesPairs, Model, Protocol):
    """A model that says of a pair, read together, if it belongs together."""

    def match_logits(self, fused: Array) -> Float[Array, "texts 2"]:
        """Logits of "do not belong together" and "belong together"."""
        ...

    def match_score(
        self, logits: Float[Array, "texts 2"], cosine: Float[Array, " texts"]
    ) -> Float[Array, " texts"]:
        """What pairs are ranked by."""
        ...


@runtime_checkable
class JudgesPairs(FusesPairs, Protocol):
    """A model that says whether a text follows from an image: ALBEF and TCL for entailment."""

    @property
    def cls_head(self) -> object:
        """The last layer of the head, which a model made for retrieval lacks."""
        ...

    def classify(self, fused: Array) -> Float[Array, "texts verdicts"]:
        """Logits of contradiction, neutral and entailment."""
        ...


@runtime_checkable
class AnswersQuestions(FusesPairs, Protocol):
    """A model that answers a question about an image in words: ALBEF and BLIP for VQA."""

    @property
    def decoder(self) -> object:
        """The tower that writes answers."""
        ...

    def answer_logits(
        self, fused: Array, mask: Array, answers: Tokens
    ) -> Float[Array, "answers ids vocabulary"]:
        """Logits of the id after each id of n answers a question, those of the first one first.

        Args:
            fused: tokens of the questions [questions, length, width], from `fuse`.
            mask: [questions, length] which of these tokens are real.
            answers: framed as captions are.
        """
        ...

    def answer_losses(self, logits: Array, answers: Tokens) -> Float[Array, " answers"]:
        """What training makes small: the loss of each answer, the sum over its ids."""
        ...

    def answer_scores(self, logits: Array, answers: Tokens) -> Float[Array, " answers"]:
        """What the likeliest answers are ranked by."""
        ...


@runtime_checkable
class WordEmbeddings(Protocol):
    """A text tower that shows what each id is embedded as."""

    tok: nnx.Param


@runtime_checkable
class EmbedsWords(EncodesPairs, Protocol):
    """A model whose word embeddings have a gradient: for attacks that use it to choose words."""

    text: WordEmbeddings


@runtime_checkable
class SharesPrefixes(EncodesPairs, Protocol):
    """A model that encodes the common beginning of a caption and its variants once: CLIP."""

    def prefixes(self, tokens: Tokens, /) -> Any:
        """What it keeps of captions [captions, length]: a tree of arrays, captions first."""
        ...

    def encode_variants(
        self, of: Any, tokens: Tokens, /
    ) -> Float[Array, "captions variants embed"]:
        """`embed` of `encode_text` of texts [captions, variants, length].

        Args:
            of: the `prefixes` of the captions.
            tokens: variants of each caption; the more of its beginning they share, the cheaper.
        """
        ...


@runtime_checkable
class ReadsText(Protocol):
    """A model with a text tower that is called by itself: a BERT."""

    @property
    def text(self) -> Callable[[Array, Array, Array], tuple[Array, Array]]:
        """`(ids, mask, place of the summary) -> (all tokens, summary)`."""
        ...


@runtime_checkable
class Captions(EncodesImages, Protocol):
    """A model that writes captions: BLIP's captioner."""

    def caption_logits(
        self, image: ImageFeatures, tokens: Tokens
    ) -> Float[Array, "batch length vocabulary"]:
        """Logits of the id after each id."""
        ...


@runtime_checkable
class Classifies(Protocol):
    """A model with classes: `evaluate.tasks.classifier` makes one of an image-text model."""

    def class_logits(
        self, images: Float[Array, "batch height width 3"]
    ) -> Float[Array, "batch classes"]:
        """One number a class, the largest for the class it believes in."""
        ...


@runtime_checkable
class ClassifiesAtRandom(Protocol):
    """A model whose forward pass is random: noise at inference, random crops, dropped units."""

    def drawn_class_logits(
        self, images: Float[Array, "batch height width 3"], keys: Key[Array, " batch"]
    ) -> Float[Array, "batch classes"]:
        """The logits of one draw. Image i is drawn with key i, whatever else is in the batch."""
        ...


@runtime_checkable
class ReadableTokenizer(Tokenizer, Protocol):
    """A tokenizer whose ids can be read back, as a language model's must."""

    @property
    def vocab_size(self) -> int:
        """How many ids there are."""
        ...

    def word(self, ids: Sequence[int], /) -> str:
        """The text of some ids."""
        ...


@runtime_checkable
class ReadsCaptions(Tokenizer, Protocol):
    """A tokenizer that reads back what a captioner wrote."""

    def captions(self, ids: Int[np.ndarray, "captions length"], /) -> list[str]:
        """The text of each row of ids, up to its end."""
        ...


@runtime_checkable
class LanguageModel(Protocol):
    """A masked language model: which words could stand here?"""

    def logits(self, tokens: Tokens) -> Float[Array, "batch length vocabulary"]:
        """Logits of every id at every place."""
        ...


@runtime_checkable
class AttackFunction(Protocol):
    """An attack: a pure function of a model and a batch. `attacks.Attack` says what to know of it.

    Randomness is folded from `key` and the id of each image, so what happens to an image does not
    depend on the batch it is in.
    """

    def __call__(self, model: Model, batch: Batch, key: Key[Array, ""], /) -> Adversarial:
        """The batch as the attack left it. Called with `threat` and `preset` by name."""
        ...
