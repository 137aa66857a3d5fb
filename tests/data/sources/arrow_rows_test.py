"""Hugging Face data sets on disk, written here by pyarrow in the two real forms."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mat_jax import data
from mat_jax.types.sources import HasCaptions, HasClasses, HasLabels, Source

TEXTS = [["a red car", "ein Auto, „rot“"], ["two dogs"], ["word " * 60], ["a", "b", "c"]]
LABELS = [2, 0, 1, 2]
NAMES = ["apple_pie", "sushi", "tacos"]
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def pixels(row):
    return np.random.default_rng(row).integers(0, 255, (6, 9, 3)).astype(np.uint8)


def cell(row):
    buffer = io.BytesIO()
    Image.fromarray(pixels(row)).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": f"{row}.png"}


def table(columns, rows=range(4), features=None):
    """Pictures and columns, with what `datasets` writes of them beside the schema."""
    told = {"image": {"_type": "Image"}} | (features or {})
    cells = {"image": pa.array([cell(row) for row in rows], IMAGE)}
    found = pa.table(cells | {name: [values[r] for r in rows] for name, values in columns.items()})
    facts = {"huggingface": json.dumps({"info": {"features": told}})}
    return found.replace_schema_metadata(facts)


CAPTIONED = {"caption": TEXTS, "filename": [f"{row}.png" for row in range(4)]}
CLASSED = {"label": LABELS}
CLASSES = {"label": {"names": NAMES, "_type": "ClassLabel"}}


def parquet(folder, columns, features=None):
    """Two files of a split, in groups of rows, as the hub keeps them."""
    folder.mkdir(exist_ok=True)
    for number, rows in enumerate((range(3), range(3, 4))):
        path = folder / f"test-{number:05d}-of-00002.parquet"
        pq.write_table(table(columns, rows, features), path, row_group_size=2)
    return folder.parent if folder.name == "data" else folder


def saved(folder, columns, features=None):
    """What `Dataset.save_to_disk` leaves: streams of arrow and a state."""
    folder.mkdir(parents=True)
    for number, rows in enumerate((range(1), range(1, 4))):
        part = table(columns, rows, features)
        path = folder / f"data-{number:05d}-of-00002.arrow"
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, part.schema) as stream:
            stream.write_table(part)
    (folder / "state.json").write_text("{}")
    return folder


@pytest.mark.parametrize("form", [parquet, saved])
def test_pictures_and_captions_by_position(tmp_path, form):
    source = data.huggingface(form(tmp_path / "flickr", CAPTIONED))
    assert isinstance(source, Source) and isinstance(source, HasCaptions)
    assert not isinstance(source, HasLabels)
    assert [source.captions(i) for i in range(4)] == [tuple(texts) for texts in TEXTS]
    for row in (3, 0, 2, 1, -1):
        example = source[row]
        np.testing.assert_array_equal(example.image, pixels(row % 4))
        assert example.captions == tuple(TEXTS[row]) and example.image_id == row % 4
    with pytest.raises(IndexError):
        source[4]


@pytest.mark.parametrize("form", [parquet, saved])
def test_pictures_and_classes(tmp_path, form):
    source = data.huggingface(form(tmp_path / "food", CLASSED, CLASSES))
    assert isinstance(source, HasClasses)
    assert source.classes == ("apple pie", "sushi", "tacos")
    assert [source.label(i) for i in range(4)] == LABELS
    for row in (2, 3, 0, 1):
        np.testing.assert_array_equal(source[row].image, pixels(row))


def test_splits_are_told_apart_and_asked_for(tmp_path):
    parquet(tmp_path / "data", CAPTIONED)
    pq.write_table(table(CAPTIONED, [1]), tmp_path / "data" / "train-00000-of-00001.parquet")
    with pytest.raises(ValueError, match=r"has the splits test, train, not None"):
        data.huggingface(tmp_path)
    assert len(data.huggingface(tmp_path, "train")) == 1
    several = tmp_path / "several"
    saved(several / "train", CAPTIONED)
    saved(several / "val", CAPTIONED)
    (several / "dataset_dict.json").write_text('{"splits": ["train", "val"]}')
    assert data.huggingface(several, "val").name == "several/val"


def test_another_column_of_captions(tmp_path):
    folder = parquet(tmp_path / "x", {"sentences": TEXTS, "title": ["one", "two", "three", "four"]})
    assert data.huggingface(folder).captions(0) == tuple(TEXTS[0])
    assert data.huggingface(folder, captions="title").captions(3) == ("four",)
    with pytest.raises(ValueError, match="has no column 'words'; it has image, sentences, title"):
        data.huggingface(folder, captions="words")


def test_what_cannot_be_read_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds neither parquet files nor what save_to_dis"):
        data.huggingface(tmp_path)
    with pytest.raises(FileNotFoundError, match="no folder"):
        data.huggingface(tmp_path / "none")
    numbers = parquet(tmp_path / "numbers", {"caption": [1, 2, 3, 4]})
    with pytest.raises(ValueError, match=r"row 0: the column 'caption' has 1; expected a text"):
        data.huggingface(numbers)
    silent = parquet(tmp_path / "silent", {"caption": ["a", "...", "b", "c"]})
    with pytest.raises(ValueError, match="row 1 has no caption with a word"):
        data.huggingface(silent)
    bare = parquet(tmp_path / "bare", {"size": [1, 2, 3, 4]})
    with pytest.raises(ValueError, match="has no captions and no classes among its columns image"):
        data.huggingface(bare)
    blind = tmp_path / "blind"
    blind.mkdir()
    pq.write_table(pa.table({"caption": ["a"]}), blind / "test.parquet")
    with pytest.raises(ValueError, match="has no column of pictures among caption"):
        data.huggingface(blind)


@pytest.mark.parametrize("name", ["test.parquet", "data-00000-of-00001.arrow"])
def test_a_damaged_file_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"PAR1 and no more")
    (tmp_path / "state.json").write_text("{}") if name.endswith("arrow") else None
    with pytest.raises(ValueError, match=rf"{name}' cannot be read .*damaged or of another form"):
        data.huggingface(tmp_path)


def test_a_cell_without_bytes_is_a_file_beside_it_or_refused(tmp_path):
    Image.fromarray(pixels(7)).save(tmp_path / "7.png")
    cells = pa.array([{"bytes": None, "path": "7.png"}, {"bytes": None, "path": None}], IMAGE)
    pq.write_table(pa.table({"image": cells, "text": ["a", "b"]}), tmp_path / "test.parquet")
    source = data.huggingface(tmp_path)
    np.testing.assert_array_equal(source[0].image, pixels(7))
    with pytest.raises(ValueError, match=r"row 1 .*has no picture in the column 'image'"):
        source[1]


@pytest.mark.parametrize(
    "columns",
    [
        {"caption_0": ["a", "b", "c", "d"], "caption_1": ["e", "f", "g", "h"]},
        {"sentences": [[{"raw": one, "sentid": 1} for one in pair] for pair in ("ae", "bf", "cg")]},
    ],
    ids=["a column each", "records"],
)
def test_captions_as_flickr8k_and_coco_have_them(tmp_path, columns):
    pq.write_table(table(columns, range(3)), tmp_path / "test.parquet")
    source = data.huggingface(tmp_path)
    assert [source.captions(row) for row in range(3)] == [("a", "e"), ("b", "f"), ("c", "g")]


@pytest.mark.parametrize(
    ("labels", "said"),
    [([0, None], "None in row 1"), (["a", "b"], "'a' in row 0"), ([], "has no row")],
)
def test_classes_that_are_no_numbers_are_refused(tmp_path, labels, said):
    pq.write_table(table({"label": labels}, range(len(labels))), tmp_path / "test.parquet")
    with pytest.raises(ValueError, match=said):
        data.huggingface(tmp_path)


def test_a_file_without_the_column_is_named(tmp_path):
    pq.write_table(table({"caption": ["a", "b"]}, range(2)), tmp_path / "test-00000.parquet")
    pq.write_table(table({"text": ["a", "b"]}, range(2)), tmp_path / "test-00001.parquet")
    with pytest.raises(ValueError, match="test-00001.parquet' cannot be read"):
        data.huggingface(tmp_path)
