"""A measurement is made once for one model and one question."""

import jax.numpy as jnp
import pytest

from mat_jax.utils.memo import remembered


@pytest.fixture
def ask(tmp_path):
    made = []

    def ask(what, weight):
        def measure():
            made.append((what, weight))
            return len(made)

        return remembered(tmp_path / "one.pickle", what, {"w": jnp.full(3, weight)}, measure)

    ask.made, ask.file = made, tmp_path / "one.pickle"
    return ask


def test_the_same_question_is_measured_once(ask):
    assert [ask("sga", 1.0), ask("sga", 1.0)] == [1, 1]


def test_other_weights_or_settings_are_measured_anew(ask):
    assert [ask("sga", 1.0), ask("sga", 2.0), ask("pgd", 2.0)] == [1, 2, 3]


MOVED = [b"cmat_jax.elsewhere\nResult\n.", b"cmat_jax.evaluate.results\nElsewhere\n."]


@pytest.mark.parametrize("content", [b"", b"not a pickle", b"\x80\x04N.", *MOVED])
def test_a_file_that_cannot_be_read_is_measured_anew(ask, content):
    ask("sga", 1.0)
    ask.file.write_bytes(content)
    assert ask("sga", 1.0) == 2
