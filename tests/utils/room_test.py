"""Full memory is one sentence; real allocations that no machine has."""

import jax.numpy as jnp
import numpy as np
import pytest

from mat_jax.utils.room import OutOfRoom, amount, room_for


def test_of_the_device():
    text = r"too small for the attack sga \(it asked for 70\.4 TB\): try --batch-size 4 or remat$"
    with (
        pytest.raises(OutOfRoom, match=text),
        room_for("the attack sga", "--batch-size 4", "remat"),
    ):
        jnp.zeros(1 << 44).block_until_ready()


def test_of_the_host():
    text = r"the memory of this machine is too small for the ranking \(it asked for 8\.00 PiB\)$"
    with pytest.raises(OutOfRoom, match=text), room_for("the ranking"):
        np.ones(1 << 50)


def test_the_innermost_part_is_named():
    with pytest.raises(OutOfRoom, match="for an attack"), room_for("all"), room_for("an attack"):
        raise MemoryError


def test_other_errors_pass():
    with pytest.raises(ValueError, match="^no$"), room_for("all"):
        raise ValueError("no")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 17179869184 bytes.",
            "17.2 GB",
        ),
        ("Ran out of memory in memory space hbm. Used 20.00G of 15.75G hbm.", "20.00G of 15.75G"),
        ("RESOURCE_EXHAUSTED: something else", None),
    ],
)
def test_how_much(said, told):
    assert amount(said) == told
