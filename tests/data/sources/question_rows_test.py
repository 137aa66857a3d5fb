"""VQA as published and in ALBEF's form."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mat_jax import data
from mat_jax.types.sources import HasAnswers

QUESTIONS = "v2_OpenEnded_mscoco_val2014_questions.json"
ANNOTATIONS = "v2_mscoco_val2014_annotations.json"


@pytest.fixture()
def root(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for number in (42, 73):
        pixels = np.full((8, 12, 3), number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"images/COCO_val2014_{number:012d}.jpg")
    return tmp_path


def asked(image: int, question: str, identity: int) -> dict:
    return {"image_id": image, "question": question, "question_id": identity}


def given(identity: int, image: int, answers: list[str]) -> dict:
    """An annotation with all fields that are published."""
    return {
        "question_type": "what is",
        "multiple_choice_answer": answers[0],
        "answers": [
            {"answer": text, "answer_confidence": "yes", "answer_id": n}
            for n, text in enumerate(answers, 1)
        ],
        "image_id": image,
        "answer_type": "other",
        "question_id": identity,
    }


def write(root: Path, questions: object, annotations: object) -> Path:
    (root / ANNOTATIONS).write_text(json.dumps(annotations))
    (root / QUESTIONS).write_text(json.dumps(questions))
    return root / QUESTIONS


def published(root: Path) -> Path:
    questions = [
        asked(42, "Is it a cat?", 42001),
        asked(73, "How many?", 73000),
        asked(42, "Where?", 42000),
    ]
    answers = [
        given(42000, 42, ["sofa"] * 10),
        given(42001, 42, ["yes"] * 8 + ["no"] * 2),
        given(73000, 73, ["2", "two", "2", "3", "2", "2", "2", "2", "2", "2"]),
    ]
    head = {"info": {}, "task_type": "Open-Ended", "data_type": "mscoco", "license": {}}
    return write(
        root,
        head | {"data_subtype": "val2014", "questions": questions},
        head | {"data_subtype": "val2014", "annotations": answers},
    )


def test_the_published_files(root: Path) -> None:
    """Joined by the question's number, whose order differs between the files."""
    source = data.vqa_json(published(root), root / "images")
    assert isinstance(source, HasAnswers) and len(source) == 3
    assert source.questions == ("Is it a cat?", "How many?", "Where?")
    assert source.answers(0) == ("yes",) * 8 + ("no",) * 2
    assert source.answers(1)[:4] == ("2", "two", "2", "3")
    assert source.answers(2) == ("sofa",) * 10
    assert [source.picture(i) for i in range(3)] == [0, 1, 0]
    assert source[1].image.shape == (8, 12, 3) and source[1].captions == ("How many?",)
    # All answers that occur, the commonest first.
    assert source.answer_list == ("sofa", "yes", "2", "no", "two", "3")
    few = data.vqa_json(published(root), root / "images", limit=1)
    assert len(few) == 1 and few.answer_list == ("yes", "no")


def test_the_set_is_told_by_the_name_and_the_list_of_answers_is_read(root: Path) -> None:
    path = published(root)
    contents = json.loads(path.read_text())
    del contents["data_subtype"]
    path.write_text(json.dumps(contents))
    (root / "answer_list.json").write_text(json.dumps(["no", "yes", "net"]))
    assert data.vqa_json(path, root / "images").answer_list == ("no", "yes", "net")
    other = root / "mine.json"
    other.write_text(json.dumps(["yes"]))
    assert data.vqa_json(path, root / "images", answers=other).answer_list == ("yes",)
    moved = root / "questions_of_val2014.json"
    path.rename(moved)
    with pytest.raises(ValueError, match="is not named as VQA names its questions"):
        data.vqa_json(moved, root / "images")
    source = data.vqa_json(moved, root / "images", annotations=root / ANNOTATIONS)
    assert len(source) == 3


def test_albefs_form(root: Path) -> None:
    file = root / "vqa_val.json"
    rows = [
        {
            "question_id": 1,
            "question": "What?",
            "image": "images/COCO_val2014_000000000042.jpg",
            "dataset": "vqa",
            "answer": ["net", "net", "netting"],
        },
        {
            "image": "images/COCO_val2014_000000000073.jpg",
            "dataset": "vg",
            "question": "Who?",
            "answer": "a man",
        },
    ]
    file.write_text(json.dumps(rows))
    source = data.vqa_json(file, root)
    assert source.people == (("net", "net", "netting"), ("a man",))
    assert source.answer_list == ("net", "netting", "a man") and source.name == "vqa_val"


ROW = {"image": "COCO_val2014_000000000042.jpg", "question": "What?", "answer": ["net"]}


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        ([], "has no question"),
        ("x", "holds a str"),
        ([3], "row 0 is no row of VQA's"),
        ([ROW | {"answer": []}], r"row 0 has the answers \[\]; expected one text or more"),
        ([ROW | {"answer": [" "]}], r"row 0 has the answers \[' '\]"),
        ([ROW | {"question": "?!"}], "the question '\\?!' has no word"),
        ([ROW | {"answer": 3}], "row 0 is no row of"),
        (
            [{"image": "x", "question": "What?", "question_id": 1}],
            "row 0 has no answer, as rows of the test set",
        ),
        ({"annotations": [{"answers": []}]}, "it looks like VQA's annotations; give the questions"),
        ({"questions": [{"image_id": "x"}]}, "question 0 is not of the form"),
        ({"questions": [asked(42, "What?", 5)]}, "the question_id 5, which the annotations lack"),
    ],
)
def test_other_files_are_refused(root: Path, contents: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        data.vqa_json(write(root, contents, {"annotations": []}), root / "images")


@pytest.mark.parametrize(
    ("annotations", "said"),
    [
        ([], "has no annotations; expected"),
        ({"annotations": [{"question_id": 1}]}, "annotation 0 is not of the form"),
        ({"annotations": [{"question_id": 1, "answers": ["x"]}]}, "annotation 0 is not of the"),
    ],
)
def test_other_annotations_are_refused(root: Path, annotations: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        data.vqa_json(write(root, {"questions": []}, annotations), root / "images")


def test_what_is_not_there_is_named(root: Path) -> None:
    path = published(root)
    with pytest.raises(ValueError, match="limit=0 leaves no question"):
        data.vqa_json(path, root / "images", limit=0)
    (root / "answer_list.json").write_text('{"yes": 1}')
    with pytest.raises(ValueError, match="is no list of answers"):
        data.vqa_json(path, root / "images")
    (root / ANNOTATIONS).unlink()
    with pytest.raises(FileNotFoundError, match="give the JSON file of VQA's annotations"):
        data.vqa_json(path, root / "images")
    nameless = root / "questions.json"
    nameless.write_text('{"questions": []}')
    with pytest.raises(ValueError, match="does not say whose pictures it asks about"):
        data.vqa_json(nameless, root / "images")
