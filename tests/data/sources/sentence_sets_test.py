"""MAVA's sets: entailed sentences alone, each with four captions of its own picture."""

import json

import numpy as np
import pytest
from PIL import Image

from mat_jax import data
from mat_jax.types.sources import HasCaptions, Source


@pytest.fixture
def parts(tmp_path):
    for number in range(2):
        Image.fromarray(np.full((4, 4, 3), number, np.uint8)).save(tmp_path / f"{number}.jpg")
    labels = ("entailment", "neutral", "contradiction", "entailment", "entailment")
    rows = [
        {"image": str(row % 2), "sentence": f"a dog {row}", "label": label}
        for row, label in enumerate(labels)
    ]
    (tmp_path / "ve.json").write_text(json.dumps(rows))
    captions = [
        {"image": f"{n}.jpg", "caption": ["a dog 0", *(f"cat {n} {row}" for row in range(5))]}
        for n in (1, 0)
    ]
    (tmp_path / "captions.json").write_text(json.dumps(captions))
    pairs = data.entailment_json(tmp_path / "ve.json", tmp_path)
    return pairs, data.retrieval_json(tmp_path / "captions.json", tmp_path)


def test_a_set_is_the_sentence_and_four_captions_of_its_picture(parts):
    source = data.entailed_sets(*parts)
    assert isinstance(source, Source) and isinstance(source, HasCaptions)
    # Rows 0, 3 and 4 follow, of pictures 0, 1 and 0; no text stands twice in a set.
    assert [source.captions(row)[0] for row in range(3)] == ["a dog 0", "a dog 3", "a dog 4"]
    assert source.captions(0)[1:] == ("cat 0 0", "cat 0 1", "cat 0 2", "cat 0 3")
    assert source.captions(1)[1:] == ("a dog 0", "cat 1 0", "cat 1 1", "cat 1 2")
    assert [int(source[row].image.max()) for row in range(3)] == [0, 1, 0]
    assert source[1].captions == source.captions(1) and source[1].image_id == 1


def test_what_cannot_be_a_set_is_refused(parts):
    pairs, captions = parts
    with pytest.raises(ValueError, match="'0.jpg' has 5 captions in 'captions', and a set of 7"):
        data.entailed_sets(pairs, captions, texts=7)
    with pytest.raises(ValueError, match="texts=0 leaves no sentence"):
        data.entailed_sets(pairs, captions, texts=0)
