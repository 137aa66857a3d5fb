"""Sessions in docstrings print what they say."""

import doctest
import importlib

import pytest

from tests.docs.blocks import ROOT

WITH = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in sorted((ROOT / "mat_jax").rglob("*.py"))
    if ">>> " in path.read_text()
]


def test_there_are_some() -> None:
    assert {"mat_jax.attacks.threat", "mat_jax.attacks.cost", "mat_jax.data.clean"} <= set(WITH)


@pytest.mark.parametrize("name", WITH)
def test_sessions_of_a_module(name: str) -> None:
    flags = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    found = doctest.testmod(importlib.import_module(name), optionflags=flags)
    assert found.attempted and not found.failed
