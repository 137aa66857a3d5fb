"""`python -m mat_jax.models.convert`: one line about what was written, or why nothing was."""

import argparse

import numpy as np
import pytest
import torch
from flax import nnx

from mat_jax import models
from mat_jax.models import convert
from mat_jax.models.formats.layouts import ALBEF_ORIGINAL, BLIP_ORIGINAL
from mat_jax.models.formats.rules import to_theirs

CAPTIONS = ["a red ball on sand", "two blue boxes", "one man rides a brown horse"]
# Heads are 64 wide, as in everything published: tensors do not say.
VIT = models.ViTConfig(width=64, layers=1, heads=1)
BERT = models.BertConfig(width=64, layers=2, heads=1)
MED = models.BertConfig(width=64, layers=2, heads=1, segments=0)


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
        (["scenes-clip", "--image-size", "3"], "image_size=3 holds no patch of patch_size=16"),
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


@pytest.mark.parametrize(
    ("config", "layout"),
    [
        (models.ALBEFConfig(32, 16, VIT, BERT, first_fusion=1, embed=8), ALBEF_ORIGINAL),
        (models.ALBEFConfig(32, 16, VIT, BERT, first_fusion=1, task="entailment"), ALBEF_ORIGINAL),
        (models.BLIPConfig(32, 16, VIT, MED, embed=8), BLIP_ORIGINAL),
        (models.BLIPConfig(32, 16, VIT, MED, task="captioning"), BLIP_ORIGINAL),
    ],
    ids=["albef", "entailment", "blip", "captioner"],
)
def test_a_checkpoint_as_published_goes_all_the_way(tmp_path, capsys, config, layout):
    """A .pth as training scripts wrote it -> folder -> model: the same bits."""
    tokenizer = models.Tokenizer.train_bert(CAPTIONS, 120, 12)
    model, tokenizer = models.Fresh(config, tokenizer).build(0)
    arrays = {".".join(map(str, p)): np.asarray(x[...]) for p, x in flat(model)}
    tensors = {name: torch.tensor(x) for name, x in to_theirs(arrays, layout).items()}
    slow = {name.replace(".", "_m.", 1): tensor for name, tensor in tensors.items() if "." in name}
    rest = {"image_queue": torch.ones(8, 4), "queue_ptr": torch.zeros(1, dtype=torch.int64)}
    if type(model) is models.BLIP:
        rest["temp"] = torch.tensor(0.05)
    script = {"optimizer": {"state": {0: {"step": 3}}}, "epoch": 4, "args": argparse.Namespace(a=1)}
    torch.save({"model": tensors | slow | rest, **script}, tmp_path / "checkpoint_best.pth")
    tokenizer.save(tmp_path / "bert")
    command = [str(tmp_path / "checkpoint_best.pth"), str(tmp_path / "new")]
    assert convert.main([*command, "--tokenizer", str(tmp_path / "bert")]) == 0
    assert f": {type(model).__name__} of " in capsys.readouterr().out
    again, reads = models.load(tmp_path / "new")
    assert again.config.text == model.config.text
    assert again.config.vision == model.config.vision
    assert reads(CAPTIONS).ids.tolist() == tokenizer(CAPTIONS).ids.tolist()
    for (path, one), (_, other) in zip(flat(model), flat(again), strict=True):
        np.testing.assert_array_equal(one[...], other[...], err_msg=str(path))
    if type(model) is models.BLIP:
        assert float(again.scale) == pytest.approx(20.0)


def flat(model):
    return nnx.to_flat_state(nnx.state(model))
