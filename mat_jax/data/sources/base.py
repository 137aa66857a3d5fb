"""What the package reads images and captions from."""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8


class Example(NamedTuple):
    """One image with its captions.

    `image_id` is a number no other image of the source has: random draws for this image are
    derived from it, so that they do not depend on the batch it is in.
    """

    image: UInt8[np.ndarray, "height width 3"]
    captions: tuple[str, ...]
    image_id: int


@runtime_checkable
class Source(Protocol):
    """Anything that has a name and a length and gives an `Example` by position.

    Random access is what makes shuffling global and resuming exact. A source may also have
    `captions(i) -> tuple[str, ...]`, which answers without decoding the image, `oracle(i)`, a
    function that tells of a caption whether it is true of image i, and `label(i) -> int`, the class
    of image i.

    And it may have partners, further texts and pictures of the same thing, made or found by
    somebody: `partner_captions(i) -> tuple[str, ...]` and `partner_images(i)`, a sequence of pixels
    as in `Example`, best decoded only when asked for. They are no originals: nothing looks at them
    but training from one to many (`defenses.MATPlus`).
    """

    name: str

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Example: ...
