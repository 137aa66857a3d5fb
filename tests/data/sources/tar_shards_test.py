"""Pairs in WebDataset shards: what is read, by position, and what is refused."""

import io
import tarfile
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mat_jax import data, evaluate
from mat_jax.types.sources import HasCaptions, Source

TEXTS = ("a red car", 'Zwei "Hunde" im Schnee, fröhlich!', "  ", "two dogs " * 40)


def pixels(number):
    return np.random.default_rng(number).integers(0, 255, (8, 6, 3)).astype(np.uint8)


def png(number):
    buffer = io.BytesIO()
    Image.fromarray(pixels(number)).save(buffer, "PNG")
    return buffer.getvalue()


def shard(path, files, mode: Any = "w"):
    """A tar of (name, bytes), in this order."""
    with tarfile.open(path, mode) as archive:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def folder(tmp_path):
    """Two shards as img2dataset writes them, with files that are no pairs."""
    for number in range(2):
        files = []
        for row, text in enumerate(TEXTS):
            key = f"{number}000{row}"
            files += [(f"{key}.json", b"{}"), (f"{key}.png", png(10 * number + row))]
            files.append((f"{key}.txt", text.encode()))
        files += [("9998.txt", b"a caption alone"), ("9999.png", png(99))]
        shard(tmp_path / f"{number:05d}.tar", files)
    return tmp_path


def test_pairs_stand_in_order_and_are_read_by_position(folder):
    source = data.webdataset(folder)
    assert isinstance(source, Source) and isinstance(source, HasCaptions)
    assert len(source) == 6  # the third caption has no word
    assert source.captions(1) == (TEXTS[1],)
    for row, number in ((5, 13), (0, 0), (3, 10), (-1, 13)):
        example = source[row]
        np.testing.assert_array_equal(example.image, pixels(number))
        assert example.captions == source.captions(row) and example.image_id == row % 6
    with pytest.raises(IndexError):
        source[6]


def test_a_shard_a_range_and_a_limit(folder):
    one = data.webdataset(folder / "00001.tar")
    np.testing.assert_array_equal(one[0].image, pixels(10))
    several = data.webdataset(str(folder / "{00000..00001}.tar"))
    assert several.texts == data.webdataset(folder).texts
    assert data.webdataset(folder, limit=4).texts == several.texts[:4]
    # A limit looks no further than it must.
    (folder / "00001.tar").write_bytes(b"damaged")
    assert len(data.webdataset(folder, limit=3)) == 3


def test_names_of_folders_and_several_dots_are_as_webdataset_cuts_them(tmp_path):
    files = [("a.b/1.seg.png", png(1)), ("a.b/1.png", png(2)), ("a.b/1.txt", b"one thing")]
    source = data.webdataset(shard(tmp_path / "x.tar", files))
    np.testing.assert_array_equal(source[0].image, pixels(2))


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2"])
def test_a_compressed_shard_is_refused(tmp_path, mode):
    path = shard(tmp_path / "x.tar", [("1.png", png(1)), ("1.txt", b"one")], mode)
    with pytest.raises(ValueError, match=r"x.tar.* cannot be read .*expected a tar that is whole"):
        data.webdataset(path)


def test_what_is_not_there_is_named(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no shard .*00002.tar"):
        data.webdataset(str(folder / "{00000..00002}.tar"))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ValueError, match=r"holds no shards \(\*.tar\)"):
        data.webdataset(empty)
    nothing = shard(tmp_path / "none.tar", [("1.json", b"{}")])
    with pytest.raises(ValueError, match="holds no picture with a caption; expected name.jpg"):
        data.webdataset(nothing)
    with pytest.raises(ValueError, match="limit=0 leaves no pair"):
        data.webdataset(folder, limit=0)


def test_a_damaged_picture_names_its_shard(tmp_path):
    source = data.webdataset(shard(tmp_path / "x.tar", [("1.jpg", b"none"), ("1.txt", b"one")]))
    with pytest.raises(ValueError, match=r"cannot read the image .*x.tar', byte 512"):
        source[0]


def test_an_evaluation_reads_them(folder):
    asked = evaluate.Evaluation(data=str(folder / "{00000..00001}.tar"), limit=5)
    source = asked.source()
    assert len(source) == 5 and source[4].captions == (TEXTS[1],)


def test_a_link_in_a_shard_is_not_followed(tmp_path):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("1.png")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
        text = tarfile.TarInfo("1.txt")
        text.size = 3
        archive.addfile(text, io.BytesIO(b"one"))
    with pytest.raises(ValueError, match="holds no picture with a caption"):
        data.webdataset(path)


def test_files_of_a_name_need_not_stand_together(tmp_path):
    """A folder packed with tar may have all captions first; copies of macOS are no pictures."""
    files = [(f"{row}.txt", b"\xef\xbb\xbf" + text.encode()) for row, text in enumerate(TEXTS)]
    files += [("._0.png", b"resources"), *((f"{row}.png", png(row)) for row in (1, 0, 2))]
    source = data.webdataset(shard(tmp_path / "a.tar", files))
    assert source.texts == (TEXTS[1], TEXTS[0])
    np.testing.assert_array_equal(source[0].image, pixels(1))


@pytest.mark.parametrize("cut", [0, 100], ids=["between two files", "within a head"])
def test_a_shard_that_ends_early_is_refused(tmp_path, cut):
    """Python reads what there is of it and says nothing."""
    path = shard(tmp_path / "a.tar", [("0.png", png(0)), ("0.txt", b"a cat"), ("1.png", png(1))])
    with tarfile.open(path) as archive:
        start = archive.getmember("1.png").offset
    path.write_bytes(path.read_bytes()[: start + cut])
    with pytest.raises(ValueError, match=r"cannot be read \(it ends early\); expected a tar that"):
        data.webdataset(path)
