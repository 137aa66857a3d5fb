"""Attacks and tasks of one's own for a command: `--plugin my_attack.py`."""

import importlib.util
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import ModuleType

from mat_jax.attacks import ATTACKS
from mat_jax.attacks.registry import Attack
from mat_jax.evaluate.tasks.base import Task
from mat_jax.evaluate.tasks.registry import TASKS

OPTION = "--plugin"
PLUGIN = "a Python file with attacks or tasks of your own; may be given again"


def with_plugins(arguments: Sequence[str]) -> list[str]:
    """The arguments without `--plugin FILE`; what the files bring is registered.

    Raises:
        ValueError: an option without its file, or a file as for `register`.
    """
    rest, files = [], []
    given = iter(arguments)
    for one in given:
        name, equals, file = one.partition("=")
        if name != OPTION:
            rest.append(one)
            continue
        found = file if equals else next(given, None)
        if not found:
            raise ValueError(f"{OPTION} wants a Python file behind it: {OPTION} my_attack.py")
        files.append(found)
    for file in files:
        register(Path(file))
    return rest


def register(file: Path) -> list[str]:
    """Run a Python file; its attacks and tasks are known from now on.

    An attack is a record `attacks.Attack` under any name of the file, and is called as its function
    is. A task is an object or a class of `evaluate.Task`, and is called as its `name` says.

    Returns:
        Their names.

    Raises:
        ValueError: there is no such file, it breaks down, it brings neither, or what it brings is
            called as another.
    """
    module = _run(file)
    # What the file imports of the package is not of its own.
    known = [*map(id, ATTACKS.values()), *map(id, TASKS.values())]
    values = [one for one in vars(module).values() if id(one) not in known]
    attacks = {_name(one): one for one in values if isinstance(one, Attack)}
    kinds = [one for one in values if isinstance(one, type) and issubclass(one, Task)]
    own = [kind() for kind in kinds if kind.__module__ == module.__name__]
    tasks = {one.name: one for one in (*own, *(one for one in values if isinstance(one, Task)))}
    for name in (*attacks, *tasks):
        if name in ATTACKS or name in TASKS:
            raise ValueError(f"{file} brings {name!r}, which is there already: call it otherwise")
    if not attacks and not tasks:
        raise ValueError(
            f"{file} brings no attack and no task: expected a record attacks.Attack(...) or an "
            "evaluate.Task (docs/extending.md shows both)"
        )
    ATTACKS.update(attacks)
    TASKS.update(tasks)
    return [*attacks, *tasks]


def _name(attack: Attack) -> str:
    """As its function is called, also where some of its settings are given."""
    function = attack.function
    while isinstance(function, partial):
        function = function.func
    return function.__name__


def _run(file: Path) -> ModuleType:
    if not file.is_file():
        raise ValueError(f"{OPTION} {file}: there is no such file")
    name = f"mat_jax_plugin_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ValueError(f"{OPTION} {file}: expected a Python file, whose name ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for their module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"{file} breaks down: {type(error).__name__}: {error}") from error
    return module
