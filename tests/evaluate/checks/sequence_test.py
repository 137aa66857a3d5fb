"""Models that hide their gradient are flagged, an ordinary one is not, nor is a sound attack."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import io_callback

from mat_jax.evaluate.checks.gradients import differences, scale, vanishing
from mat_jax.evaluate.checks.planted import check_planted, known_answer
from mat_jax.evaluate.checks.sequence import of_the_attack
from mat_jax.evaluate.checks.strength import Trials, converged, repeated
from tests.evaluate.checks.toys import (
    Perceptron,
    as_it_is,
    binary,
    quantised,
    sample_of,
    saturated,
    straight_through,
    tiny_clip,
)


@cache
def ordinary():
    return sample_of(as_it_is)


def verdicts(checks):
    return {check.name: check.verdict for check in checks}


@pytest.mark.parametrize("tower", [Perceptron, tiny_clip])
def test_an_ordinary_model_passes_everything(tower):
    sample = ordinary() if tower is Perceptron else sample_of(as_it_is, tower=tower)
    found = of_the_attack(sample)
    assert {check.verdict for check in found} == {"passed"}, found
    figures = {check.name: check.figures for check in found}
    # A perfect retrieval, none of it left where any change is allowed.
    assert (sample.margin(sample.images) < 0).all()
    assert figures["larger eps, less left"]["right"][-1] == 0
    plants = figures["planted vulnerability"]
    assert plants["found"] == plants["planted"] > len(sample) / 2 > plants["random"]


@pytest.mark.parametrize("hidden", [saturated, binary, quantised])
def test_a_model_that_hides_its_gradient_is_flagged(hidden):
    found = of_the_attack(sample_of(hidden))
    assert verdicts(found)["gradient"] == "flagged"
    masked = [check for check in found if check.verdict == "flagged" and "mask" in check.sentence]
    # Not by looking at the gradient alone: what it is good for tells too.
    assert len(masked) >= 2, found


def test_rounding_leaves_nothing_to_climb():
    sample = sample_of(quantised)
    figures = vanishing(sample).figures
    assert (figures["images"], figures["pixels"]) == (len(sample), 1.0)
    # No small step crosses to another level either, so that both sides are 0: no agreement.
    found = differences(sample)
    assert found.verdict == "flagged"
    assert (found.figures["agree"], found.figures["flat"]) == (0, len(sample))
    assert f"on {len(sample)} both are 0" in found.sentence


def test_a_gradient_that_tells_another_story_is_flagged():
    """Straight-through: there is a gradient everywhere, and it is of another function."""
    sample = sample_of(straight_through)
    assert vanishing(sample).verdict == "passed"
    assert differences(sample).verdict == "flagged"


def test_an_attack_that_takes_no_step_does_not_find_what_was_planted():
    sample = replace(ordinary(), threat=replace(ordinary().threat, step_size=0.0))
    found = check_planted(sample)
    assert found.verdict == "flagged"
    assert found.figures["found"] < found.figures["planted"] / 2


def test_an_attack_that_returns_the_clean_image_does_not_find_what_was_planted():
    sample = replace(ordinary(), attack=lambda loss_fn, images, key, **_: jnp.asarray(images))
    assert (check_planted(sample).verdict, check_planted(sample).figures["found"]) == ("flagged", 0)
    assert known_answer(sample).figures["share"] == 0
    assert known_answer(sample).verdict == "flagged"


def test_an_attack_that_is_luck_is_flagged():
    """Its own random numbers, not those of the seed."""
    draw = np.random.default_rng(0)

    def lucky(loss_fn, images, key, *, eps, **_):
        shape = jax.ShapeDtypeStruct(images.shape, jnp.float32)
        noise = io_callback(lambda: draw.random(images.shape, np.float32), shape)
        return jnp.clip(images + eps * (2 * noise - 1), 0.0, 1.0)

    found = repeated(Trials(replace(ordinary(), attack=lucky)))
    assert found.verdict == "flagged" and found.figures["differ"] == len(ordinary())


def test_short_steps_have_not_converged():
    """Steps of a hundredth of the ball: forty go four times as far as ten."""
    threat = replace(ordinary().threat, step_size=ordinary().threat.eps / 100)
    found = converged(Trials(replace(ordinary(), threat=threat)))
    assert found.verdict == "flagged" and found.figures["more"] > 0.25


def test_cross_entropy_is_flat_where_the_scale_is_large():
    """A lead of more than 104 nats leaves no float32 for the others: exp(-104) is 0."""
    sample = sample_of(as_it_is, scale=1e6)
    lead = -sample.margin(sample.images) * 1e6
    found = scale(sample)
    assert found.figures["flat_cross_entropy"] >= (lead > 104).sum() > 0
    assert found.verdict == "passed"


def test_l2_has_the_same_checks():
    found = of_the_attack(sample_of(as_it_is, norm="l2", eps=0.5, step_size=0.125))
    assert "flagged" not in verdicts(found).values(), found
