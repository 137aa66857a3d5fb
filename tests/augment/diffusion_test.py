"""A diffusion model is asked as diffusers wants to be asked; without it, one sentence."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from mat_jax.augment.diffusion import painter


class Pipeline:
    """Stands for a pipeline of diffusers: an image of the seed's colour, and what it was asked."""

    asked: list = []

    @classmethod
    def from_pretrained(cls, name, torch_dtype):
        if name != "there":
            raise OSError(f"{name} is no folder\nand no more")
        return cls()

    def to(self, device):
        return self

    def set_progress_bar_config(self, disable):
        assert disable

    def __call__(self, prompt, generator, **given):
        self.asked.append((prompt, given))
        colour = (generator.initial_seed() % 256, 10, 20)
        return SimpleNamespace(images=[Image.new("RGB", (5, 4), colour)])


@pytest.fixture
def diffusers(monkeypatch):
    module = SimpleNamespace(
        AutoPipelineForText2Image=Pipeline, AutoPipelineForImage2Image=Pipeline
    )
    monkeypatch.setitem(sys.modules, "diffusers", module)
    monkeypatch.setattr(Pipeline, "asked", [])


def test_from_noise_and_from_a_picture(diffusers):
    found = painter("there")("a dog", 77)
    assert found.shape == (4, 5, 3) and found.dtype == np.uint8
    assert found[0, 0].tolist() == [77, 10, 20]
    assert Pipeline.asked == [("a dog", {})]
    start = np.full((3, 3, 3), 9, np.uint8)
    painter("there", strength=0.3)("a cat", 1, start)
    prompt, given = Pipeline.asked[1]
    assert prompt == "a cat" and given["strength"] == 0.3
    np.testing.assert_array_equal(np.asarray(given["image"]), start)


def test_without_it(monkeypatch, diffusers):
    with pytest.raises(ValueError, match=r"diffusers has no model 'gone' \(gone is no folder\)"):
        painter("gone")
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(ValueError, match="needs diffusers: pip install diffusers torch"):
        painter("there")
