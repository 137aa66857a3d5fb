"""Phrases grounded by the shipped ALBEF: what is counted, by picture, and who is refused."""

from dataclasses import replace

import numpy as np
import pytest

from mat_jax import Evaluation, data, evaluate, models
from mat_jax.evaluate.__main__ import main
from mat_jax.evaluate.failures import failing
from mat_jax.evaluate.fingerprint import store_of
from mat_jax.evaluate.gallery import Bench
from mat_jax.evaluate.statistics import clustered_wilson
from mat_jax.evaluate.tasks.grounding import Grounding, Phrased, maps_of, scores_of
from mat_jax.evaluate.tasks.overlays import CHOSEN, RIGHT, SIDE, overlay
from tests.tools.narrow import some

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


def test_what_was_finished_for_other_boxes_is_not_taken(victim, tmp_path):
    boxes = victim.examples.boxes.copy()
    boxes[-1, 0, 0] += 0.01
    other = victim._replace(examples=replace(victim.examples, boxes=boxes))
    found = {store_of(tmp_path, ASKED, one).digest for one in (victim, other)}
    assert len(found) == 2


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


def test_the_page_draws_the_map_that_chose_the_box(result, victim, seen):
    clean = some(result.clean.sights).overlays
    assert clean.shape == (2, SIDE, SIDE, 3) and clean.dtype == np.uint8
    for drawn, row in zip(clean, result.shown, strict=True):
        (heat,) = maps_of(victim.model, seen, np.array([row]))
        boxes = victim.examples.boxes[row]
        # The map is the one that boxes are scored by, here counted box by box.
        side = len(heat)
        sums = []
        for x, y, width, height in boxes[(boxes[:, 2:] > 0).all(1)]:
            middles = (np.arange(side) + 0.5) / side
            across = (middles >= x) & (middles < x + width)
            down = (middles >= y) & (middles < y + height)
            inside = heat[np.ix_(down, across)]
            sums.append(inside.sum() / np.sqrt(inside.size))
        assert np.argmax(sums) == result.clean.ranks.answers["box"][row]
        # Warm is red above blue, most where the map is highest.
        warm = drawn[..., 0].astype(int) - drawn[..., 2]
        top = np.unravel_index(heat.argmax(), heat.shape)
        y, x = (min(int((at + 0.5) / side * SIDE), SIDE - 1) for at in top)
        assert warm[max(y - 4, 0) : y + 5, max(x - 4, 0) : x + 5].max() > 60


def test_failures_show_where_the_model_looked_before_and_after(victim):
    asked = replace(ASKED, shown=PHRASES)
    result = evaluate.evaluate(asked, *victim[:2], victim=victim, quiet=True)
    row = result.row("pgd")
    failed = failing(row.ranks)
    assert failed and sorted(row.views) == sorted(failed)
    # Here all pictures are shown, so that the same maps are drawn from the features of the run.
    before, after = (some(some(one.sights).overlays) for one in (result.clean, row))
    for place in failed:
        view = row.views[place]
        assert view.attack == "pgd"
        near(result.overlays[place], before[place])
        near(some(view.overlay), after[place])
    # It is drawn of clean failures too.
    assert set(failing(result.clean.ranks)) <= set(result.overlays)


def near(one, other):
    """Drawn alike, but for the rounding of pictures and of batches."""
    apart = np.abs(one.astype(int) - other)
    assert one.shape == other.shape and apart.mean() < 2 and (apart > 16).mean() < 0.01


def test_the_command_shows_the_phrases(tmp_path, capsys):
    said = "--task grounding --model scenes-albef --limit 4 --steps 1 --attacks pgd --checks 0"
    assert main([*said.split(), "--out", str(tmp_path)]) == 0
    page = (tmp_path / "index.html").read_text()
    assert "Grounding under attack" in page and "scenes/test/phrases" in page
    phrase = data.Phrases(data.load_scenes("test", limit=1)).captions(0)[0]
    assert f"<li>{phrase}</li>" in page and "box" in capsys.readouterr().out


def test_boxes_are_drawn_in_their_colours_and_what_is_not_looked_at_is_grey():
    heat = np.zeros((8, 8))
    heat[1, 1] = 2.0
    picture = np.zeros((8, 8, 3)) + np.array((0.2, 0.4, 0.6))
    right = np.array([[0.5, 0.5, 0.25, 0.25]])
    drawn = overlay(picture, heat, right=right, chosen=np.array([0, 0, 0.25, 0.25]))
    half, red = SIDE // 2, 3
    assert tuple(drawn[half, half + 20]) == RIGHT and tuple(drawn[red, 20]) == CHOSEN
    np.testing.assert_allclose(drawn[-20, 20], 255 * 0.4, atol=1)
    absent = overlay(picture, heat, right=right[:0], chosen=np.zeros(4))
    assert not (absent == np.array(CHOSEN)).all(-1).any()


def test_what_cannot_ground_or_be_grounded_is_refused(albef):
    scenes = replace(ASKED, data=data.load_scenes("val", limit=2))
    with pytest.raises(ValueError, match="cannot use the data 'scenes/val', which has no boxes"):
        evaluate.evaluate(scenes, *albef, quiet=True)
    with pytest.raises(ValueError, match="mine cannot ground phrases: .* give ALBEF or TCL"):
        evaluate.evaluate(ASKED, *models.load("scenes-clip"), name="mine", quiet=True)
