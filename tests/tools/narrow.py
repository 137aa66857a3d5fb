"""What a test knows of a value, and its type does not say."""

from typing import TypeVar, cast

import jax
import numpy as np

Value = TypeVar("Value")


def some(value: Value | None) -> Value:
    """The value, where there is one."""
    assert value is not None
    return value


def host(array: np.ndarray | np.generic) -> jax.Array:
    """An array of NumPy where a record has one of JAX: it is NumPy until it is sent."""
    return cast(jax.Array, array)
