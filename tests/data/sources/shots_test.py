"""A few images of each class."""

from collections import Counter

import numpy as np
import pytest

from mat_jax.data import FewShots, Labelled, few_shots
from mat_jax.types.sources import HasClasses


def source(counts):
    """Classes of so many images, mixed up."""
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    pixels = np.arange(len(labels), dtype=np.uint8)[:, None, None, None] + np.zeros(
        (1, 2, 2, 3), np.uint8
    )
    names = tuple(f"class {row}" for row in range(len(counts)))
    return Labelled(name="set", form="", images=pixels, labels=labels, classes=names)


@pytest.mark.parametrize("shots", [1, 3, 5])
def test_every_class_has_so_many_images_and_none_comes_twice(shots):
    whole = source([5, 9, 7])
    few = few_shots(whole, shots)
    assert isinstance(few, FewShots) and isinstance(few, HasClasses)
    assert Counter(few.label(i) for i in range(len(few))) == dict.fromkeys(range(3), shots)
    assert len({few[i].image_id for i in range(len(few))}) == len(few) == 3 * shots


def test_an_image_keeps_its_id_its_label_and_its_prompt():
    whole = source([5, 9, 7])
    few = few_shots(whole, 2)
    for i in range(len(few)):
        example = few[i]
        assert (example.image == whole[example.image_id].image).all()
        assert few.label(i) == whole.label(example.image_id)
        assert few.captions(i) == example.captions == (whole.prompts[few.label(i)],)
    assert few.prompts == whole.prompts and few.classes == whole.classes


def test_fewer_shots_are_a_part_of_more_and_a_seed_draws_its_own():
    whole = source([50, 50])
    two, eight = (set(few_shots(whole, n).places) for n in (2, 8))
    assert two < eight
    assert few_shots(whole, 8).places == few_shots(whole, 8).places
    assert few_shots(whole, 8, seed=1).places != few_shots(whole, 8).places


@pytest.mark.parametrize(
    ("counts", "shots", "sentence"),
    [
        ([4, 2], 3, "class 'class 1' of 'set' has 2 images, and 3 shots want 3 of each: give 2"),
        ([4, 2], 0, "0 shots: give 1 or more images of each class"),
    ],
)
def test_what_cannot_be_drawn_is_refused(counts, shots, sentence):
    with pytest.raises(ValueError, match=sentence):
        few_shots(source(counts), shots)
