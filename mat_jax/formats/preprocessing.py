"""What is done to images before a model sees them: the numbers, and preprocessor_config.json."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Preprocessing:
    """Images become a square, of which `(pixels - mean) / std` is taken, colour by colour.

    The square is `cropped` out, as `data.resize` does, or the image is pressed into it.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    cropped: bool

    def settings(self, size: int) -> dict[str, Any]:
        """The preprocessor_config.json that makes transformers do the same."""
        square = {"height": size, "width": size}
        shape = (
            {
                "image_processor_type": "CLIPImageProcessor",
                "size": {"shortest_edge": size},
                "do_center_crop": True,
                "crop_size": square,
            }
            if self.cropped
            else {"image_processor_type": "BlipImageProcessor", "size": square}
        )
        return shape | {
            "do_resize": True,
            "resample": 3,
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
    cropped=True,
)
PRESSED = Preprocessing(OPENAI.mean, OPENAI.std, cropped=False)
FROM_MINUS_ONE = Preprocessing((0.5,) * 3, (0.5,) * 3, cropped=True)
