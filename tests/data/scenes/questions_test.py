"""Questions on scenes: answers by hand, and that every question has one and only one."""

from collections import Counter

import pytest

from mat_jax import data
from mat_jax.data.scenes import Scene, Thing
from mat_jax.data.scenes.questions import ANSWERS, ASKED, PEOPLE, answer
from mat_jax.types.sources import HasAnswers, HasLabels, HasOracle

SCENE = Scene(
    ground="sand",
    shade="dark",
    things=(  # from the top left, row by row
        Thing("cat", "black", "striped", "large", 0.25, 0.25, 0.45),
        Thing("car", "red", "plain", "small", 0.75, 0.25, 0.3),
        Thing("boat", "red", "plain", "small", 0.25, 0.75, 0.3),
        Thing("tree", "green", "spotted", "medium", 0.75, 0.75, 0.37),
    ),
    seed=0,
)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("what colour is the kitten", "black"),
        ("what colour is the striped cat", "black"),
        ("what colour is the spotted cat", None),  # there is none
        ("what colour is the vehicle", None),  # which one?
        ("what colour is the small vehicle", None),
        ("how many vehicles are there", "2"),
        ("how many red things are there", "2"),
        ("how many small red boats are there", "1"),
        ("how many toys are there", "0"),
        ("how many things are there", "4"),
        ("is there a green tree", "yes"),
        ("is there a red tree", "no"),
        ("is there an auto", "yes"),
        ("what is left of the car", "cat"),
        ("what is right of the boat", "tree"),
        ("what is above the boat", "cat"),
        ("what is below the car", "tree"),
        ("what is left of the cat", None),  # nothing is beyond the picture
        ("what is right of the car", None),
        ("what is above the car", None),
        ("what is below the tree", None),
        ("what shade is the cat", None),
        ("what colour is the", None),
        ("is there a red", None),
        ("how many cats and boats are there", None),
    ],
)
def test_the_facts_answer(question, expected):
    assert answer(question, SCENE) == expected


@pytest.fixture(scope="module")
def source():
    return data.Questions(data.load_scenes("val", limit=100))


def test_every_question_has_its_answer_in_the_list(source):
    kinds = {HasAnswers: True, HasOracle: True, HasLabels: False}
    assert {kind: isinstance(source, kind) for kind in kinds} == kinds
    assert len(source) == 400 and source.name == "scenes/val/questions"
    assert len(set(ANSWERS)) == len(ANSWERS) and source.answer_list == ANSWERS
    found = [source.answers(i) for i in range(400)]
    assert all(len(set(given)) == 1 and len(given) == PEOPLE for given in found)
    assert {given[0] for given in found} <= set(ANSWERS)
    for i in range(0, 400, 7):
        (question,) = source.captions(i)
        right = source.oracle(i)
        assert right(question) and not right("what is it")
        assert source[i].captions == (question,) and source.picture(i) == i // 4
    assert len({source[i].image_id for i in range(400)}) == 400


def test_a_question_of_each_kind_a_picture_and_yes_is_half(source):
    openings = ("what colour", "how many", "is there", "what is")
    for i in range(400):
        assert source.captions(i)[0].startswith(openings[i % len(ASKED)])
    presence = Counter(source.answers(i)[0] for i in range(2, 400, 4))
    assert presence.keys() == {"yes", "no"} and abs(presence["yes"] - 50) < 20


def test_they_follow_from_the_seed_and_the_picture(source):
    again = data.Questions(data.load_scenes("val", limit=20))
    same = [source.captions(i) for i in range(80)]
    assert [again.captions(i) for i in range(80)] == same
    other = data.Questions(data.load_scenes("val", limit=20), seed=1)
    assert [other.captions(i) for i in range(80)] != same


def test_a_picture_answers_its_own_questions_better(source):
    """Answered by the next scene's facts, most questions come out otherwise or not at all."""
    wrong = 0
    for i in range(0, 396):
        other = source.scenes.scene(source.picture(i) + 1)
        wrong += answer(source.captions(i)[0], other) != source.answers(i)[0]
    assert wrong > 0.5 * 396
