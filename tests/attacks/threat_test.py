import dataclasses

import pytest

from mat_jax.attacks.threat import ThreatModel, require_preset


def built(**settings):
    """A ThreatModel as a user makes it, without the type checks of a test run before ours."""
    threat = object.__new__(ThreatModel)
    defaults = {field.name: field.default for field in dataclasses.fields(ThreatModel)}
    for name, value in (defaults | settings).items():
        object.__setattr__(threat, name, value)
    threat.__post_init__()


def test_defaults_are_those_of_the_papers():
    threat = ThreatModel()
    assert (threat.eps, threat.norm, threat.steps) == (2 / 255, "linf", 10)
    assert (threat.words, threat.candidates) == (1, 10)


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"eps": 2}, r"eps 2 is outside \[0, 1\]"),
        ({"eps": -0.1}, r"outside \[0, 1\]"),
        ({"eps": float("nan")}, "eps nan"),
        ({"eps": -1.0, "norm": "l2"}, "0 or more"),
        ({"norm": "l1"}, "linf, l2"),
        ({"constraint": "polite"}, "none, truthful, similar"),
        ({"steps": -1}, "steps -1"),
        ({"restarts": 0}, "restarts 0"),
        ({"words": -1}, "words -1"),
        ({"candidates": 0}, "candidates 0"),
        ({"step_size": -1.0}, "step_size -1.0"),
    ],
)
def test_a_value_out_of_range_is_one_clear_sentence(setting, says):
    with pytest.raises(ValueError, match=says) as error:
        built(**setting)
    assert "\n" not in str(error.value)


def test_l2_eps_may_exceed_one():
    assert ThreatModel(eps=3.0, norm="l2").eps == 3.0


def test_presets():
    require_preset("strict")
    require_preset("official")
    with pytest.raises(ValueError, match="'fast' is not one of strict, official"):
        require_preset("fast")
