"""Images and captions in lines of text: what each published form says, by hand."""

import json

import pytest

from mat_jax.data import retrieval_json

NAMES = ("a.jpg", "b.jpg", "c.jpg")


@pytest.fixture
def root(tmp_path):
    for name in NAMES:
        (tmp_path / name).touch()
    return tmp_path


def read(root, name, text, **settings):
    (root / name).write_text(text, encoding="utf-8")
    source = retrieval_json(root / name, root, **settings)
    return {p.name: t for p, t in zip(source.paths, source.texts, strict=True)}


TOKENS = (
    "a.jpg#0\tA dog .\na.jpg#1\tA “brown” dog, über a log .\n"
    "b.jpg#0\tA cat .\nb.jpg#1\t .\nold.jpg.1#0\tGone .\n"
)


def test_token_file(root):
    """Without the wordless caption, and without the image that the archive lacks."""
    found = read(root, "Flickr8k.token.txt", TOKENS)
    assert found == {"a.jpg": ("A dog .", "A “brown” dog, über a log ."), "b.jpg": ("A cat .",)}


def test_splits_of_a_token_file_are_the_lists_beside_it(root):
    (root / "Flickr_8k.testImages.txt").write_text("b.jpg\n")
    (root / "Flickr_8k.devImages.txt").write_text("a.jpg\n")
    assert list(read(root, "Flickr8k.token.txt", TOKENS, split="test")) == ["b.jpg"]
    assert list(read(root, "Flickr8k.token.txt", TOKENS, split="val")) == ["a.jpg"]
    with pytest.raises(ValueError, match=r"expected one file \*trainImages.txt beside it"):
        read(root, "Flickr8k.token.txt", TOKENS, split="train")


def test_kaggles_table_quotes_what_has_a_comma(root):
    text = 'image,caption\na.jpg,A dog .\na.jpg,"A dog , ""brown"" ."\nb.jpg,A cat , asleep .\n'
    assert read(root, "captions.txt", text) == {
        "a.jpg": ("A dog .", 'A dog , "brown" .'),
        "b.jpg": ("A cat , asleep .",),
    }


def test_flickr30ks_table_has_bars(root):
    text = 'image_name| comment_number| comment\na.jpg| 0| A dog with a "log .\na.jpg| 1| Dogs\n'
    assert read(root, "results.csv", text) == {"a.jpg": ('A dog with a "log .', "Dogs")}


def test_json_lines(root):
    rows = [{"image": "a.jpg", "caption": "A dog"}, {"image": "b.jpg", "caption": ["A cat", "B"]}]
    found = read(root, "rows.jsonl", "\n".join(map(json.dumps, rows)))
    assert found == {"a.jpg": ("A dog",), "b.jpg": ("A cat", "B")}


@pytest.mark.parametrize("each", [1, 2])
def test_precomputed_captions_beside_their_names(root, each):
    """Published with a name for each caption (test) and one for all of an image (train)."""
    names = [name for name in ("a.jpg", "b.jpg") for _ in range(each)]
    (root / "test_filename.txt").write_text("\n".join(names) + "\n")
    text = "the airport\nis large\nthe sea\nis blue\n"
    expected = {"a.jpg": ("the airport", "is large"), "b.jpg": ("the sea", "is blue")}
    assert read(root, "test_caps.txt", text) == expected


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("x.token.txt", "a.jpg#0\tA dog\nb.jpg A cat\n", "line 2 is 'b.jpg A cat'; expected name"),
        ("results.csv", "image_name| comment_number| comment\na.jpg| A\n", "row 2 has 2 cells"),
        (
            "rows.jsonl",
            '{"image": "a.jpg", "caption": "a"}\n{"image": "b.jpg", "caption": "b"}\n{\n',
            "line 3 is '{'; expected one",
        ),
        (
            "snli.jsonl",
            2 * '{"sentence1": "a", "sentence2": "b"}\n',
            "line 1 has the keys .* it looks like SNLI's lines",
        ),
        ("val_caps.txt", "one\ntwo\n", "expected 'val_filename.txt' with the names of the images"),
        ("test_caps.txt", "one\ntwo\nthree\n", "has 2 names for the 3 captions"),
    ],
)
def test_bad_lines_are_one_sentence(root, name, text, sentence):
    (root / "test_filename.txt").write_text("a.jpg\nb.jpg\n")
    with pytest.raises(ValueError, match=sentence) as caught:
        read(root, name, text)
    assert "\n" not in str(caught.value)


def test_the_published_token_file(shared, root):
    file = shared / "data" / "formats" / "flickr8k.token.txt"
    text = file.read_text()
    for name in {line.split("#")[0] for line in text.splitlines()}:
        (root / name).touch()
    found = read(root, "token.txt", text)
    assert sum(map(len, found.values())) == len(text.strip().splitlines())
    assert found["1001773457_577c3a7d70.jpg"][0] == "A black dog and a spotted dog are fighting"


def test_the_published_precomputed_files(shared, root):
    """The excerpt holds both files, each under a comment."""
    text = (shared / "data/formats/rsicd_precomp_caps_and_filenames.txt").read_text()
    _, captions, names = text.split("# ")
    (root / "airport_348.jpg").touch()
    (root / "test_filename.txt").write_text(names.split("\n", 1)[1])
    found = read(root, "test_caps.txt", captions.split("\n", 1)[1])
    assert list(found) == ["airport_348.jpg"] and len(found["airport_348.jpg"]) == 5
    assert found["airport_348.jpg"][0] == "the airport is very large ."
