"""How often a run compiles what: each program once, before and after training together."""

from collections import Counter
from dataclasses import replace

import jax
import pytest

from mat_jax.evaluate import Evaluation
from mat_jax.train import run
from tests.toy_experiment import Blocks, Swap, experiment

COMPILED = "/jax/core/compile/backend_compile_duration"
ATTACKS = ("no_attack", "bert_attack")
ENCODERS = ("_images", "_texts")
CHECKS = ("see", "read", "_climb", "_slope", "_search", "_margin", "_leap", "_keys", "_gain")


class Table(Swap):
    """In the place of a language model, whose name the protocol asks for."""

    mlm, alignment = "none", "fixed"


@pytest.fixture
def compiled():
    """Counts what is compiled, by name, from a process that has compiled nothing yet."""
    count: Counter[str] = Counter()

    def note(event: str, duration_secs: float, **named: str | int) -> None:
        if event == COMPILED:
            count[str(named["fun_name"])] += 1

    jax.clear_caches()
    jax.monitoring.register_event_duration_secs_listener(note)
    yield count
    jax.monitoring.unregister_event_duration_listener(note)


def test_a_run_compiles_each_program_once(compiled, monkeypatch, tmp_path):
    """After training nothing is compiled, even if training was spread over devices.

    An image attack is a program of its own for each eps, in which eps is a constant: as an argument
    it would change APGD in the last bit. 7 images in batches of 2 leave one that is filled up.
    """
    spent = []

    def measured(*given):
        start = compiled.copy()
        result = measure(*given)
        spent.append(compiled - start)
        return result

    measure = run._measure
    monkeypatch.setattr(run, "_measure", measured)
    monkeypatch.setattr(Evaluation, "substitutes", property(lambda self: Table()))
    evaluation = Evaluation(
        data=Blocks(),
        attacks=("pgd", "bert_attack"),
        eps=(4 / 255, 8 / 255),
        steps=2,
        limit=7,
        batch_size=2,
        checks=4,
    )
    asked = replace(experiment(steps=2, defense="mat"), evaluation=evaluation)
    run.fit(asked, tmp_path, mesh=2, quiet=True)
    before, after = spent
    assert not after
    assert before["jit(pgd_attack)"] == 2
    once = [f"jit({name})" for name in (*ATTACKS, *ENCODERS, *CHECKS)]
    assert {name: before[name] for name in once} == dict.fromkeys(once, 1)
    assert compiled["jit(step)"] == compiled["jit(begin)"] == 1
