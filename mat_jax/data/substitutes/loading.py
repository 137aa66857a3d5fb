"""How a model is loaded that a setting names: `mat_jax.models` tells it to the data below."""

from collections.abc import Callable
from typing import Any

# `name -> (model, tokenizer)`.
Load = Callable[[str], tuple[Any, Any]]

_LOADERS: dict[str, Load] = {}


def provide(*, language_model: Load, any_model: Load) -> None:
    """Say how models are loaded; `mat_jax.models` calls this when it is imported.

    Args:
        language_model: loads a masked language model, and refuses others.
        any_model: loads any model.
    """
    _LOADERS.update(language_model=language_model, any_model=any_model)


def load_language_model(name: str) -> tuple[Any, Any]:
    """A masked language model and its tokenizer.

    Raises:
        RuntimeError: nobody has said how models are loaded.
    """
    return _loader("language_model", name)(name)


def load_model(name: str) -> tuple[Any, Any]:
    """Any model and its tokenizer.

    Raises:
        RuntimeError: nobody has said how models are loaded.
    """
    return _loader("any_model", name)(name)


def _loader(kind: str, name: str) -> Load:
    if kind not in _LOADERS:
        raise RuntimeError(f"no models are at hand to load {name!r}: import mat_jax.models first")
    return _LOADERS[kind]
