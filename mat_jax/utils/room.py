"""Memory that was not enough: one sentence that says of what, how much, and what would fit."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import jax

_SIZES = (
    # XLA's words on TPU, on GPU and CPU, and numpy's.
    re.compile(r"[Uu]sed ([\d.]+ ?[KMGT]i?B?) of ([\d.]+ ?[KMGT]i?B?)"),
    re.compile(r"allocat\w*\s+([\d.]+ ?[KMGTPE]iB)"),
    re.compile(r"allocat\w*\s+(\d+) bytes"),
)


class OutOfRoom(MemoryError):
    """Memory is full; the sentence says which part of the work needed it."""


@contextmanager
def room_for(part: str, *settings: str) -> Iterator[None]:
    """`with room_for("the attack sga", "--batch-size 16")`: memory that is full is one sentence.

    Args:
        part: of the work, in words.
        settings: with which it would take less, the best first.

    Raises:
        OutOfRoom: in the place of XLA's RESOURCE_EXHAUSTED, and of the host's MemoryError.
    """
    try:
        yield
    except OutOfRoom:  # of a part inside, which knows more
        raise
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        host = isinstance(error, MemoryError)
        where = "this machine" if host else f"the {jax.devices()[0].device_kind}"
        advice = f": try {' or '.join(settings)}" if settings else ""
        asked = amount(str(error))
        told = f" (it asked for {asked})" if asked else ""
        raise OutOfRoom(f"the memory of {where} is too small for {part}{told}{advice}") from error


def amount(text: str) -> str | None:
    """How much memory an error asked for, if it says: `12.5 GB`, or `20.0G of 15.7G`."""
    for pattern in _SIZES:
        found = pattern.search(text)
        if found is not None and found.lastindex == 2:
            return f"{found[1]} of {found[2]}"
        if found is not None:
            return bytes_text(float(found[1])) if found[1].isdigit() else found[1]
    return None


def bytes_text(count: float) -> str:
    """`12.5 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}" if unit != "bytes" else f"{count:.0f} bytes"
        count /= 1000
    return f"{count:.3g} TB"
