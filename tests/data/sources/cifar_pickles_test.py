"""CIFAR's files, byte for byte as Python 2 wrote them; what asks for more is refused."""

import os
import pickle
import warnings

import numpy as np
import pytest

from mat_jax.data import Source, cifar
from tests.python2 import dumps


def batch(labels, *, key="fine_labels", first=0):
    """A file of images: image i is of the colour (i, 2 i, 3 i), but for its first two pixels."""
    rows = np.zeros((len(labels), 3, 32, 32), np.uint8)
    for i in range(len(labels)):
        rows[i] = np.array([1, 2, 3], np.uint8)[:, None, None] * (first + i)
        rows[i, :, 0, 1], rows[i, :, 1, 0] = 200, 100
    names = [f"picture_s_{i:06}.png" for i in range(len(labels))]
    return {
        "batch_label": "training batch 1 of 1",
        key: labels,
        "data": rows.reshape(len(labels), -1),
        "filenames": names,
    }


@pytest.fixture
def hundred(tmp_path):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    coarse = {"coarse_labels": [0, 0, 1]}
    (folder / "train").write_bytes(dumps(batch([2, 0, 1]) | coarse))
    (folder / "test").write_bytes(dumps(batch([1], first=9) | {"coarse_labels": [0]}))
    facts = {"fine_label_names": ["apple", "aquarium_fish", "t-shirt"], "coarse_label_names": ["a"]}
    (folder / "meta").write_bytes(dumps(facts))
    return folder


def test_the_files_of_the_test_are_pickles():
    written = batch([2, 0, 1]) | {"large": 70_000}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy 2 has its functions elsewhere
        read = pickle.loads(dumps(written), encoding="latin1")
    assert read.keys() == written.keys()
    np.testing.assert_array_equal(read.pop("data"), written.pop("data"))
    assert read == written


def test_cifar_100(hundred):
    source = cifar(hundred)
    assert isinstance(source, Source) and source.name == "cifar-100-python/train"
    assert source.classes == ("apple", "aquarium fish", "t shirt")
    assert [source.label(i) for i in range(len(source))] == [2, 0, 1]
    assert source.prompts[1] == "This is a photo of a aquarium fish"
    example = source[2]
    assert example.captions == ("This is a photo of a aquarium fish",) == source.captions(2)
    assert example.image_id == 2 and example.image.shape == (32, 32, 3)
    assert (example.image[5, 6] == (2, 4, 6)).all()
    # Rows run along the first axis: the pixel right of the first corner comes before the one below.
    assert (example.image[0, 1] == 200).all() and (example.image[1, 0] == 100).all()
    test = cifar(hundred, "test", template="a {}, blurred")
    assert test.captions(0) == ("a aquarium fish, blurred",)
    assert (test[0].image[5, 6] == (9, 18, 27)).all()


def test_cifar_10_in_five_files(tmp_path):
    for number in range(5):
        name = f"data_batch_{number + 1}"
        (tmp_path / name).write_bytes(dumps(batch([number % 2], key="labels", first=number)))
    (tmp_path / "batches.meta").write_bytes(dumps({"label_names": ["cat", "dog"], "num_vis": 3072}))
    source = cifar(tmp_path)
    assert [source.label(i) for i in range(5)] == [0, 1, 0, 1, 0]
    assert [int(source[i].image[5, 6, 0]) for i in range(5)] == [0, 1, 2, 3, 4]


def test_pickled_again_by_python_3(hundred):
    (hundred / "train").write_bytes(pickle.dumps(batch([0, 1]), protocol=4))
    assert [int(cifar(hundred)[i].image[5, 6, 2]) for i in range(2)] == [0, 3]


class Runs:
    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


def test_code_is_refused_and_not_run(hundred):
    mark = hundred / "mark"
    for value in (
        Runs(os.system, f"touch {mark}"),
        {"data": Runs(eval, f"open({str(mark)!r}, 'w')")},
        np.float64(1.0),
        np.array([mark], dtype=object),
        np.zeros(3, np.float32),
    ):
        (hundred / "train").write_bytes(pickle.dumps(value, protocol=4))
        with pytest.raises(ValueError, match="is refused, nothing in it was run: it ") as caught:
            cifar(hundred)
        assert "\n" not in str(caught.value) and not mark.exists()


def test_damage_is_one_sentence(hundred):
    whole = (hundred / "train").read_bytes()
    for length in (0, 1, 40, 300, len(whole) - 1):
        (hundred / "train").write_bytes(whole[:length])
        with pytest.raises(ValueError, match="is refused") as caught:
            cifar(hundred)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda facts: facts | {"fine_labels": [0, 1, 3]}, "image 2 .* has the label 3, .* 0 to 2"),
        (lambda facts: facts | {"fine_labels": [0, 1]}, "2 labels for 3 images"),
        (lambda facts: facts | {"data": np.zeros((3, 3071), np.uint8)}, "no array of 3,072 bytes"),
        (lambda facts: facts | {"data": "text"}, "no array of 3,072 bytes"),
        (lambda facts: {"data": facts["data"]}, "has no 'fine_labels'"),
        (lambda facts: [facts], "has no 'data'"),
    ],
)
def test_what_is_not_cifar(hundred, change, sentence):
    (hundred / "train").write_bytes(dumps(change(batch([0, 1, 2]))))
    with pytest.raises(ValueError, match=sentence) as caught:
        cifar(hundred)
    assert "\n" not in str(caught.value)


def test_missing_files(hundred, tmp_path):
    with pytest.raises(FileNotFoundError, match="holds neither meta"):
        cifar(tmp_path)
    with pytest.raises(ValueError, match="split 'val' is not one of train, test"):
        cifar(hundred, "val")
    (hundred / "test").unlink()
    with pytest.raises(FileNotFoundError, match=r"no file .*test'; unpack the whole archive"):
        cifar(hundred, "test")
