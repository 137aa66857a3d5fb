"""The mean of models: of their weights, one by one, and as a command."""

import jax
import numpy as np
import pytest
from flax import nnx

from mat_jax import models
from mat_jax.models.soup import average_models, main
from tests.attacks.toy import tiny

SHIPPED = "scenes-clip"


def shifted(model, amount):
    """The same model with every weight moved."""
    state = jax.tree.map(lambda leaf: leaf + amount, nnx.state(model))
    return nnx.merge(nnx.graphdef(model), state)


def test_every_weight_is_the_mean():
    one = tiny("clip")
    found = average_models([one, shifted(one, 0.3), shifted(one, 0.6)])
    for new, old in zip(
        jax.tree.leaves(nnx.state(found)), jax.tree.leaves(nnx.state(one)), strict=True
    ):
        np.testing.assert_allclose(new, np.asarray(old) + 0.3, rtol=0, atol=1e-6)
    # Those that were averaged stay.
    again = jax.tree.leaves(nnx.state(tiny("clip")))
    jax.tree.map(np.testing.assert_array_equal, jax.tree.leaves(nnx.state(one)), again)


def test_the_command_writes_a_model_that_loads(tmp_path, capsys):
    model, tokenizer = models.load(SHIPPED)
    models.save(shifted(model, 0.02), tokenizer, tmp_path / "other")
    assert main([SHIPPED, str(tmp_path / "other"), "--out", str(tmp_path / "soup")]) == 0
    assert "the mean of 2 models" in capsys.readouterr().out
    mixed, _ = models.load(tmp_path / "soup")
    pairs = zip(jax.tree.leaves(nnx.state(mixed)), jax.tree.leaves(nnx.state(model)), strict=True)
    for new, old in pairs:
        np.testing.assert_allclose(new, np.asarray(old) + 0.01, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "names, sentence",
    [
        ([SHIPPED], "1 model given"),
        ([SHIPPED, "scenes-blip"], "has another configuration than model 1"),
        ([SHIPPED, "nowhere/at-all"], "nowhere/at-all"),
    ],
)
def test_what_cannot_be_averaged_is_one_sentence(names, sentence, tmp_path, capsys):
    assert main([*names, "--out", str(tmp_path / "soup")]) == 2
    error = capsys.readouterr().err.strip()
    assert sentence in error and error.startswith("error: ") and "\n" not in error
    assert not (tmp_path / "soup").exists()
