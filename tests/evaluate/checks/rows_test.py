"""What rows say of each other, and whether the adversary knew the model."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mat_jax.evaluate.checks.adaptive import check_adversary, white_box
from mat_jax.evaluate.checks.sequence import after
from mat_jax.evaluate.tasks.cosine_ranks import both_ways
from tests.made_up import made_up

IMAGES = 200


def wrong(*places):
    """Ranks with these queries wrong, in both directions."""
    ranks = np.ones(IMAGES, np.int32)
    ranks[np.concatenate([np.arange(p.start, p.stop) for p in places] or [[]]).astype(int)] = 9
    return both_ways(ranks, ranks, np.arange(IMAGES))


@pytest.fixture
def rows():
    """PGD and BERT-Attack break a quarter each, not the same; joint attacks all of it and more."""
    broken = {
        "none": wrong(),
        "pgd": wrong(range(50)),
        "bert_attack": wrong(range(25, 75)),
        "sep": wrong(range(75)),
        "co_attack": wrong(range(90)),
        "sga": wrong(range(120)),
    }
    result = made_up("m", 0.0, images=IMAGES, captions=1)
    return {row.attack: replace(row, ranks=broken[row.attack]) for row in result.rows}


def checks(rows):
    return {check.name: check for check in after(list(rows.values()))}


def test_sound_rows(rows):
    found = checks(rows)
    assert found["both sides over one side"].verdict == "passed"
    assert found["both sides over one side"].figures == {"exceptions": 0, "attacks": 3}
    assert found["inside the threat model"].verdict == "passed"
    assert found["inside the threat model"].figures["farthest"] == pytest.approx(1.0)
    assert found["no black box does better (gallery)"].verdict == "not applicable"


def test_no_attack_is_nothing_to_check(rows):
    assert {c.verdict for c in after([rows["none"]])} == {"not applicable"}


def test_both_sides_must_do_what_one_side_does_query_by_query(rows):
    """As many broken as by either alone, but fewer than by the better of the two at each query."""
    rows["sep"] = replace(rows["sep"], ranks=wrong(range(50)))
    found = checks(rows)["both sides over one side"]
    assert found.verdict == "flagged" and "sep at 2/255" in found.sentence
    assert found.figures["exceptions"] == 2 * 25  # in either direction


@pytest.mark.parametrize("alone, verdict", [(0, "passed"), (2, "flagged")])
def test_square_must_not_do_better_than_the_gradient(rows, alone, verdict):
    ranks = wrong(range(50), range(150, 150 + alone))
    few = {name: rows[name] for name in ("none", "pgd")}
    few["square"] = replace(rows["pgd"], attack="square", ranks=ranks)
    found = checks(few)["no black box does better (gallery)"]
    assert found.verdict == verdict and found.figures["share"] == pytest.approx(alone / IMAGES)


def test_a_matching_head_must_be_attacked():
    names = ("text_format", "scale", "encode_image", "encode_text", "fuse", "image_keys")
    matches = SimpleNamespace(**dict.fromkeys((*names, "match_logits", "match_score"), len))
    assert check_adversary(matches, ["none", "pgd", "sga"]).verdict == "flagged"
    assert check_adversary(matches, ["none", "pgd", "match"]).verdict == "passed"
    assert check_adversary(matches, ["none"]).verdict == "not applicable"
    assert check_adversary(SimpleNamespace(), ["none", "pgd"]).verdict == "passed"


def test_a_surrogate_is_no_white_box():
    assert (white_box(True).verdict, white_box(False).verdict) == ("flagged", "passed")
