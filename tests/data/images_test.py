from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers import BlipImageProcessor, CLIPImageProcessor, EfficientNetImageProcessor

from mat_jax.data import read_image, resize
from mat_jax.types.protocols import Fit


@pytest.mark.parametrize(
    "height, width, size",
    [(90, 120, 64), (120, 90, 64), (33, 47, 64), (64, 64, 64), (500, 375, 224), (41, 200, 32)],
)
def test_resize_is_that_of_transformers(height: int, width: int, size: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    theirs = CLIPImageProcessor(
        size={"shortest_edge": size}, crop_size=size, do_normalize=False, do_rescale=False
    )(Image.fromarray(image), return_tensors="np")["pixel_values"][0]
    np.testing.assert_array_equal(resize(image, size), theirs.transpose(1, 2, 0))


@pytest.mark.parametrize("height, width, size", [(90, 120, 64), (33, 47, 64), (500, 375, 289)])
def test_the_other_families_press_the_image_into_the_square(height, width, size) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    plain = {"do_normalize": False, "do_rescale": False}
    square = {"height": size, "width": size}
    wider = round(size * 346 / 289)
    theirs: dict[Fit, Any] = {
        "press": BlipImageProcessor(size=square, resample=3, **plain),
        "align": EfficientNetImageProcessor(  # as kakaobrain/align-base has it
            size={"height": wider, "width": wider},
            resample=2,
            do_center_crop=True,
            crop_size=square,
            include_top=False,
            **plain,
        ),
    }
    for fit, processor in theirs.items():
        pixels = processor(Image.fromarray(image), return_tensors="np")["pixel_values"][0]
        np.testing.assert_array_equal(resize(image, size, fit), pixels.transpose(1, 2, 0))


def test_right_size_is_left_alone() -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(resize(image, 8), image)


def test_constant_stays_constant() -> None:
    assert (resize(np.full((31, 77, 3), 200, np.uint8), 16) == 200).all()


def test_size_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="image size 0 is not possible"):
        resize(np.zeros((4, 4, 3), np.uint8), 0)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "CMYK"])
def test_every_mode_becomes_rgb(mode: str, tmp_path: Path) -> None:
    file = tmp_path / "picture.tiff"
    Image.new("RGB", (5, 3), "white").convert(mode).save(file)
    pixels = read_image(file)
    assert pixels.shape == (3, 5, 3) and pixels.dtype == np.uint8
    assert (pixels == 255).all()


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no image file .*gone\.jpg"):
        read_image(tmp_path / "gone.jpg")


def test_text_is_not_an_image(tmp_path: Path) -> None:
    file = tmp_path / "words.jpg"
    file.write_text("not pixels")
    with pytest.raises(ValueError, match=r"cannot read the image .*words\.jpg"):
        read_image(file)


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_half_an_image(kind: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    file = tmp_path / f"half.{kind}"
    Image.fromarray(pixels).save(file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"cannot read the image .*half"):
        read_image(file)
