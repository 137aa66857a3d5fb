"""The spread over trainings."""

from mat_jax.evaluate.statistics import spread


def test_a_spread_needs_two():
    assert str(spread([10.0, 12.0, 14.0])) == "12.0 ± 2.0"
    assert str(spread([10.0])) == "10.0" and str(spread([])) == "–"
