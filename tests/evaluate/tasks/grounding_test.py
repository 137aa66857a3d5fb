"""Phrases grounded by the shipped ALBEF: what is counted, by picture, and who is refused."""

from dataclasses import replace

import numpy as np
import pytest

from mat_jax import Evaluation, data, evaluate, models
from mat_jax.evaluate.__main__ import main
from mat_jax.evaluate.gallery import Bench
from mat_jax.evaluate.statistics import clustered_wilson
from mat_jax.evaluate.tasks.grounding import Grounding, Phrased, scores_of

SCENES = 6
PHRASES = 4 * SCENES
ASKED = Evaluation(
    data=data.Phrases(data.load_scenes("val", limit=SCENES)),
    task="grounding",
    attacks=("none", "pgd"),
    eps=6 / 255,
    steps=2,
    batch_size=10,
    checks=0,
    shown=2,
)
TASK = Grounding()


@pytest.fixture(scope="module")
def albef():
    return models.load("scenes-albef")


@pytest.fixture(scope="module")
def victim(albef):
    return evaluate.prepare(ASKED, *albef, quiet=True)


@pytest.fixture(scope="module")
def result(albef, victim):
    return evaluate.evaluate(ASKED, *albef, name="ALBEF", victim=victim, quiet=True)


@pytest.fixture(scope="module")
def seen(victim):
    """The phrases as the model reads them, without attack."""
    bench = Bench(evaluation=ASKED, task=TASK, crafter=victim, targets=(victim,), quiet=True)
    return bench.craft("none", ASKED.threats[0]).points[0]


def test_the_right_objects_are_chosen_far_beyond_chance(result):
    # By chance a quarter of 24 would be right; more than 16, less than once in 100,000 times.
    clean = result.clean.ranks["box"]
    assert clean.shape == (PHRASES,) and (clean <= 1).sum() > 16
    assert result.row("pgd").changed == 0.0 and result.protocol["chance"] == 25.0
    assert [row.attack for row in result.rows] == ["none", "pgd", "worst_case"]
    worst = result.row("worst_case").ranks["box"]
    np.testing.assert_array_equal(worst, np.maximum(clean, result.row("pgd").ranks["box"]))


def test_phrases_of_one_picture_are_resampled_together(result):
    right = result.clean.ranks["box"] <= 1
    low, high = clustered_wilson(right, np.arange(PHRASES) // 4)
    found = result.figures(result.clean)["box@1"]
    assert (found["low"], found["high"]) == pytest.approx((100 * low, 100 * high))
    assert found["value"] == pytest.approx(100 * right.mean()) and found["n"] == PHRASES


def with_boxes(victim, boxes, right):
    """The same phrases with other boxes to choose from."""
    assert isinstance(victim.examples, Phrased)
    return victim._replace(examples=replace(victim.examples, boxes=boxes, right=right))


def test_a_choice_follows_its_box_and_its_phrase(victim, seen, result):
    examples = victim.examples
    order = np.array([2, 0, 3, 1])
    turned = with_boxes(victim, examples.boxes[:, order], examples.right[:, order])
    ranks = TASK.score(turned, seen, ASKED)
    np.testing.assert_array_equal(ranks["box"], result.clean.ranks["box"])
    # Another phrase of the same scene means another box.
    scores = scores_of(victim.model, seen, examples.boxes)
    swapped = seen._replace(texts=type(seen.texts)(*_rolled(seen.texts)))
    np.testing.assert_allclose(
        scores_of(victim.model, swapped, examples.boxes)[1:4],
        _of_others(victim, seen, examples.boxes)[1:4],
        rtol=1e-5,
    )
    assert np.abs(scores - scores_of(victim.model, swapped, examples.boxes)).max() > 0.01


def _rolled(texts):
    """Each phrase of the first scene in the place of the next."""
    import jax

    order = np.arange(PHRASES)
    order[:4] = np.roll(order[:4], 1)
    return jax.tree.map(lambda x: x[order], (texts.unit, texts.whole))


def _of_others(victim, seen, boxes):
    """The scores of phrase n - 1 with its own picture: the picture is that of phrase n too."""
    return np.roll(scores_of(victim.model, seen, np.roll(boxes, -1, axis=0)), 1, axis=0)


def test_boxes_that_fill_up_are_never_chosen(victim, seen, result):
    examples = victim.examples
    empty = np.zeros((PHRASES, 3, 4), np.float32)
    none = np.zeros((PHRASES, 3), bool)
    padded = with_boxes(
        victim,
        np.concatenate([examples.boxes, empty], axis=1),
        np.concatenate([examples.right, none], axis=1),
    )
    ranks = TASK.score(padded, seen, ASKED)
    np.testing.assert_array_equal(ranks["box"], result.clean.ranks["box"])
    assert ranks.answers["box"].max() < 4
    assert TASK.protocol(padded, ASKED)["chance"] == 25.0


def test_boxes_that_tie_count_against_the_model(victim, seen):
    examples = victim.examples
    same = np.repeat(examples.boxes[:, :1], 4, axis=1)
    tied = TASK.score(with_boxes(victim, same, examples.right), seen, ASKED)
    assert tied["box"].tolist() == [4] * PHRASES


def test_any_right_box_will_do_and_without_one_all_come_first(victim, seen, result):
    """As of a detector, which may find the object twice, or not at all."""
    examples, clean = victim.examples, result.clean.ranks["box"]
    every = TASK.score(with_boxes(victim, examples.boxes, np.ones((PHRASES, 4), bool)), seen, ASKED)
    assert every["box"].tolist() == [1] * PHRASES
    none = TASK.score(with_boxes(victim, examples.boxes, np.zeros((PHRASES, 4), bool)), seen, ASKED)
    assert none["box"].tolist() == [5] * PHRASES
    wrong = TASK.score(with_boxes(victim, examples.boxes, ~examples.right), seen, ASKED)
    # Of four boxes the best wrong one is first unless the right one is.
    np.testing.assert_array_equal(wrong["box"], np.where(clean == 1, 2, 1))


def test_the_command_shows_the_phrases(tmp_path, capsys):
    said = "--task grounding --model scenes-albef --limit 4 --steps 1 --attacks pgd --checks 0"
    assert main([*said.split(), "--out", str(tmp_path)]) == 0
    page = (tmp_path / "index.html").read_text()
    assert "Grounding under attack" in page and "scenes/test/phrases" in page
    phrase = data.Phrases(data.load_scenes("test", limit=1)).captions(0)[0]
    assert f"<li>{phrase}</li>" in page and "box" in capsys.readouterr().out


def test_what_cannot_ground_or_be_grounded_is_refused(albef):
    scenes = replace(ASKED, data=data.load_scenes("val", limit=2))
    with pytest.raises(ValueError, match="cannot use the data 'scenes/val', which has no boxes"):
        evaluate.evaluate(scenes, *albef, quiet=True)
    with pytest.raises(ValueError, match="mine cannot ground phrases: .* give ALBEF or TCL"):
        evaluate.evaluate(ASKED, *models.load("scenes-clip"), name="mine", quiet=True)
