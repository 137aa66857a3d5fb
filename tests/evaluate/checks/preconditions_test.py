"""What stops a run, and what is said of how a model reads and computes."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from mat_jax.evaluate.checks.preconditions import check_preconditions
from mat_jax.evaluate.invariants import Broken
from tests.evaluate.checks.toys import Behind, as_it_is, blind, sample_of


def found(sample):
    return {check.name: check for check in check_preconditions(sample, sample.tokens)}


def test_a_sound_model():
    assert {check.verdict for check in found(sample_of(as_it_is)).values()} == {"passed"}


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda x: 255 * x, "expected float32 in \\[0, 1\\]"),
        (lambda x: x.astype(np.float64), "pixels are float64"),
        (lambda x: (x - 0.5) / 0.25, "leave the normalisation to the model"),
    ],
)
def test_pixels_that_are_none_stop_the_run(change, sentence):
    sample = sample_of(as_it_is)
    with pytest.raises(Broken, match=sentence):
        found(replace(sample, images=change(sample.images)))


def test_a_random_model_stops_the_run():
    with pytest.raises(Broken, match="the model is random.*dropout"):
        found(sample_of(as_it_is, noise=0.1))


def test_features_that_are_no_numbers_stop_the_run():
    sample = sample_of(as_it_is)
    assert isinstance(sample.model, Behind)
    sample.model.table[...] = sample.model.table[...] * jnp.nan
    with pytest.raises(Broken, match="features of captions are not finite"):
        found(sample)


def test_a_model_that_does_not_look_is_flagged():
    sample = sample_of(as_it_is)
    unseeing = found(sample_of(blind))["features depend on the input"]
    assert unseeing.verdict == "flagged" and "pictures" in unseeing.sentence
    assert found(sample)["features depend on the input"].verdict == "passed"


def test_dlr_needs_captions_of_others():
    """The difference of the first and the third place, where two captions are one's own."""
    sample = sample_of(as_it_is)
    assert found(sample)["captions of others"].figures["fewest"] == 14  # two for each of seven
    few = replace(sample, groups=np.zeros(8, int), text_groups=(np.arange(16) >= 14).astype(int))
    assert found(few)["captions of others"].verdict == "flagged"


def test_captions_that_may_have_been_cut():
    sample = sample_of(as_it_is)
    tokens = sample.tokens._replace(mask=sample.tokens.mask.copy())
    tokens.mask[:3] = True
    check = {c.name: c for c in check_preconditions(sample, tokens)}["captions"]
    assert check.verdict == "flagged"
    assert (check.figures["length"], check.figures["full"]) == (4, 3)
