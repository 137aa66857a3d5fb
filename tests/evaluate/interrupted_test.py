"""A stopped evaluation says where it was, and one that lacks memory what would fit."""

import jax.numpy as jnp
import numpy as np
import pytest

from mat_jax.evaluate import gallery
from mat_jax.evaluate.config import Evaluation
from mat_jax.evaluate.runner import evaluate
from mat_jax.utils.room import OutOfRoom
from tests.toy_experiment import Blocks, Tiny


def evaluation() -> Evaluation:
    return Evaluation(
        data=Blocks(), attacks=("none", "fgsm"), batch_size=12, checks=0, shown=1, steps=1
    )


def stopped_by(monkeypatch, act, calls: int) -> None:
    """From now on, `act` instead of the attack that a bench calls for the n-th time."""
    compiled, count = gallery.compile_attack, np.zeros(1, int)

    def compile_attack(*given, **named):
        fn = compiled(*given, **named)

        def attack(*batch, **more):
            count[0] += 1
            if count[0] == calls:
                act()
            return fn(*batch, **more)

        return attack

    monkeypatch.setattr(gallery, "compile_attack", compile_attack)


def test_an_interruption_says_what_is_done(monkeypatch):
    """36 pictures in threes of 12: the fifth call is the second batch of the second attack."""

    def interrupt():
        raise KeyboardInterrupt

    stopped_by(monkeypatch, interrupt, 5)
    said = r"^in fgsm 2/255, with 12 of 36 done, and 1 of 2 attacks done before$"
    with pytest.raises(KeyboardInterrupt, match=said):
        evaluate(evaluation(), *Tiny().build(0), quiet=True)


def test_full_memory_says_what_would_fit(monkeypatch):
    stopped_by(monkeypatch, lambda: jnp.zeros(1 << 44).block_until_ready(), 4)
    said = (
        r"too small for the attack fgsm 2/255 \(it asked for 70.4 TB\): try a batch_size of 6 "
        r"\(--batch-size 6\) or bfloat16"
    )
    with pytest.raises(OutOfRoom, match=said):
        evaluate(evaluation(), *Tiny().build(0), quiet=True)
