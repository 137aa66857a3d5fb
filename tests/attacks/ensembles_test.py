"""The worst case on galleries made by hand, and what the suites cost."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mat_jax import attacks
from mat_jax.attacks import ThreatModel, cost
from mat_jax.attacks.ensembles import (
    ENSEMBLES,
    Member,
    damage,
    in_turn,
    members,
    standing,
    updated,
    worse,
)
from tests.attacks.toy import Answerer, Judge, Toy, gallery_of, toy_answers, toy_batch
from tests.tools.narrow import host, some

IMAGES = 3
OWNER = np.array([0, 1, 2, 0, 0, 1, 2, 2])  # of the queries: three images, five captions


def ranks(*numbers):
    return np.array(numbers, np.int32)


def merge(points, others, rows):
    """Points are numbers here: of the gallery an image's point was made for."""
    points = points.copy()
    points[rows] = others[rows]
    return points


def test_an_image_stands_while_any_query_of_it_does():
    one, other = ranks(1, 2, 2, 3, 3, 3, 3, 1), ranks(2, 2, 2, 2, 1, 1, 2, 2)
    assert standing(one, OWNER, IMAGES).tolist() == [True, False, True]
    assert standing(other, OWNER, IMAGES).tolist() == [True, True, False]


def test_damage_is_queries_fallen_then_the_sum_of_ranks():
    found = damage(ranks(1, 5, 2, 1, 3, 1, 2, 7), OWNER, IMAGES)
    assert found.tolist() == [[1, 1 + 1 + 3], [1, 5 + 1], [3, 2 + 2 + 7]]
    one, other = np.array([[1, 9], [2, 5], [2, 6]]), np.array([[2, 3], [2, 5], [2, 5]])
    assert worse(one, other).tolist() == [False, False, True]


# Ranks in the gallery of each attack: of three images, then of five captions.
GALLERIES = {
    # Image 0 falls with both captions; image 1 in one of two queries; image 2 not at all.
    "first": ranks(4, 2, 1, 2, 9, 1, 1, 1),
    # Image 1 falls wholly, but its caption only just; a caption of image 2 falls.
    "second": ranks(1, 3, 1, 1, 1, 2, 1, 3),
    # Only image 2 is left. Image 1, not attacked any more, would be hurt less here.
    "third": ranks(9, 1, 2, 9, 9, 1, 2, 1),
    "fourth": ranks(1, 1, 1, 1, 1, 1, 1, 1),
}


def test_each_attack_sees_what_stands_and_the_worst_point_is_kept():
    asked, galleries = [], []

    def craft(member, rows, points):
        asked.append((member.attack, rows.tolist()))
        made = points.copy()
        made[rows] = list(GALLERIES).index(member.attack) + 1
        return made

    def judge(points):
        galleries.append(points.tolist())
        return GALLERIES[asked[-1][0]]

    clean = updated(None, np.zeros(IMAGES, int), np.ones(8, np.int32), OWNER, IMAGES, merge)
    named = [Member(name) for name in GALLERIES]
    found, attacked, depths = in_turn(
        named, clean, OWNER, craft=craft, judge=judge, merge=merge, depths=(1, 5, 10)
    )
    # After the third, of image 2: tr 1 1 2, ir (1 1 2) and (1 3 1): nothing stands.
    assert asked == [("first", [0, 1, 2]), ("second", [1, 2]), ("third", [2])]
    assert attacked == (3, 2, 1, 0)
    # Image 1 had fallen to 2 and 3 when the third attack passed it by: no R@5, no R@10.
    assert depths == (1,)
    # In the second gallery image 0 has its first point, in the third image 1 its second.
    assert galleries == [[1, 1, 1], [1, 2, 2], [1, 2, 3]]
    assert found.places.tolist() == [9, 3, 2, 9, 9, 2, 2, 3]
    # Image 2: one query fell under the second (ranks 1 1 3), two under the third.
    assert found.points.tolist() == [1, 2, 3]
    assert found.damage.tolist() == [[3, 27], [2, 5], [2, 5]]


def test_with_as_many_queries_fallen_the_deeper_point_is_kept():
    first, second = ranks(2, 1, 1, 2, 1, 1, 1, 1), ranks(1, 2, 1, 3, 3, 1, 1, 1)
    third = ranks(1, 1, 1, 2, 2, 1, 1, 1)
    state = None
    for number, places in enumerate((first, second, third)):
        state = updated(state, np.full(IMAGES, number), places, OWNER, IMAGES, merge)
    # Image 0: two of its queries fall each time, ranks in sum 5, 7 and 5. Image 1: 0, 1, 0 fall.
    assert some(state).points.tolist() == [1, 1, 0]


gallery = st.lists(st.integers(1, 4), min_size=8, max_size=8).map(lambda x: np.array(x, np.int32))


@settings(max_examples=40, deadline=None)
@given(st.lists(gallery, min_size=1, max_size=5))
def test_no_gallery_is_worse_than_the_worst_case(galleries):
    state = None
    for number, one in enumerate(galleries):
        state = updated(state, np.full(IMAGES, number), one, OWNER, IMAGES, merge)
    state = some(state)
    for one in galleries:
        for k in (1, 2, 3):
            assert ((state.places <= k) <= (one <= k)).all()
    # And every point kept is one under which no fewer queries of its image fell than elsewhere.
    fallen = np.array([damage(one, OWNER, IMAGES)[:, 0] for one in galleries])
    assert (fallen[state.points, np.arange(3)] == fallen.max(axis=0)).all()


@pytest.mark.parametrize("suite", ENSEMBLES)
def test_suites_go_from_cheap_to_dear_and_name_an_attack_once(suite):
    threat = ThreatModel()
    weights = [cost.passes(one.attack, one.threat(threat)).weight for one in ENSEMBLES[suite]]
    assert weights == sorted(weights)
    names = [one.attack for one in ENSEMBLES[suite]]
    assert len(set(names)) == len(names) and set(names) <= set(attacks.ATTACKS)


def test_members_are_those_that_a_model_and_a_norm_allow():
    def names(task="retrieval", **given):
        def allows(attack):
            return task in attacks.ATTACKS[attack].tasks

        return {one.attack for one in members("thorough", allows=allows, **given)}

    assert names(norm="linf", fuses=True) - names(norm="linf", fuses=False) == {
        "match",
        "co_attack_fused",
    }
    # Of entailment the verdict is attacked, not a match.
    judged = names("entailment", norm="linf", fuses=True)
    assert {"verdict", "co_attack_fused", "sga"} <= judged and "match" not in judged
    asked = names("vqa", norm="linf", fuses=True)
    assert {"answer", "co_attack_fused", "sga"} <= asked and not {"match", "verdict"} & asked
    with pytest.raises(ValueError, match="suite 'thorough' has no attack that is made for this"):
        names("zero_shot", norm="linf", fuses=False)
    assert names(norm="linf", fuses=True) - names(norm="l2", fuses=True) == {"square"}
    with pytest.raises(ValueError, match="unknown suite 'all'; choose from quick, standard"):
        members("all", norm="linf", fuses=True, allows=lambda attack: True)


def test_a_member_tries_as_hard_as_it_says_within_the_same_threat():
    threat = ThreatModel(eps=4 / 255, steps=3, step_size=0.1, words=2)
    assert Member("sga", 20, 2).threat(threat) == ThreatModel(
        eps=4 / 255, steps=20, restarts=2, words=2
    )
    # Captions are the same attack at every eps, and so one compilation.
    assert Member("bert_attack").threat(threat) == Member("bert_attack").threat(
        ThreatModel(eps=0.5, words=2)
    )


USED = {one.attack for suite in ENSEMBLES.values() for one in suite} | {"pgd", "sep", "fgsm"}
USED = sorted(USED | {"pgd_ce", "apgd_dlr"})


@pytest.mark.parametrize(
    "attack, preset, restarts",
    [
        *((attack, "strict", 2) for attack in USED),
        *((attack, "official", 1) for attack in ("pgd", "sga", "exhaustive", "dra", "vlp_attack")),
        *((attack, "official", 1) for attack in ("pgd_ce", "apgd_targeted", "fab_targeted")),
    ],
)
def test_image_passes_are_those_the_attack_reports(attack, preset, restarts):
    threat = ThreatModel(eps=0.1, steps=3, restarts=restarts)

    more = gallery_of(toy_batch()) if attacks.ATTACKS[attack].gallery else {}

    # The counts hang on no pixel: what would compute the rest is not compiled.
    @jax.jit
    def counts(batch, key):
        of = attacks.ATTACKS[attack]
        model = {"verdict": Judge, "answer": Answerer}.get(attack, Toy)()
        found = of.function(model, batch, key, threat=threat, preset=preset, **more)
        names = ("image_forwards", "image_backwards")
        return [found.stats.get(name, jnp.zeros(4, jnp.int32)) for name in names]

    expected = cost.passes(attack, threat, preset=preset)
    batch = toy_batch()._replace(labels=host(np.arange(4, dtype=np.int32)), answers=toy_answers())
    for count, name in zip(counts(batch, jax.random.key(0)), expected._fields, strict=False):
        assert np.unique(count).tolist() == [getattr(expected, name)], name


@pytest.mark.parametrize(
    "attack, words",
    [("bert_attack", 2), ("match", 1), ("verdict", 1), ("answer", 1), ("exhaustive", 1)],
)
def test_text_passes_are_those_of_a_caption_that_its_first_words_harm(attack, words):
    batch = toy_batch()
    words_of = some(batch.words)
    there = host(np.ones_like(words_of.substitute_lengths))
    full = words_of._replace(substitute_lengths=there)
    batch = batch._replace(words=full, present=host(np.ones_like(batch.present)))
    threat = ThreatModel(eps=0.1, steps=1, words=words, candidates=3)
    batch = batch._replace(labels=host(np.arange(4, dtype=np.int32) % 3), answers=toy_answers())
    model = {"verdict": Judge, "answer": Answerer}.get(attack, Toy)()
    call = attacks.compile_attack(attacks.ATTACKS[attack].function, model, threat=threat)
    stats = call(batch, jax.random.key(0)).stats
    expected = cost.passes(attack, threat, captions=1.0, open_words=4.0).text_forwards
    assert int(stats["text_forwards"].min()) == expected
    if attack == "bert_attack":  # where a word was visited in vain, more
        least = np.asarray(stats["visited"]) == words
        assert least.sum() > 6
        assert ((np.asarray(stats["text_forwards"]) == expected) == least).all()
