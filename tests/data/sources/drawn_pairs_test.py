"""Pairs with a drawn picture: as many as the share says, the same ones whoever asks."""

import json

import numpy as np
import pytest
from PIL import Image

from mat_jax import data
from mat_jax.data import DrawnPairs


@pytest.fixture
def pairs(tmp_path):
    """Ten pairs: picture i is red i, what was drawn for it is green i."""
    rows = []
    for i in range(10):
        Image.new("RGB", (4, 4), (i, 0, 0)).save(tmp_path / f"{i}.png")
        Image.new("RGB", (4, 4), (0, i + 1, 0)).save(tmp_path / f"{i}_0.png")
        rows.append({"image": f"{i}.png", "caption": f"pair {i}", "partner_images": [f"{i}_0.png"]})
    (tmp_path / "manifest.json").write_text(json.dumps(rows))
    return data.retrieval_json(tmp_path / "manifest.json", images=tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_a_share_of_the_pictures_is_the_drawn_one(pairs, share):
    source = DrawnPairs(pairs=pairs, share=share)
    green = [bool(source[i].image[0, 0, 1]) for i in range(10)]
    assert sum(green) == round(10 * share)
    for i in range(10):
        expected = [0, i + 1, 0] if green[i] else [i, 0, 0]
        assert source[i].image[0, 0].tolist() == expected
        assert source[i].captions == source.captions(i) == (f"pair {i}",)
        assert source[i].image_id == i


def test_a_smaller_share_is_part_of_a_larger_and_seeds_differ(pairs):
    few, many = (DrawnPairs(pairs=pairs, share=share).drawn for share in (0.3, 0.6))
    assert not (few & ~many).any()
    others = [DrawnPairs(pairs=pairs, share=0.5, seed=seed).drawn for seed in range(5)]
    assert len({tuple(one) for one in others}) > 1


def test_shares_out_of_range_and_pairs_without_a_drawing_are_refused(pairs, tmp_path):
    with pytest.raises(ValueError, match=r"share=1.2 is no share; choose 0 \(real\) to 1"):
        DrawnPairs(pairs=pairs, share=1.2)
    (tmp_path / "bare.json").write_text(json.dumps([{"image": "1.png", "caption": "a pond"}]))
    bare = data.retrieval_json(tmp_path / "bare.json", images=tmp_path)
    with pytest.raises(ValueError, match=r"1 of 1 images of 'bare' have no drawn picture"):
        DrawnPairs(pairs=bare)
    assert np.array_equal(DrawnPairs(pairs=bare, share=0.0)[0].image, bare[0].image)
