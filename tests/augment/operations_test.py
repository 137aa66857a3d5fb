"""The operations do to floats what PIL does to bytes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from mat_jax.augment.operations import OPERATIONS

GREY = (128, 128, 128)


@pytest.fixture(scope="module")
def picture():
    """Bytes [20, 30, 3]: smooth with some noise, no channel like another, none of full range."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:20, :30]
    waves = np.stack([np.sin(x / 5), np.cos(y / 4), np.sin((x + y) / 7)], axis=-1)
    return np.uint8(np.clip(120 + 70 * waves + rng.normal(0, 12, (20, 30, 3)), 20, 240))


def warped(across, down):
    def reference(image):
        coefficients = (*across(image), *down(image))
        how, near = Image.Transform.AFFINE, Image.Resampling.NEAREST
        return image.transform(image.size, how, coefficients, near, fillcolor=GREY)

    return reference


def enhanced(kind):
    return lambda share: lambda image: kind(image).enhance(1 + 0.9 * share)


def fixed(values):
    return lambda image: values


# For a share: the reference, by PIL.
PIL = {
    "identity": lambda share: lambda image: image,
    "autocontrast": lambda share: ImageOps.autocontrast,
    "equalize": lambda share: ImageOps.equalize,
    # 255 (1 - share) is no whole number for any share used here.
    "solarize": lambda share: (
        lambda image: ImageOps.solarize(image, int(np.ceil(255 * (1 - share))))
    ),
    "posterize": lambda share: lambda image: ImageOps.posterize(image, 8 - round(4 * share)),
    "colour": enhanced(ImageEnhance.Color),
    "contrast": enhanced(ImageEnhance.Contrast),
    "brightness": enhanced(ImageEnhance.Brightness),
    "sharpness": enhanced(ImageEnhance.Sharpness),
    "rotate": lambda share: (
        lambda image: image.rotate(30 * share, Image.Resampling.NEAREST, fillcolor=GREY)
    ),
    "shear_x": lambda share: warped(fixed((1, 0.3 * share, 0)), fixed((0, 1, 0))),
    "shear_y": lambda share: warped(fixed((1, 0, 0)), fixed((0.3 * share, 1, 0))),
    "translate_x": lambda share: warped(
        lambda image: (1, 0, int(150 / 331 * image.width * share)), fixed((0, 1, 0))
    ),
    "translate_y": lambda share: warped(
        fixed((1, 0, 0)), lambda image: (0, 1, int(150 / 331 * image.height * share))
    ),
}
# Grey levels by which PIL's rounding of what is between may make a difference.
ROUNDING = {"autocontrast": 1, "colour": 2, "contrast": 2, "brightness": 1, "sharpness": 2}


def test_all_fourteen_are_compared():
    assert set(PIL) == set(OPERATIONS) and len(PIL) == 14


@pytest.mark.parametrize("name", PIL)
def test_pil_does_the_same(picture, name):
    function, signed = OPERATIONS[name]
    compiled = jax.jit(function)
    changed = 0.0
    for share in (0.31, 0.83, -0.31, -0.83)[: 4 if signed else 2]:
        found = np.asarray(compiled(picture / np.float32(255), np.float32(share)))
        expected = np.asarray(PIL[name](share)(Image.fromarray(picture)))
        assert found.dtype == np.float32 and 0 <= found.min() and found.max() <= 1
        apart = np.abs(255 * found - expected).max(axis=-1)
        # Where a turned pixel's centre falls on a border between two, either may be taken.
        share_off = np.mean(apart > ROUNDING.get(name, 0) + 1e-3)
        assert share_off <= (0.01 if name == "rotate" else 0)
        changed = max(changed, np.abs(found - picture / np.float32(255)).max())
    assert (changed > 0.02) == (name != "identity")


@pytest.mark.parametrize("name", ["autocontrast", "equalize"])
def test_an_even_picture_stays(name):
    even = jnp.full((8, 9, 3), 77 / 255, jnp.float32)
    found = OPERATIONS[name].function(even, jnp.float32(0.5))
    np.testing.assert_allclose(found, even, atol=1e-6)


@pytest.mark.parametrize("name", [name for name, own in OPERATIONS.items() if own.signed])
def test_none_of_it_is_nothing(picture, name):
    image = jnp.asarray(picture / np.float32(255))
    found = jax.jit(OPERATIONS[name].function)(image, jnp.float32(0))
    np.testing.assert_allclose(found, image, atol=1e-6)
