"""What is done to images before a model sees them: the numbers, and preprocessor_config.json."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mat_jax.data.images import Fit, widened
from mat_jax.models.formats import folders


@dataclass(frozen=True)
class Preprocessing:
    """Images become a square, as `fit` says (`data.resize`), and then are normalised."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    fit: Fit

    def normalised(
        self, images: Float[Array | np.ndarray, "batch h w 3"], size: int
    ) -> Float[Array, "batch h w 3"]:
        """`(images - mean) / std`, colour by colour, for images in [0, 1] of `size` squared pixels.

        Raises:
            ValueError: the images are of another size.
        """
        if images.shape[1:3] != (size, size):
            raise ValueError(
                f"got images of {images.shape[1]}x{images.shape[2]} pixels, but this model takes "
                f"{size}x{size}; resize them, or load it with image_size={images.shape[1]}"
            )
        mean, std = (jnp.asarray(x, images.dtype)[None, None, None] for x in (self.mean, self.std))
        return (jnp.asarray(images) - mean) / std

    def said_in(self, folder: Path) -> "Preprocessing":
        """The same with the mean and std of the preprocessor_config.json in a folder, if any."""
        path = folder / "preprocessor_config.json"
        said = folders.read_settings(path) if path.exists() else {}
        if said.get("do_normalize") is False:
            return replace(self, mean=(0.0,) * 3, std=(1.0,) * 3)
        mean, std = said.get("image_mean") or self.mean, said.get("image_std") or self.std
        if not all(map(_three_numbers, (mean, std))) or 0 in std:
            raise ValueError(
                f"{path} says image_mean={mean!r} and image_std={std!r}; expected three numbers "
                f"each, no std of 0"
            )
        return replace(self, mean=tuple(map(float, mean)), std=tuple(map(float, std)))

    def settings(self, size: int) -> dict[str, Any]:
        """The preprocessor_config.json that makes transformers do the same."""
        square, wider = ({"height": side, "width": side} for side in (size, widened(size)))
        shape = {
            "crop": {
                "image_processor_type": "CLIPImageProcessor",
                "size": {"shortest_edge": size},
                "do_center_crop": True,
                "crop_size": square,
            },
            "press": {"image_processor_type": "BlipImageProcessor", "size": square},
            "align": {
                "image_processor_type": "EfficientNetImageProcessor",
                "size": wider,
                "do_center_crop": True,
                "crop_size": square,
                "include_top": False,
            },
        }[self.fit]
        return shape | {
            "do_resize": True,
            "resample": 2 if self.fit == "align" else 3,
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": self.mean,
            "image_std": self.std,
            "do_convert_rgb": True,
        }


def _three_numbers(value: Any) -> bool:
    three = isinstance(value, list | tuple) and len(value) == 3
    return three and all(type(x) in (int, float) and abs(x) < 1e6 for x in value)


# The pixels OpenAI trained on; every CLIP, ALBEF and BLIP uses their mean and deviation.
OPENAI = Preprocessing(
    mean=(0.48145466, 0.4578275, 0.40821073),
    std=(0.26862954, 0.26130258, 0.27577711),
    fit="crop",
)
PRESSED = Preprocessing(OPENAI.mean, OPENAI.std, fit="press")
FROM_MINUS_ONE = Preprocessing((0.5,) * 3, (0.5,) * 3, fit="align")
