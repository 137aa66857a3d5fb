"""Registries that are after a test what they were before it."""

from collections.abc import Iterator
from contextlib import contextmanager

from mat_jax.attacks import ATTACKS
from mat_jax.evaluate.tasks.registry import TASKS


@contextmanager
def registries_stay() -> Iterator[None]:
    """What is registered inside is forgotten."""
    attacks, tasks = set(ATTACKS), set(TASKS)
    try:
        yield
    finally:
        for name in set(ATTACKS) - attacks:
            del ATTACKS[name]
        for name in set(TASKS) - tasks:
            del TASKS[name]
