"""What is done to images before a model sees them: the numbers, and preprocessor_config.json."""

from dataclasses import dataclass
from typing import Any

from mat_jax.data.images import Fit, widened


@dataclass(frozen=True)
class Preprocessing:
    """Images become a square, of which `(pixels - mean) / std` is taken, colour by colour.

    `fit` says how, as `data.resize` does it.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    fit: Fit

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


# The pixels OpenAI trained on; every CLIP, ALBEF and BLIP uses their mean and deviation.
OPENAI = Preprocessing(
    mean=(0.48145466, 0.4578275, 0.40821073),
    std=(0.26862954, 0.26130258, 0.27577711),
    fit="crop",
)
PRESSED = Preprocessing(OPENAI.mean, OPENAI.std, fit="press")
FROM_MINUS_ONE = Preprocessing((0.5,) * 3, (0.5,) * 3, fit="align")
