"""Pictures painted by a diffusion model of the package diffusers, if that is installed."""

from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8
from PIL import Image


def painter(name: str, *, strength: float | None = None) -> Callable:
    """`(caption, seed, image or None) -> picture`, by a pipeline of diffusers.

    With a strength the picture starts from the image (SDEdit, Meng et al. 2022): of the steps of
    denoising, the last `strength` are done. Without, from noise.

    Args:
        name: hub id or folder, "stabilityai/stable-diffusion-2-1" for example.
        strength: in (0, 1], or None.

    Raises:
        ValueError: diffusers or torch is not installed, or there is no such model.
    """
    try:
        import diffusers  # type: ignore[import-not-found]
        import torch
    except ImportError:
        raise ValueError(
            "painting with a diffusion model needs diffusers: pip install diffusers torch "
            "accelerate, or give a folder of pictures (--file)"
        ) from None
    kind = (
        diffusers.AutoPipelineForText2Image
        if strength is None
        else diffusers.AutoPipelineForImage2Image
    )
    cuda = torch.cuda.is_available()
    try:
        pipeline = kind.from_pretrained(
            name, torch_dtype=torch.float16 if cuda else torch.float32
        ).to("cuda" if cuda else "cpu")
    except (OSError, ValueError) as error:
        raise ValueError(
            f"diffusers has no model {name!r} ({str(error).splitlines()[0]}): give a hub id or a "
            "folder"
        ) from None
    pipeline.set_progress_bar_config(disable=True)

    def paint(
        caption: str, seed: int, image: UInt8[np.ndarray, "height width 3"] | None = None
    ) -> UInt8[np.ndarray, "new_height new_width 3"]:
        given = {} if image is None else {"image": Image.fromarray(image), "strength": strength}
        noise = torch.Generator("cpu").manual_seed(seed)
        painted = pipeline(prompt=caption, generator=noise, **given).images[0]
        return np.asarray(painted.convert("RGB"))

    return paint
