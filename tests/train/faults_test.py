"""Steps that are not a number are skipped, or undone, and counted."""

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mat_jax import data, defenses, fit
from mat_jax.train import faults, mesh, state
from mat_jax.train.experiment import load
from mat_jax.train.step import compile_step
from tests.toy_experiment import Blocks

toy = load(Path(__file__).parents[1] / "toy_experiment.py")
POISON = 7  # the id of an image


@dataclasses.dataclass(frozen=True)
class Poisoned(defenses.FineTune):
    """Fine-tuning whose loss is no number where a batch has some image."""

    poison: tuple[int, ...] = (POISON,)

    def loss(self, model, reference, batch, batch_adv, key):
        losses, metrics = super().loss(model, reference, batch, batch_adv, key)
        bad = jnp.isin(batch.ids, jnp.asarray(self.poison, jnp.int32)).any()
        return jnp.where(bad, jnp.nan, losses), metrics


def experiment(steps=12, poison=(POISON,), **settings):
    made = toy(steps=steps, checkpoint_every=2, lr=1e-2)
    return dataclasses.replace(made, defense=Poisoned(poison=poison), **settings)


def hits(steps):
    """Whether each batch of a run holds the image."""
    made = experiment()
    _, tokenizer = made.model.build(0)
    corpus = data.Corpus.prepare(Blocks(), tokenizer, image_size=16)
    batches = data.training_batches(corpus, batch_size=8, seed=0)
    return [POISON in next(batches).ids for _ in range(steps)]


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_guarded_step_that_is_no_number_changes_nothing_but_its_number():
    made = experiment()
    model, tokenizer = made.model.build(0)
    corpus = data.Corpus.prepare(Blocks(), tokenizer, image_size=16)
    layout, weights = state.flatten(model)
    now = state.create(weights, made.optimizer, made.defense.trains, 0)
    step = compile_step(layout, made.defense, made.optimizer, mesh.make(1), now, guarded=True)
    for ids, skipped in (([1, 2, 3, 4], 0), ([5, 6, 7, 8], 1), ([9, 10, 11, 12], 0)):
        before = jax.tree.map(np.array, now)
        now, metrics = step(now, None, corpus.batch(ids, np.zeros((4, 1), np.int64)))
        assert int(metrics["skipped"]) == skipped
        assert int(now.step) == int(before.step) + 1
        same = jax.tree.map(np.array_equal, before.trained, now.trained)
        memory = jax.tree.map(np.array_equal, before.optimizer, now.optimizer)
        everything = all(jax.tree.leaves((same, memory)))
        assert everything == bool(skipped)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(now.trained))


def test_skipped_steps_are_counted_also_over_a_restart(tmp_path, capsys):
    expected = np.cumsum(hits(12))
    assert expected[-1] >= 2
    fit(experiment(12, on_nan="skip"), tmp_path, mesh=1)
    found = lines(tmp_path)
    assert [line["skipped"] for line in found] == expected.tolist()
    assert [line["loss"] is None for line in found] == hits(12)
    assert "note: skipped 1 step" in capsys.readouterr().err
    for later in (tmp_path / "checkpoints").iterdir():
        if later.name == "12":
            later.rename(tmp_path / "away")
    fit(experiment(12, on_nan="skip"), tmp_path, mesh=1, quiet=True)
    assert [line["skipped"] for line in lines(tmp_path)] == expected.tolist()


def test_the_run_goes_back_to_its_last_checkpoint_and_on_with_other_data(tmp_path, capsys):
    fit(experiment(8, on_nan="restore"), tmp_path, mesh=1)
    found = lines(tmp_path)
    assert [line["step"] for line in found] == list(range(1, 9))
    assert all(np.isfinite(line["loss"]) for line in found)
    returns, at, seen = 0, 0, hits(40)
    for bad in seen:  # the rule, by hand: a checkpoint at every second step
        at = at + 1 if not bad else at // 2 * 2
        returns += bad
        if at == 8:
            break
    assert found[-1]["restored"] == returns > 0
    assert "back to step" in capsys.readouterr().err


@pytest.mark.parametrize("policy", ["skip", pytest.param("restore", marks=pytest.mark.slow)])
def test_a_run_that_is_never_a_number_stops(tmp_path, policy):
    every = tuple(range(36))
    with pytest.raises(ArithmeticError, match="a lower lr"):
        fit(experiment(40, poison=every, on_nan=policy), tmp_path, mesh=1, quiet=True)
    assert faults.IN_A_ROW < 40


def test_unknown_policies_are_refused():
    for name in ("on_nan", "on_bad_data"):
        changed: dict[str, Any] = {name: "ignore"}
        with pytest.raises(ValueError, match=f"{name} is 'ignore': it must be one of stop, skip"):
            experiment(**changed)


@dataclasses.dataclass(frozen=True)
class Spoilt(Blocks):
    """Blocks of which one file has turned bad."""

    def captions(self, index):
        return super().__getitem__(index).captions

    def __getitem__(self, index):
        if index == POISON:
            raise ValueError("cannot read the image 'seven.png'; replace the file or drop its row")
        return super().__getitem__(index)


def test_a_bad_file_is_named_and_by_policy_replaced(tmp_path, capfd):
    spoilt = dataclasses.replace(toy(steps=12, checkpoint_every=2), data=Spoilt())
    with contextlib.suppress(ValueError):
        fit(spoilt, tmp_path / "stop", mesh=1, quiet=True)
        pytest.fail("the run must stop")
    skipping = dataclasses.replace(spoilt, on_bad_data="skip")
    fit(skipping, tmp_path / "skip", mesh=1)
    expected = np.cumsum(hits(12)).tolist()
    assert [line["replaced"] for line in lines(tmp_path / "skip")] == expected
    assert capfd.readouterr().err.count("note: cannot read the image 'seven.png'") == 1
