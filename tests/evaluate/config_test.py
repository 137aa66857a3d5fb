"""Which files an evaluation reads, and which part of them."""

import inspect
import json

import pytest
from PIL import Image

from mat_jax import Evaluation, data
from mat_jax.evaluate.__main__ import _names as names_of
from mat_jax.evaluate.__main__ import main
from mat_jax.evaluate.tasks.registry import task_named
from mat_jax.types.sources import HasAnswers

SPLITS = {"a.jpg": "train", "b.jpg": "test", "c.jpg": "val"}


@pytest.fixture
def root(tmp_path):
    for name in SPLITS:
        Image.new("RGB", (20, 10)).save(tmp_path / name)
    return tmp_path


def written(root, contents):
    (root / "pairs.json").write_text(json.dumps(contents))
    return root / "pairs.json"


def test_the_held_out_split_is_measured_unless_another_is_named(root):
    images = [
        {"filename": name, "split": split, "sentences": [{"raw": f"a {split} picture"}]}
        for name, split in SPLITS.items()
    ]
    file = written(root, {"images": images})
    found = Evaluation(data=file, images=root).source()
    assert isinstance(found, data.RetrievalJson)
    assert found.captions(0) == ("a test picture",) and len(found) == 1
    assert found.form == "Karpathy's form, split test, 1 captions"
    other = Evaluation(data=file, images=root, split="val").source()
    assert isinstance(other, data.RetrievalJson)
    assert other.captions(0) == ("a val picture",)
    with pytest.raises(ValueError, match="holds the splits train, test, val, and it has no split"):
        Evaluation(data=file, images=root, split="testA").source()


def test_a_file_of_one_split_is_read_whole_and_no_other_is_asked_of_it(root):
    file = written(root, [{"image": name, "caption": ["a picture"]} for name in SPLITS])
    assert len(Evaluation(data=file, images=root).source()) == 3
    with pytest.raises(data.NoSplits, match="does not say which rows are of the split 'val'"):
        Evaluation(data=file, images=root, split="val").source()


def test_models_of_one_run_name_are_told_apart():
    found = names_of(["x/mat/export", "y/mat/export", "a/clip"])
    assert list(found.values()) == ["x/mat/export", "y/mat/export", "clip"]


def test_grounding_knows_the_folder_of_entities(root):
    for folder in ("Sentences", "Annotations"):
        (root / folder).mkdir()
    (root / "Sentences" / "a.txt").write_text("[/EN#1/people A man] waits .")
    (root / "Annotations" / "a.xml").write_text(
        "<annotation><size><width>20</width><height>10</height></size><object><name>1</name>"
        "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>9</xmax><ymax>8</ymax></bndbox></object>"
        "</annotation>"
    )
    asked = Evaluation(data=root, images=root, task="grounding")
    found = task_named("grounding").source(asked)
    assert isinstance(found, data.BoxedPhrases)
    assert found.phrases == ("A man",) and found.form == "Flickr30k Entities"
    (root / "dets.json").write_text('{"a": [[1, 2, 8, 6], [0, 0, 1, 1]]}')
    asked = Evaluation(data=root, images=root, task="grounding", detections=root / "dets.json")
    found = task_named("grounding").source(asked)
    assert isinstance(found, data.BoxedPhrases)
    assert found.right(0).tolist() == [True, False] and found.form.endswith("boxes of a detector")


@pytest.mark.parametrize("task", ["retrieval", "zero_shot", "entailment", "vqa", "grounding"])
def test_scenes_of_another_split_are_read_if_it_is_named(task):
    names = [
        task_named(task).source(Evaluation(data="scenes", task=task, split=split, limit=2)).name
        for split in (None, "val")
    ]
    assert names[0].startswith("scenes/test") and names[1].startswith("scenes/val")


@pytest.mark.parametrize("task", ["zero_shot", "entailment", "vqa", "grounding"])
def test_a_split_of_data_without_splits_is_refused(root, task):
    asked = Evaluation(data=root, images=root, task=task, split="val")
    with pytest.raises(ValueError, match="split is 'val', and .* has no splits: leave it out"):
        task_named(task).source(asked)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("--task vqa --captions a.json", "--captions says nothing to --task vqa: leave it out"),
        ("--task entailment --texts 3", "--texts is of sets with --captions: give both"),
        ("--task entailment --captions scenes --texts 0", "texts is 0: it must be at least 1"),
        ("--task entailment --captions scenes --texts 7", "texts=7 makes no set of a sentence"),
    ],
)
def test_sets_are_of_entailment_and_of_so_many_texts(line, sentence, capsys):
    assert main([*line.split(), "--model", "x", "--out", "y"]) == 2
    assert sentence in capsys.readouterr().err


def test_detections_are_for_grounding_alone(capsys):
    assert main("--model x --task vqa --detections dets.json --out y".split()) == 2
    assert "--detections says nothing to --task vqa" in capsys.readouterr().err


def test_a_source_cut_short_is_all_that_the_whole_one_is():
    """Asked as Python 3.12 asks: of the class, without calling `__getattr__`."""
    whole = data.Questions(data.load_scenes("test", limit=5))
    short = Evaluation(data=whole, task="vqa", limit=3).cut(whole)
    assert len(short) == 3 and isinstance(short, HasAnswers)
    told = [name for name in dir(whole) if not name.startswith("_")]
    assert "answers" in told
    for name in told:
        inspect.getattr_static(short, name)  # AttributeError if the class has it not
    assert short.name == whole.name
    assert [short.answers(i) for i in range(3)] == [whole.answers(i) for i in range(3)]
    with pytest.raises(IndexError):
        short[3]
