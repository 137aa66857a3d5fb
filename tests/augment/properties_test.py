"""What is measured of a manifest: the right vectors come together; the command line."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from mat_jax.augment import measures, properties

ANGLES = {"east": 0, "north": 90, "north east": 45, "west": 180, "south": 270}


def turned(degrees):
    angle = np.deg2rad(np.asarray(degrees, np.float64))
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


@pytest.fixture
def compass(monkeypatch):
    """A model for which a grey picture of level g lies at g degrees, a caption at its direction."""
    model = SimpleNamespace(
        config=SimpleNamespace(image_size=4), pixels=SimpleNamespace(fit="crop")
    )

    def of_images(model, images):
        return SimpleNamespace(unit=turned(np.round(255 * images[:, 0, 0, 0])))

    def of_texts(model, tokenizer, texts):
        return SimpleNamespace(unit=turned([ANGLES[text] for text in texts]))

    monkeypatch.setattr(properties.models, "load", lambda name: (model, None))
    monkeypatch.setattr(properties, "encode_images", of_images)
    monkeypatch.setattr(properties, "encode_texts", of_texts)
    monkeypatch.setattr(properties, "BATCH", 2)


def write(folder, rows, levels=(0, 90, 30, 100)):
    for level in levels:
        Image.fromarray(np.full((4, 4, 3), level, np.uint8)).save(folder / f"{level}.png")
    (folder / "manifest.json").write_text(json.dumps(rows))


def test_partner_texts_are_held_against_their_pictures_and_the_original_texts(compass, tmp_path):
    rows = [
        {"image": "0.png", "caption": ["east"], "partner_captions": ["north east", "east"]},
        {"image": "90.png", "caption": ["north", "south"], "partner_captions": ["west"]},
        {"image": "30.png", "caption": ["east"], "partner_captions": []},
    ]
    write(tmp_path, rows)
    found = properties.properties_of(tmp_path)
    assert "images" not in found and found["items"] == 3
    own = found["texts"]
    half = np.sqrt(0.5)
    assert own["partners"] == 1.0
    assert own["alignment"] == pytest.approx((half + 1.0 + 0.0) / 3)
    assert own["alignment_of_originals"] == pytest.approx((1 + 1 + np.cos(np.pi / 6)) / 3)
    assert own["diversity"] == pytest.approx(1 - half)  # of the one item that has two
    assert "frechet" not in own and "mmd" not in own  # of two items that have partners
    assert "truth" not in own


def test_partner_pictures_are_held_against_the_original_texts_and_pictures(compass, tmp_path):
    rows = [
        {"image": "0.png", "caption": ["east"], "partner_images": ["30.png", "0.png", "100.png"]},
        {"image": "90.png", "caption": ["north"], "partner_images": ["100.png"]},
    ]
    write(tmp_path, rows)
    own = properties.properties_of(tmp_path)["images"]
    cosines = np.cos(np.deg2rad([30, 0, 100, 10]))
    assert own["alignment"] == pytest.approx(np.mean(cosines), abs=1e-6)
    pairs = np.cos(np.deg2rad([30, 70, 100]))
    assert own["diversity"] == pytest.approx(np.mean(1 - pairs), abs=1e-6)


def test_the_gap_is_between_partners_and_the_originals_of_other_items(compass, tmp_path):
    pairs = [(0, 30), (90, 100), (30, 0), (100, 30), (60, 90)]
    rows = [
        {"image": f"{own}.png", "caption": ["east"], "partner_images": [f"{partner}.png"]}
        for own, partner in pairs
    ]
    rows.insert(2, {"image": "0.png", "caption": ["east"], "partner_images": []})
    write(tmp_path, rows, levels=(0, 30, 60, 90, 100))
    own = properties.properties_of(tmp_path)["images"]
    one, others = (turned([30, 0, 90]), turned([90, 100])), (turned([100, 30]), turned([0, 30, 60]))
    for name in ("frechet", "mmd"):
        measure = getattr(measures, name)
        wanted = (measure(*one) + measure(*others)) / 2
        assert own[name] == pytest.approx(wanted, abs=1e-6)


def test_partners_near_their_own_originals_have_no_gap_below_nothing():
    """Two noisy views of the same items are of one distribution: 0 on average."""
    rng, found = np.random.default_rng(0), []
    for _ in range(30):
        items = rng.normal(size=(60, 4))
        noisy = (items + 0.1 * rng.normal(size=items.shape) for _ in range(2))
        found.append(properties._gap(measures.mmd, *noisy))
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found))


def test_a_picture_is_held_against_the_caption_it_was_made_of(compass, tmp_path):
    """Captions take turns: the second and fourth picture are of the second caption."""
    made = ["0.png", "90.png", "30.png", "100.png"]
    rows = [
        {"image": "0.png", "caption": ["east", "north"], "partner_images": made},
        {"image": "90.png", "caption": ["north"], "partner_images": ["100.png"]},
    ]
    write(tmp_path, rows)
    own = properties.properties_of(tmp_path)["images"]
    cosines = np.cos(np.deg2rad([0, 0, 30, 10, 10]))
    assert own["alignment"] == pytest.approx(np.mean(cosines), abs=1e-6)


def test_scenes_judge_the_truth_of_partner_texts(compass, tmp_path, monkeypatch):
    rows = [
        {"image": "0.png", "caption": ["east"], "partner_captions": ["east", "west"]},
        {"image": "90.png", "caption": ["north"], "partner_captions": ["north", "west"]},
    ]
    write(tmp_path, rows)
    (tmp_path / "augment.json").write_text(json.dumps({"source": "scenes/train"}))
    asked = []

    def scenes(split, limit):
        asked.append((split, limit))
        true = ("east", "north")
        return SimpleNamespace(oracle=lambda i: lambda text: text == true[i])

    monkeypatch.setattr(properties.data, "load_scenes", scenes)
    assert properties.properties_of(tmp_path)["texts"]["truth"] == 0.5
    assert asked == [("train", 2)]


def test_what_the_world_drew_is_judged_too(compass, tmp_path):
    """Three pictures, of two the caption is true; where one of them is not judged, none is."""
    rows = [
        {
            "image": "0.png",
            "caption": ["east"],
            "partner_images": ["30.png", "90.png"],
            "partner_images_true": [True, False],
        },
        {
            "image": "90.png",
            "caption": ["north"],
            "partner_images": ["90.png"],
            "partner_images_true": [True],
        },
    ]
    write(tmp_path, rows)
    assert properties.properties_of(tmp_path)["images"]["truth"] == pytest.approx(2 / 3)
    del rows[1]["partner_images_true"]
    write(tmp_path, rows)
    assert "truth" not in properties.properties_of(tmp_path)["images"]
    rows[1]["partner_images_true"] = [True, True]
    write(tmp_path, rows)
    with pytest.raises(ValueError, match="one true or false for each"):
        properties.properties_of(tmp_path)


def test_what_is_not_defined_is_left_out(compass, tmp_path, capsys):
    """One partner an item has no diversity; NaN would be no JSON."""
    rows = [
        {"image": f"{level}.png", "caption": ["east"], "partner_captions": ["north"]}
        for level in (0, 90)
    ]
    write(tmp_path, rows)
    assert properties.main([str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert "diversity" not in found["texts"] and "alignment" in found["texts"]


def test_the_command_writes_a_file_and_says_in_a_sentence_what_is_wrong(compass, tmp_path, capsys):
    rows = [
        {"image": f"{level}.png", "caption": ["east"], "partner_captions": ["north"]}
        for level in (0, 90)
    ]
    write(tmp_path, rows)
    out = tmp_path / "found.json"
    assert properties.main([str(tmp_path), "--out", str(out)]) == 0
    assert json.loads(out.read_text())["texts"]["alignment"] == pytest.approx(0.5, abs=1e-6)
    write(tmp_path, [{"image": "0.png", "caption": ["east"]}] * 2)
    assert properties.main([str(tmp_path)]) == 2
    assert "has no partners" in capsys.readouterr().err
    assert properties.main([str(tmp_path / "nowhere")]) == 2
