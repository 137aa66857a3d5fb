"""What a run says it will cost, and what would fit where memory is full."""

import dataclasses
from typing import Any

from mat_jax import defenses
from mat_jax.data import Corpus
from mat_jax.train.costs import cost_line
from mat_jax.train.loop import smaller
from tests.toy_experiment import Blocks, Tiny, experiment


def test_the_cost_of_plain_fine_tuning():
    """3 steps of 8 pairs: each is read forward and backward once by each tower."""
    made = experiment(defense="fine_tune", steps=3)
    made = dataclasses.replace(made, batch_size=8)
    _, tokenizer = Tiny().build(0)
    corpus = Corpus.prepare(Blocks(), tokenizer, image_size=16)
    said = cost_line(made, corpus)
    assert said.startswith("cost: 3 steps of 8: about 24 forward and 24 backward passes of the ")
    assert "24 and 24 of the text encoder" in said


def test_a_defence_nobody_has_counted_has_its_steps():
    class Own(defenses.Defense):
        pass

    made = dataclasses.replace(experiment(defense="fine_tune", steps=3), defense=Own())
    _, tokenizer = Tiny().build(0)
    corpus = Corpus.prepare(Blocks(), tokenizer, image_size=16)
    assert cost_line(made, corpus).startswith(f"cost: 3 steps of {made.batch_size}; ")


def test_what_would_fit_is_an_experiment():
    """Each setting that is advised may be put into the experiment, and each is smaller."""
    made = dataclasses.replace(experiment(defense="fine_tune", steps=3), batch_size=8)
    advised = smaller(made)
    assert advised == ("micro_batch=4", 'remat="blocks"', 'dtype="bfloat16"', "batch_size=4")
    for setting in advised:
        name, _, value = setting.partition("=")
        changed: Any = value.strip('"') if '"' in value else int(value)
        dataclasses.replace(made, **{name: changed})
    small = dataclasses.replace(made, micro_batch=1, remat="blocks", dtype="bfloat16")
    assert smaller(small) == ("batch_size=4",)
