"""Each source that the guide lists is read, from files of its published form in miniature."""

import re
from pathlib import Path

import pytest

from mat_jax import data
from tests.data.sources.tfds_sets_test import TinyFood
from tests.docs import stand_ins
from tests.docs.blocks import DOCS, blocks

(LIST,) = (block.text for block in blocks(DOCS / "guide.md") if block.language == "python")
LINES = [line.partition("#")[0].strip() for line in LIST.splitlines()]
TFDS = "oxford_iiit_pet"  # gigabytes that it would fetch


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = stand_ins.prepared(tmp_path_factory.mktemp("machine"))
    TinyFood(data_dir=root / "tfds", file_format="array_record").download_and_prepare()
    return root


def test_the_list_is_of_functions_that_there_are() -> None:
    assert len(LINES) > 10 and any(TFDS in line for line in LINES)
    for line in LINES:
        called = re.match(r"data\.(\w+)\(", line)
        assert called is not None and callable(getattr(data, called[1])), line


@pytest.mark.slow  # twenty seconds, nearly all for the miniatures
@pytest.mark.parametrize("line", LINES, ids=lambda line: line.partition("(")[0])
def test_a_source_of_the_guide_is_read(line: str, machine: Path, monkeypatch) -> None:
    monkeypatch.chdir(machine)
    source = eval(line.replace(TFDS, "tfds/tiny_food/1.2.0"), {"data": data})
    assert isinstance(source, data.Source) and len(source) > 0
    example = source[len(source) - 1]
    assert example.image.ndim == 3 and example.image.shape[2] == 3
    assert all(isinstance(text, str) and text for text in example.captions)
