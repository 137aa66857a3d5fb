"""`python -m mat_jax.convert`: one line about what was written, or one sentence about why not."""

import pytest

from mat_jax import convert, models


def test_a_shipped_model_at_another_size(tmp_path, capsys):
    assert convert.main(["scenes-clip", str(tmp_path / "clip"), "--image-size", "32"]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'clip'}: CLIP of ")
    model, _ = models.load(tmp_path / "clip")
    assert model.config.image_size == 32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.pt"], "there is no model 'nowhere.pt'; expected a folder"),
        (["weights/nowhere.pt"], "there is no model 'weights/nowhere.pt'; expected a folder"),
        (["scenes-clip", "--image-size", "33"], "image_size=33 is not a multiple of patch_size"),
        (["scenes-clip", "--tokenizer", "nowhere"], "nowhere holds no tokenizer; expected"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, capsys, arguments, message):
    source, *options = arguments
    assert convert.main([source, str(tmp_path / "clip"), *options]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"error: {message}")
    assert said.err.count("\n") == 1
    assert not (tmp_path / "clip").exists()


def test_hostile_files_are_refused(tmp_path, capsys):
    (tmp_path / "clip.pt").write_bytes(b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R.")
    assert convert.main([str(tmp_path / "clip.pt"), str(tmp_path / "clip")]) == 2
    assert "it asks for posix.system" in capsys.readouterr().err
    assert not (tmp_path / "clip").exists()


def test_a_folder_with_other_files_is_kept(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("")
    assert convert.main(["scenes-bert", str(tmp_path)]) == 2
    assert "holds notes.txt, which is not a file of this model" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
