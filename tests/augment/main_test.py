"""`python -m mat_jax.augment`: one line about what was written, or one sentence about why not."""

import json

import numpy as np
import pytest
from PIL import Image

from mat_jax.augment import read_manifest
from mat_jax.augment.__main__ import main


@pytest.fixture
def photographs(tmp_path):
    (tmp_path / "photos").mkdir()
    for number in range(2):
        picture = np.full((6, 6, 3), 60 * number, np.uint8)
        Image.fromarray(picture).save(tmp_path / f"photos/{number}.png")
        Image.fromarray(picture + 9).save(tmp_path / f"photos/{number}_0.png")
    rows = [{"image": f"{n}.png", "caption": ["a dog", "a hound", "a beast"]} for n in range(2)]
    (tmp_path / "test.json").write_text(json.dumps(rows))
    return ["--data", str(tmp_path / "test.json"), "--images", str(tmp_path / "photos")]


def test_captions_and_pictures(photographs, tmp_path, capsys):
    out = tmp_path / "human"
    assert main([*photographs, "--how", "i2t_human", "--count", "4", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: 4 captions beside 2 images\n"
    assert read_manifest(out)[1].partner_captions == ("a hound", "a beast")
    header = json.loads((out / "augment.json").read_text())
    assert (header["how"], header["count"], header["originals"]) == ("i2t_human", 4, 1)
    assert (header["images"], header["source"]) == (2, "test")
    out = tmp_path / "drawn"
    given = ["--how", "t2i", "--file", str(tmp_path / "photos"), "--count", "3", "--shift", "1"]
    assert main([*photographs, *given, "--style", "night", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: 2 pictures beside 2 images\n"
    entry = read_manifest(out)[1]
    # 69 grey levels become (69 / 255) ** 1.5 of each colour's share.
    night = np.round(255 * (69 / 255) ** 1.5 * np.array([0.5, 0.6, 0.85]))
    np.testing.assert_array_equal(np.asarray(Image.open(entry.partner_images[0]))[0, 0], night)
    assert entry.partner_images[0].name == "1_0.png" and len(entry.captions) == 3
    # The same pictures' captions, by another way: both kinds stand in what it makes.
    again = ["--data", str(out / "manifest.json"), "--images", str(out), "--how", "i2t_human"]
    assert main([*again, "--count", "1", "--out", str(tmp_path / "both")]) == 0
    assert capsys.readouterr().out == (
        f"{tmp_path / 'both'}: 2 captions and 2 pictures beside 2 images\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--how", "nothing"], "argument --how: invalid choice: 'nothing'"),
        (["--count", "0"], "count is 0: it must be at least 1"),
        (["--how", "eda", "--wrong", "0.5"], "wrong=0.5 does nothing for eda"),
        (
            ["--how", "t2i", "--style", "night"],
            "style=night does nothing for t2i with these settings",
        ),
        (["--how", "langrw", "--top-p", "0.5"], "top_p=0.5 does nothing for langrw"),
        (["--how", "i2t_cap", "--decode", "beam", "--top-p", "0.5"], "top_p=0.5 does nothing for"),
        (["--how", "t_i2i", "--file", ".", "--strength", "0.7"], "strength=0.7 does nothing for"),
        (["--how", "randaug", "--ops", "-1"], "ops=-1 operations cannot be done; give 0 or more"),
        (
            ["--how", "randaug", "--magnitude", "31"],
            "magnitude=31.0 is off the scale; choose 0 to 30",
        ),
        (["--seed", "5000000000"], "seed is 5000000000: it must be 0 to 2^32 - 1"),
        (["--images", "photos"], "--images 'photos' is the image root of a JSON file, and scenes"),
        (["--how", "eda", "--file", "."], "no file of synonyms '.'; give its path"),
        (["--data", "gone.json"], "'gone.json' needs its image root: give --images"),
        (["--how", "langrw", "--file", "."], "no file of rewrites '.'; give its path"),
        (["--how", "t2i", "--file", "gone"], "no folder or JSON file of pictures 'gone'; give"),
        (["--how", "t_i2i", "--file", ".", "--wrong", "0.5"], "wrong mistakes facts of scenes"),
        (["--how", "i2t_cap", "--decode", "beam"], "beam decoding writes one caption of a picture"),
        (
            ["--how", "i2t_cap", "--model", "scenes-captoiner"],
            "there is no model 'scenes-captoiner'",
        ),
        (["--how", "eda", "--model", "scenes-brt"], "there is no model 'scenes-brt'; expected a"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, capsys, monkeypatch, arguments, message):
    """Also on a machine where nothing was ever drawn: nothing is, before all of it is refused."""
    monkeypatch.setenv("MAT_JAX_CACHE", str(tmp_path / "cache"))
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith(f"error: {message}")
    assert said.err.count("\n") == 1 and not (tmp_path / "out").exists()
    assert not (tmp_path / "cache").exists()


def test_a_folder_that_cannot_be_written_is_refused_before_scenes_are_drawn(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("MAT_JAX_CACHE", str(tmp_path / "cache"))
    assert main(["--out", "/proc/out"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: cannot write in /proc/out") and said.count("\n") == 1
    assert not (tmp_path / "cache").exists()
