"""What the command prints."""

import pytest

from mat_jax.evaluate.tables import percent


@pytest.mark.parametrize(("value", "text"), [(97.64, "97.6"), (0.0, "0.0"), (float("nan"), "-")])
def test_what_was_not_measured_is_no_number(value, text):
    assert percent(value) == text
