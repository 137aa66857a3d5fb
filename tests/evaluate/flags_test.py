"""Sentences on odd and on sound results."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mat_jax.evaluate.flags import flags_and_notes
from mat_jax.evaluate.tasks.base import Victim
from mat_jax.evaluate.tasks.cosine_ranks import both_ways
from mat_jax.evaluate.tasks.retrieval import Retrieval
from tests.made_up import made_up


def right(share, images=200):
    """Ranks with the first `share` of the queries right."""
    wrong = np.where(np.arange(images) < share * images, 1, 20)
    return both_ways(wrong, wrong, np.arange(images))


@pytest.fixture
def rows():
    result = made_up("m", 0.0, images=200, captions=1)
    shares = {"none": 0.8, "pgd": 0.3, "bert_attack": 0.5, "sep": 0.2, "co_attack": 0.1, "sga": 0.0}
    return {
        row.attack: replace(row, ranks=right(shares[row.attack]), rounded=None)
        for row in result.rows
    }


def flags_of(rows):
    return " ".join(flags_and_notes(list(rows.values()))[0])


class Examples:
    """Captions of images, a list for each."""

    def __init__(self, texts):
        self.texts = [text for own in texts for text in own]
        self.text_owner = np.repeat(np.arange(len(texts)), [len(own) for own in texts])
        self.count = len(texts)

    def __len__(self):
        return self.count


def cautions_of(texts):
    unasked: Any = None
    examples: Any = Examples(texts)
    return " ".join(Retrieval().cautions(Victim(unasked, unasked, examples)))


def test_sound_results_raise_no_flag(rows):
    flags, notes = flags_and_notes(list(rows.values()))
    assert cautions_of([(f"caption {i}",) for i in range(200)]) == ""
    assert flags == ()
    assert any("finite number" in note for note in notes)


def test_a_joint_attack_that_does_less_than_its_part(rows):
    rows["sep"] = replace(rows["sep"], ranks=right(0.4))
    assert "sep at 2/255 does less damage than pgd at 2/255, which it should outdo." in flags_of(
        rows
    )


def test_chance_is_no_finding(rows):
    """One query of 200 more: within a point."""
    rows["sep"] = replace(rows["sep"], ranks=right(0.305))
    assert flags_of(rows) == ""


def test_an_attack_that_helps(rows):
    rows["pgd"] = replace(rows["pgd"], ranks=right(0.9))
    assert "pgd at 2/255 made the answers better" in flags_of(rows)


def test_a_larger_ball_that_does_less(rows):
    larger = replace(rows["pgd"], eps=4 / 255, ranks=right(0.5))
    assert "may be masked" in flags_of({**rows, "larger": larger})


def test_rounding_that_undoes_the_attack(rows):
    rows["pgd"] = replace(rows["pgd"], rounded=right(0.4))
    assert "gives 10.0 points of R@1 back" in flags_of(rows)


def test_zero_gradient(rows):
    rows["pgd"] = replace(rows["pgd"], checks={"largest_delta": 0.0, "images_moved": 0})
    assert "left every picture as it was" in flags_of(rows)


def test_captions_that_stand_with_several_images():
    texts = [("the same words",) if i < 20 else (f"number {i}",) for i in range(200)]
    assert "10.0 % of the captions stand with more than one image" in cautions_of(texts)


def test_few_images():
    assert "Only 7 images" in cautions_of([("a",)] * 7)
