"""Checks of types and shapes at each call while tests run.

Arrays and records are checked. Roles, the protocols of `mat_jax.types.protocols`, are left to
pyrefly, and so are `nnx.Module`s: a stand-in of a test has the members under test and no others.
A function inside another one is left alone: its checker would be made anew at each outer call.
"""

import functools
import sys
from collections.abc import Callable
from types import ModuleType

from beartype import BeartypeConf, FrozenDict, beartype

ROLES = "mat_jax.types.protocols"


def checked(function: Callable) -> Callable:
    """`function` with its arguments and its result checked at each call."""
    if "<locals>" in function.__qualname__:
        return function
    roles = sys.modules.get(ROLES)
    whole = roles is not None and not getattr(roles.__spec__, "_initializing", False)
    return (_without(roles) if whole else beartype)(function)


@functools.cache
def _without(roles: ModuleType) -> Callable:
    """A checker for which anything may play these roles."""
    from flax import nnx

    protocols = [role for role in vars(roles).values() if getattr(role, "_is_protocol", False)]
    anything = dict.fromkeys([*protocols, nnx.Module], object)
    return beartype(conf=BeartypeConf(hint_overrides=FrozenDict(anything)))
