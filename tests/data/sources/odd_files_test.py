"""Every reader on files as people have them: of Windows, damaged, packed, and of another form."""

import gzip
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from mat_jax import data
from mat_jax.data.sources.rsicd_files import rsicd
from mat_jax.evaluate.tasks.class_prompts import read_list

SIXTY = " ".join(f"word{number}" for number in range(60))
ODD = ('A man\'s “T-shirt”, "red"', "Ein Mädchen läuft über die Straße", SIXTY, "a\ttab")
ROWS = [{"image": "a/1.jpg", "caption": list(ODD)}, {"image": "2.jpg", "caption": ["A cat"]}]
COCO = {
    "info": {"year": 2014},
    "images": [{"id": 1, "file_name": "2.jpg", "license": 3, "height": 4, "width": 4}],
    "licenses": [],
    "annotations": [{"image_id": 1, "id": n, "caption": text} for n, text in enumerate(ODD)],
}
BOXED = {"image_id": 1, "id": 3, "bbox": [0, 0, 2, 2], "category_id": 1, "iscrowd": 0}
INSTANCES = {
    "images": [{"id": 1, "file_name": "2.jpg", "width": 4, "height": 4}],
    "annotations": [BOXED],
    "categories": [],
}
SENTENCE = {"tokens": ["a"], "raw": ODD[0], "imgid": 0, "sentid": 0}
KARPATHY = {
    "images": [{"filename": "2.jpg", "split": "test", "imgid": 0, "sentences": [SENTENCE]}],
    "dataset": "rsicd",
}
VERDICT = {"Flickr30K_ID": "2", "sentence1": "x", "sentence2": ODD[1], "gold_label": "neutral"}
QUESTIONS = {
    "data_subtype": "val2014",
    "questions": [{"image_id": 42, "question": ODD[0], "question_id": 1}],
}
PEOPLE = {"annotations": [{"question_id": 1, "answers": [{"answer": "yes"}]}]}
ASKED = [{"image": "2.jpg", "question": ODD[0], "answer": ["ja", "nö"], "question_id": 1}]
PHRASES = [{"image": "2.jpg", "text": "a Kätzchen", "bbox": [0, 0, 2, 2], "width": 4, "height": 4}]
REF = {"ref_id": 0, "ann_id": 3, "image_id": 1, "split": "val", "sentences": [{"sent": "a cat"}]}
XML = """<annotation><size><width>4</width><height>4</height></size>
<object><name>7</name><bndbox><xmin>0</xmin><ymin>0</ymin><xmax>2</xmax><ymax>2</ymax></bndbox>
</object></annotation>
"""


class Form(NamedTuple):
    """A file of a public form, what lies beside it, and who reads it."""

    file: str
    contents: Any
    read: Callable[[Path], Any]
    beside: dict[str, Any] = {}


def retrieval(file: str, contents: Any, **settings: Any) -> Form:
    return Form(file, contents, lambda root: data.retrieval_json(root / file, root, **settings))


Q = "v2_OpenEnded_mscoco_val2014_questions.json"
A = "v2_mscoco_val2014_annotations.json"
CAPS = "".join(f"Straße {number} .\n" for number in range(10))
FORMS = {
    "evaluation": retrieval("test.json", ROWS),
    "training": retrieval("train.json", [{"image": "2.jpg", "caption": ODD[0], "image_id": "x"}]),
    "coco": retrieval("captions_val2014.json", COCO),
    "karpathy": retrieval("dataset.json", KARPATHY, split="test"),
    "json lines": retrieval("rows.jsonl", "\n".join(map(json.dumps, ROWS))),
    "token file": retrieval("x.token.txt", "2.jpg#0\tA\ttab\n2.jpg#1\tÖl .\n"),
    "kaggle": retrieval("captions.txt", 'image,caption\n2.jpg,"A ""cat"", brown"\n2.jpg,Öl\n'),
    "flickr30k": retrieval("r.csv", 'image_name| comment_number| comment\n2.jpg| 0| A "cat"\n'),
    "precomputed": retrieval("t_caps.txt", CAPS)._replace(beside={"t_filename.txt": "2.jpg\n"}),
    "names of precomputed": Form(
        "t_filename.txt",
        "2.jpg\na/1.jpg\n",
        lambda root: data.retrieval_json(root / "t_caps.txt", root),
        {"t_caps.txt": CAPS},
    ),
    "snli-ve": Form(
        "ve.jsonl",
        2 * f"{json.dumps(VERDICT)}\n",
        lambda r: data.entailment_json(r / "ve.jsonl", r),
    ),
    "albef's verdicts": Form(
        "ve.json",
        [{"image": "2", "sentence": ODD[1], "label": "neutral"}],
        lambda root: data.entailment_json(root / "ve.json", root),
    ),
    "vqa": Form(Q, QUESTIONS, lambda root: data.vqa_json(root / Q, root), {A: PEOPLE}),
    "vqa's people": Form(A, PEOPLE, lambda root: data.vqa_json(root / Q, root), {Q: QUESTIONS}),
    "albef's questions": Form("q.json", ASKED, lambda root: data.vqa_json(root / "q.json", root)),
    "answers": Form(
        "answer_list.json",
        ["yes", "nö"],
        lambda root: data.vqa_json(root / "q.json", root),
        {"q.json": ASKED},
    ),
    "phrases": Form("g.json", PHRASES, lambda root: data.grounding_json(root / "g.json", root)),
    "detections": Form(
        "dets.json",
        {"2": [[0, 0, 2, 2]]},
        lambda root: data.grounding_json(root / "g.json", root, detections=root / "dets.json"),
        {"g.json": PHRASES},
    ),
    "instances": Form(
        "instances.json",
        INSTANCES,
        lambda root: data.refcoco(root, root),
        {"refs(unc).p": pickle.dumps([REF], 2)},
    ),
    "sentences": Form(
        "Sentences/2.txt",
        "[/EN#7/people The Mädchen] sits .\n",
        lambda root: data.flickr30k_entities(root, root),
        {"Annotations/2.xml": XML},
    ),
    "boxes": Form(
        "Annotations/2.xml",
        XML,
        lambda root: data.flickr30k_entities(root, root),
        {"Sentences/2.txt": "[/EN#7/people The Mädchen] sits .\n"},
    ),
    "classes of rsicd": Form(
        "txtclasses_rsicd/airport.txt",
        "2.jpg\nother.jpg\n",
        rsicd,
        {"dataset_rsicd.json": KARPATHY},
    ),
    "class names": Form(
        "names.txt",
        "n01 goldfish, Carassius auratus\nn02 1 Käfer\n",
        lambda root: data.image_folder(root / "train", root / "names.txt"),
    ),
    "classes": Form("c.json", ["cat", "Käfer"], lambda root: read_list(root / "c.json", "classes")),
    "captions": Form("web.txt", "A cat\nÖl, “good”\n", lambda root: data.texts(root / "web.txt")),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a/1.jpg", "2.jpg", "COCO_val2014_000000000042.jpg", "RSICD_images/2.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    for name in ("train/n01/a.jpg", "train/n02/b.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def write(root: Path, name: str, contents: Any) -> bytes:
    (root / name).parent.mkdir(exist_ok=True)
    if not isinstance(contents, str | bytes):
        contents = json.dumps(contents, indent=1, ensure_ascii=False)
    content = contents if isinstance(contents, bytes) else contents.encode()
    (root / name).write_bytes(content)
    return content


def prepared(root: Path, form: Form) -> bytes:
    for name, contents in form.beside.items():
        write(root, name, contents)
    return write(root, form.file, form.contents)


def told(source: Any) -> Any:
    """All that a reader found out from text."""
    if isinstance(source, tuple):
        return source
    classes = getattr(source, "classes", None)
    return [source.captions(number) for number in range(len(source))], classes


SAME = {
    "CRLF": lambda content: content.replace(b"\n", b"\r\n"),
    "a mark": lambda content: b"\xef\xbb\xbf" + content,
    "blank lines at the end": lambda content: content + b"\n \n",
    "UTF-16": lambda content: content.decode().encode("utf-16"),
}


@pytest.mark.parametrize("name", FORMS)
def test_marks_and_line_ends_change_nothing(root: Path, name: str) -> None:
    form = FORMS[name]
    content = prepared(root, form)
    expected = told(form.read(root))
    for change in SAME.values():
        (root / form.file).write_bytes(change(content))
        assert told(form.read(root)) == expected


DAMAGED = {
    "gzip file": gzip.compress,
    "zip archive": lambda content: b"PK\x03\x04" + content,
    "Git LFS": lambda content: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "page of the web": lambda content: b"<!DOCTYPE html>\n<html><body>Not Found</body></html>",
    "picture": lambda content: b"\x89PNG\r\n\x1a\n\0",
    "binary": lambda content: b"\0" * 20,
}


@pytest.mark.parametrize("name", FORMS)
def test_what_is_no_text_is_named(root: Path, name: str) -> None:
    form = FORMS[name]
    content = prepared(root, form)
    for looks, change in DAMAGED.items():
        (root / form.file).write_bytes(change(content))
        with pytest.raises(ValueError, match=f"looks like .*{looks}") as caught:
            form.read(root)
        assert "\n" not in str(caught.value) and Path(form.file).name in str(caught.value)


OTHERS = {
    "COCO's captions": COCO,
    "COCO's instances": INSTANCES,
    "Karpathy's": KARPATHY,
    "SNLI-VE's lines": 2 * f"{json.dumps(VERDICT)}\n",
    "VQA's questions": QUESTIONS,
    "VQA's annotations": PEOPLE,
    "ALBEF's form of questions": ASKED,
    "phrases with boxes": PHRASES,
    "a model wrote": [{"image_id": 1, "caption": "a cat"}],
    "": {"2": 3},  # of no form, as are what follows
    "a list": [3, 4],
    "null": None,
    "cut": '[{"image": "2.j',
    "nothing": "",
}
# Files of captions are told apart by what is in them, so any form of captions may be there.
RETRIEVAL = [name for name, form in FORMS.items() if form.read.__qualname__.startswith("retrieval")]
READ = {name: {"COCO's captions", "Karpathy's"} for name in RETRIEVAL} | {
    "precomputed": {"COCO's captions", "Karpathy's", "null"},  # a caption of one word
    "albef's verdicts": {"SNLI-VE's lines"},
    "vqa": {"ALBEF's form of questions"},
}


@pytest.mark.parametrize("name", [name for name in FORMS if name != "captions"])
def test_a_file_of_another_form_is_refused_in_one_sentence(root: Path, name: str) -> None:
    form = FORMS[name]
    prepared(root, form)
    for other, contents in OTHERS.items():
        if contents in (form.contents, *form.beside.values()) or other in READ.get(name, ()):
            continue
        write(root, form.file, contents)
        with pytest.raises((ValueError, FileNotFoundError)) as caught:
            form.read(root)
        said = str(caught.value)
        assert "\n" not in said and len(said) < 700 and not isinstance(caught.value, UnicodeError)
        named = name in RETRIEVAL and other not in ("", "a list", "null", "cut", "nothing")
        assert not named or f"looks like {other}" in said or other in said


@pytest.mark.parametrize("looks", ["JSON", "Flickr's token file", "a table", "Entities", "XML"])
def test_captions_one_a_line_are_no_other_file(root: Path, looks: str) -> None:
    texts = {
        "JSON": json.dumps(ROWS, indent=1),
        "Flickr's token file": "2.jpg#0\tA cat\n",
        "a table": "image,caption\n2.jpg,A cat\n",
        "Entities": "[/EN#7/people The man] sits .\n",
        "XML": XML,
    }
    write(root, "web.txt", texts[looks])
    with pytest.raises(ValueError, match=f"looks like .*{looks}"):
        data.texts(root / "web.txt")


def test_paths_of_windows_are_found(root: Path) -> None:
    write(root, "win.json", [{"image": "a\\1.jpg", "caption": "A cat"}])
    source = data.retrieval_json(root / "win.json", root)
    assert source.paths == (root / "a" / "1.jpg",) and source[0].image.shape == (4, 4, 3)


def test_a_caption_without_a_word_moves_no_other(root: Path) -> None:
    """The captions of the second picture stay its own, and none of the first's become its."""
    write(root, "t_filename.txt", "2.jpg\n2.jpg\na/1.jpg\na/1.jpg\n")
    write(root, "t_caps.txt", "one\n\nthree\nfour\n\n")
    source = data.retrieval_json(root / "t_caps.txt", root)
    assert source.texts == (("one",), ("three", "four"))


def test_other_breaks_of_lines_stay_in_the_caption(root: Path) -> None:
    write(root, "x.token.txt", "2.jpg#0\tA cat\u2028and\x0b a dog\n2.jpg#1\tA hen\n")
    found = data.retrieval_json(root / "x.token.txt", root).captions(0)
    assert found == ("A cat\u2028and\x0b a dog", "A hen")


def test_an_open_quotation_mark_does_not_take_the_rest_of_a_table(root: Path) -> None:
    write(root, "captions.txt", 'image,caption\n2.jpg,"A cat\n' + 10 * "2.jpg,A dog\n")
    with pytest.raises(ValueError, match="is no table .*a cell of many lines.*quotation marks"):
        data.retrieval_json(root / "captions.txt", root)


@pytest.mark.parametrize(
    ("contents", "sentence"),
    [
        (
            COCO | {"images": [*COCO["images"], {"id": 1, "file_name": "a/1.jpg"}]},
            "the id 1 stands",
        ),
        (COCO | {"annotations": [{"image_id": [1], "caption": "x"}]}, "no caption of any of them"),
        ([{"image": "x" * 5000, "caption": "A cat"}], "is not under the image root"),
        ([{"image": "a\0.jpg", "caption": "A cat"}], "is not under the image root"),
        ([{"image": ROWS * 900, "caption": "A cat"}], "expected the path of an image file"),
    ],
)
def test_odd_records_are_one_short_sentence(root: Path, contents: Any, sentence: str) -> None:
    write(root, "odd.json", contents)
    with pytest.raises((ValueError, FileNotFoundError), match=sentence) as caught:
        data.retrieval_json(root / "odd.json", root)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 700


@pytest.mark.parametrize("boxes", [[[1, 2, 3]], {"a": 1}, [[0, 0, 1e999, 1]], [["x"] * 4], 3])
def test_boxes_that_are_none(root: Path, boxes: Any) -> None:
    write(root, "g.json", PHRASES)
    write(root, "dets.json", {"2": boxes})
    with pytest.raises(ValueError, match=r"boxes of '2.jpg' that are not \[x, y"):
        data.grounding_json(root / "g.json", root, detections=root / "dets.json")


def test_a_question_with_a_list_for_an_id(root: Path) -> None:
    write(root, A, PEOPLE)
    write(root, Q, QUESTIONS | {"questions": [{**QUESTIONS["questions"][0], "question_id": [1]}]})
    with pytest.raises(ValueError, match="question 0 is not of the form"):
        data.vqa_json(root / Q, root)


@pytest.mark.parametrize("change", [{"sentences": [{"sent": 3}]}, {"ann_id": 9}, {"image_id": 7}])
def test_odd_records_of_refer(root: Path, change: dict[str, Any]) -> None:
    write(root, "instances.json", INSTANCES)
    write(root, "refs(unc).p", pickle.dumps([REF | change], 2))
    with pytest.raises(ValueError, match="as REFER publishes them"):
        data.refcoco(root, root)
