"""Ranks taken once more by sorting, and a measurement that counts otherwise."""

from dataclasses import replace

import numpy as np

from mat_jax.evaluate.checks import ranking as checked
from mat_jax.evaluate.checks.ranking import check_ranking, places
from tests.evaluate.checks.toys import CAPTIONS, IMAGES, as_it_is, sample_of


def test_places_by_hand():
    scores = np.array([[0.9, 0.5, 0.7], [0.2, 0.4 + 5e-7, 0.4], [0.1, 0.3, 0.8]])
    own = np.array([[1, 0, 0], [0, 0, 1], [1, 1, 0]], bool)
    # The second's own answer is as good as tied, and so comes last of the two.
    assert places(scores, own).tolist() == [1, 2, 2]


def test_a_perfect_retrieval():
    found = check_ranking(sample_of(as_it_is))
    assert found.verdict == "passed"
    assert found.figures["texts"] == found.figures["images"] == [100.0, 100.0, 100.0]


def test_of_images_that_share_a_caption_one_is_right():
    """With the embedding of image 0, image 1 ties with it everywhere: no query of theirs is."""
    sample = sample_of(as_it_is)
    clean = np.array(sample.clean)
    clean[1] = clean[0]
    vars(sample)["clean"] = clean
    found = check_ranking(sample)
    assert found.verdict == "passed"
    # Image 0 finds its captions, image 1 none of its own; captions 0 and 1 tie, 2 and 3 are lost.
    assert found.figures["texts"][0] == 100 * (IMAGES - 1) / IMAGES
    assert found.figures["images"][0] == 100 * (IMAGES - CAPTIONS) / IMAGES


def test_ranks_that_are_one_off_are_flagged(monkeypatch):
    def wrong(*given, **settings):
        ranks, lost = real(*given, **settings)
        return ranks + 1, lost

    real = checked.rank
    monkeypatch.setattr(checked, "rank", wrong)
    found = check_ranking(sample_of(as_it_is))
    assert found.verdict == "flagged"
    assert found.figures["apart"] == IMAGES + IMAGES * CAPTIONS


def test_only_captions_of_the_sample_look_for_an_image():
    sample = sample_of(as_it_is)
    fewer = replace(sample, ids=sample.ids[:3], images=sample.images[:3], groups=sample.groups[:3])
    assert check_ranking(fewer).verdict == "passed"
