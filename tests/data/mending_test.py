"""Images that cannot be read are replaced, the same by the same, and said once."""

import json

import numpy as np
import pytest

from mat_jax.data import Corpus, Example, training_batches
from mat_jax.data.pipeline import Replaces
from tests.data.pipeline_test import Numbers, Tokenizer, take


class Spoilt(Numbers):
    """Numbers some of whose images cannot be read; their captions can."""

    def __init__(self, count: int, bad: set[int]) -> None:
        super().__init__(count)
        self.bad = bad

    def captions(self, index: int) -> tuple[str, ...]:
        return super().__getitem__(index).captions

    def __getitem__(self, index: int) -> Example:
        if index in self.bad:
            raise ValueError(f"cannot read the image '{index}.png'; replace the file")
        return super().__getitem__(index)


def batches(bad: set[int], **more):
    corpus = Corpus.prepare(Spoilt(10, bad), Tokenizer(), image_size=2)
    return training_batches(corpus, batch_size=5, seed=3, skip_bad=True, **more)


def test_the_next_readable_image_stands_for_a_bad_one(capfd):
    stream = batches({4, 5})
    whole = take(training_batches(Corpus.prepare(Numbers(10), Tokenizer(), image_size=2),
                                  batch_size=5, seed=3), 8)  # fmt: skip
    found = take(stream, 8)
    for one, other in zip(found, whole, strict=True):
        ids = np.where(np.isin(other.ids, [4, 5]), 6, other.ids)
        np.testing.assert_array_equal(one.ids, ids)
        np.testing.assert_array_equal(np.round(one.images[:, 0, 0, 0] * 255), ids)
        # Captions are those of the image that is shown: 100 + 10 i + j.
        np.testing.assert_array_equal((one.tokens.ids[:, 0, 1] - 100) // 10, ids)
    assert isinstance(stream, Replaces)
    assert stream.replaced == 8  # two of ten images, four epochs
    said = capfd.readouterr().err
    assert said.count("4.png") == said.count("5.png") == 1


def test_a_stream_that_goes_on_replaces_the_same_by_the_same():
    expected = take(batches({4, 5, 9}), 9)
    old = batches({4, 5, 9})
    take(old, 4)
    new = batches({4, 5, 9})
    new.set_state(json.loads(json.dumps(old.get_state(), default=bytes.decode)))
    for one, other in zip(take(new, 5), expected[4:], strict=True):
        for left, right in ((one.ids, other.ids), (one.tokens.ids, other.tokens.ids)):
            np.testing.assert_array_equal(left, right)


def test_processes_replace_in_their_rows_what_one_would():
    whole = take(batches({4, 5}), 6)
    parts = [take(batches({4, 5}, rows=rows), 6) for rows in ([0, 1, 4], [2, 3])]
    for n, batch in enumerate(whole):
        np.testing.assert_array_equal(parts[0][n].tokens.ids, batch.tokens.ids[[0, 1, 4]])
        np.testing.assert_array_equal(parts[1][n].images, batch.images[[2, 3]])


def test_without_a_readable_image_the_error_is_that_of_the_file():
    with pytest.raises(ValueError, match=r"cannot read the image '\d.png'"):
        next(batches(set(range(10))))
