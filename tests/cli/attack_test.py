"""`mat-jax attack` on pictures of one's own: what is written, measured again from the files."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mat_jax import data, models
from mat_jax.cli import main
from mat_jax.cli.given import pictures_given
from mat_jax.models.features import encode_images, encode_texts
from tests.toy_experiment import Blocks, Tiny

SIZE = 16


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A CLIP of one layer, as a folder."""
    folder = tmp_path_factory.mktemp("model") / "tiny"
    models.save(*Tiny().build(0), folder)
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A photograph that is not square, and a folder with captions."""
    root = tmp_path_factory.mktemp("pictures")
    rows = []
    for number in range(3):
        one = Blocks()[7 * number + 1]
        Image.fromarray(one.image).save(root / f"block {number}.png")
        rows.append({"image": f"block {number}.png", "caption": list(one.captions)})
    (root / "captions.json").write_text(json.dumps(rows))
    wide = np.random.default_rng(0).integers(0, 256, (24, 40, 3)).astype(np.uint8)
    photo = tmp_path_factory.mktemp("photo") / "photo.png"
    Image.fromarray(wide).save(photo)
    return root, photo


def read(path) -> np.ndarray:
    return np.asarray(Image.open(path))


def cosines(model, tokenizer, pixels, texts) -> np.ndarray:
    images = encode_images(model, pixels[None] / np.float32(255)).unit
    return (images @ encode_texts(model, tokenizer, texts).unit.T)[0]


def test_a_photograph(tiny, pictures, tmp_path, capsys):
    """APGD, which minimises the cosine and keeps the best: the file is in the ball, and worse."""
    _, photo = pictures
    command = ["attack", str(photo), "red beside blue", "--eps", "4.5/255", "--attack", "apgd"]
    assert main([*command, "--model", str(tiny), "--out", str(tmp_path)]) == 0
    clean, adv = (read(tmp_path / f"photo-{what}.png") for what in ("clean", "adversarial"))
    model, tokenizer = models.load(tiny)
    assert np.array_equal(clean, data.resize(read(photo), SIZE, model.pixels.fit))
    assert 0 < np.abs(adv.astype(int) - clean.astype(int)).max() <= 4
    facts = json.loads((tmp_path / "attack.json").read_text())
    (told,) = facts["pictures"]
    before, after = (cosines(model, tokenizer, p, ["red beside blue"])[0] for p in (clean, adv))
    assert told["cosines"][0] == pytest.approx(before, abs=1e-5)
    assert told["adversarial_cosines"][0] == pytest.approx(after, abs=1e-5)
    assert after < before
    said = capsys.readouterr().out
    assert f"cosine {before:.3f} -> {after:.3f}" in said and str(tmp_path / "index.html") in said


def test_a_folder(tiny, pictures, tmp_path, capsys):
    """Words are replaced, ranks are among all captions, and the captions are a file to evaluate."""
    root, _ = pictures
    hostile = "<script>alert('x')</script> & \"red\""
    command = ["attack", str(root), "--attack", "bert_attack", "--mlm", "scenes-bert"]
    command += ["--model", str(tiny), "--out", str(tmp_path), "--among", hostile]
    assert main(command) == 0
    facts = json.loads((tmp_path / "attack.json").read_text())
    again = data.retrieval_json(tmp_path / "adversarial.json", tmp_path)
    assert len(again) == 3
    after = [text for n in range(3) for text in again.captions(n)] + [hostile]
    model, tokenizer = models.load(tiny)
    for n, told in enumerate(facts["pictures"]):
        assert again.captions(n) == tuple(told["adversarial_captions"])
        for old, new in zip(told["captions"], told["adversarial_captions"], strict=True):
            assert sum(a != b for a, b in zip(old.split(), new.split(), strict=True)) <= 1
        # An attack on words alone leaves the pictures as they are.
        assert np.array_equal(again[n].image, read(tmp_path / f"block {n}-clean.png"))
        row = cosines(model, tokenizer, again[n].image, after)
        own = np.arange(2 * n, 2 * n + 2)
        others = np.delete(row, own)
        assert told["adversarial_rank"] == 1 + np.sum(others >= row[own].max())
    page = (tmp_path / "index.html").read_text()
    assert "<script" not in page and "&lt;script&gt;" in page
    assert 'src="http' not in page and "<link" not in page


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["photo.jpg", "a dog"], "there is no picture or folder 'photo.jpg'"),
        (["PHOTO"], 'has no caption: mat-jax attack photo.png "what is in it"'),
        (["PHOTO", "!!"], "the caption '!!' holds no word"),
        (["ROOT", "a", "b"], "is a folder of pictures, and 2 captions cannot be theirs"),
        (["ROOT", "gone.json"], "there is no file of captions 'gone.json'"),
        (["PHOTO", "red", "--eps", "four"], "--eps must be a number, 4/255 for example"),
        (["PHOTO", "red", "--attack", "pgd_ce"], "'pgd_ce' is not made for retrieval"),
        (["PHOTO", "red", "--eps", "3"], "eps 3.0 is outside [0, 1]"),
    ],
)
def test_mistakes_are_one_sentence(given, said, pictures, tmp_path, capsys):
    root, photo = pictures
    line = [one.replace("PHOTO", str(photo)).replace("ROOT", str(root)) for one in given]
    assert main(["attack", *line, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and said in error
    assert not (tmp_path / "out").exists()


def test_scenes_are_written_as_ones_own_pictures_would_be(tmp_path):
    found = pictures_given(Path("scenes"), (), drawn=tmp_path / "scenes", limit=2)
    drawn = data.load_scenes("test", limit=2)
    assert len(found) == 2
    for index in range(2):
        assert np.array_equal(found[index].image, drawn[index].image)
        assert found.captions(index) == drawn[index].captions
    assert (tmp_path / "scenes/captions.json").is_file()
