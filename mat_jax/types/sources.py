"""What a source of images and captions is, and what only some sources can tell."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, UInt8


@runtime_checkable
class Captioned(Protocol):
    """One image with its captions: an `Example`, or a record that tells more."""

    @property
    def image(self) -> UInt8[np.ndarray, "height width 3"]:
        """Pixels."""
        ...

    @property
    def captions(self) -> tuple[str, ...]:
        """Its texts."""
        ...

    @property
    def image_id(self) -> int:
        """A number no other image of the source has: randomness is folded from it."""
        ...


@runtime_checkable
class Source(Protocol):
    """Anything that has a name and a length and gives an image with captions by position.

    Random access is what makes shuffling global and resuming exact.
    """

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Captioned: ...


@runtime_checkable
class TellsForm(Source, Protocol):
    """A source that was read from files of some public form."""

    @property
    def form(self) -> str:
        """Which form they have, in words."""
        ...


@runtime_checkable
class HasCaptions(Protocol):
    """A source that gives captions without decoding the image."""

    def captions(self, index: int, /) -> tuple[str, ...]:
        """The captions of one image."""
        ...


@runtime_checkable
class HasLabels(Source, Protocol):
    """A source of classified images."""

    def label(self, index: int, /) -> int:
        """The class of one image."""
        ...


@runtime_checkable
class HasClasses(HasLabels, Protocol):
    """A source that names its classes, and says how a prompt is made of a name."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The name of each class, in the order of the labels."""
        ...

    @property
    def template(self) -> str:
        """Of a prompt, with {} for the name."""
        ...


# What a picture may say of a sentence, in the order of ALBEF's classes.
VERDICTS = ("contradiction", "neutral", "entailment")


@runtime_checkable
class HasVerdicts(HasLabels, Protocol):
    """A source of sentences, each with its picture: `label` is the row of `VERDICTS`."""

    def picture(self, index: int, /) -> int:
        """Which picture it is of. Sentences of one picture are alike, and intervals heed that."""
        ...


@runtime_checkable
class HasAnswers(Source, Protocol):
    """A source of questions, each with its picture: the one caption is the question."""

    @property
    def answer_list(self) -> tuple[str, ...]:
        """What a model may answer."""
        ...

    def answers(self, index: int, /) -> tuple[str, ...]:
        """What people answered to one question, ten of them in VQA."""
        ...

    def picture(self, index: int, /) -> int:
        """Which picture it is of. Questions on one picture are alike, and intervals heed that."""
        ...


@runtime_checkable
class HasOracle(Protocol):
    """A source that knows what is true of its pictures: `data.load_scenes`."""

    def oracle(self, index: int, /) -> Callable[[str], bool]:
        """Says of a caption whether it is true of this image."""
        ...


@runtime_checkable
class JudgesCaptions(HasOracle, Protocol):
    """A source that also knows how much of a caption is true: `data.load_scenes`."""

    def judge(self, index: int, /) -> Callable[[str], float]:
        """Says of a caption how far it agrees with this image, 0 to 1."""
        ...


@runtime_checkable
class HasBoxes(Source, Protocol):
    """A source of phrases, each with its picture, boxes in it, and the box that is meant."""

    def boxes(self, index: int, /) -> Float[np.ndarray, "boxes 4"]:
        """The boxes to choose from: x, y, width and height, shares of the picture's sides."""
        ...

    def right(self, index: int, /) -> Bool[np.ndarray, " boxes"]:
        """Which of the boxes are what the phrase means."""
        ...

    def picture(self, index: int, /) -> int:
        """Which picture it is of. Phrases of one picture are alike, and intervals heed that."""
        ...


@runtime_checkable
class HasPartnerCaptions(Source, Protocol):
    """A source with further texts of an image, for training from one to many (`MATPlus`)."""

    def partner_captions(self, index: int, /) -> tuple[str, ...]:
        """Texts made or found for one image; they are no originals."""
        ...


@runtime_checkable
class HasPartnerImages(Source, Protocol):
    """A source with further pictures of the same thing, for training from one to many."""

    def partner_images(self, index: int, /) -> Sequence[UInt8[np.ndarray, "height width 3"]]:
        """Pictures made or found for one image, best decoded only when asked for."""
        ...
