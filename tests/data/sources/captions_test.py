import io
import tarfile

import pytest

from mat_jax.data import Source, texts


def shard(path, captions):
    """A WebDataset shard: of each sample the picture, the caption and facts, in this order."""
    with tarfile.open(path, "w") as archive:
        for number, caption in enumerate(captions):
            for suffix, data in (
                (".jpg", b"\xff\xd8"),
                (".txt", caption.encode()),
                (".json", b"{}"),
            ):
                member = tarfile.TarInfo(f"{number:09}{suffix}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))


@pytest.fixture
def shards(tmp_path):
    shard(tmp_path / "00000001.tar", ["third", "fourth"])
    shard(tmp_path / "00000000.tar", ["First caf\u00e9", "...", "second\n"])
    return tmp_path


def test_shards_in_order_without_empty_captions(shards):
    source = texts(shards)
    assert isinstance(source, Source)
    assert [source.captions(i)[0] for i in range(len(source))] == [
        "First caf\u00e9",
        "second",
        "third",
        "fourth",
    ]
    assert source[1].image.shape == (1, 1, 3) and source[1].image_id == 1
    assert len(texts(shards, limit=3)) == 3
    assert texts(shards / "00000001.tar").texts == ("third", "fourth")


def test_no_further_than_the_limit(shards):
    (shards / "00000001.tar").write_bytes(b"broken")
    assert texts(shards, limit=2).texts == ("First caf\u00e9", "second")
    with pytest.raises(ValueError, match=r"shard .*00000001\.tar' cannot be read"):
        texts(shards)


def test_lines(tmp_path):
    file = tmp_path / "captions.txt"
    file.write_text("a dog\n\n!!\na cat \n")
    assert texts(file).texts == ("a dog", "a cat")


def test_bad_paths(tmp_path):
    with pytest.raises(FileNotFoundError, match="no captions at '/nowhere'"):
        texts("/nowhere")
    with pytest.raises(ValueError, match="holds no shards"):
        texts(tmp_path)
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(ValueError, match="no caption with a word in it"):
        texts(tmp_path / "empty.txt")
    with pytest.raises(ValueError, match="limit=0 leaves no caption"):
        texts(tmp_path / "empty.txt", limit=0)
