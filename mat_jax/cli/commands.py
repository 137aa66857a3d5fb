"""The subcommands by name, each a file of that name, loaded when it is asked for."""

import importlib
from collections.abc import Sequence
from typing import NamedTuple, Protocol, cast, runtime_checkable

from mat_jax.utils.command_line import Parser
from mat_jax.utils.spelling import meant


@runtime_checkable
class Subcommand(Protocol):
    """What the module of a subcommand has."""

    def parser(self) -> Parser:
        """Its command line."""
        ...

    def run(self, arguments: Sequence[str], /) -> int:
        """Carry it out; returns the exit status, and raises ValueError for a wrong line."""
        ...


class Command(NamedTuple):
    """A line of the help.

    Attributes:
        group: under which head it stands.
        summary: what it does.
        computes: whether it compiles programs, which are kept.
    """

    group: str
    summary: str
    computes: bool = False


DO, LOOK, SET_UP = "do", "look up", "set up"
COMMANDS = {
    "attack": Command(DO, "make a model wrong on your pictures and captions", True),
    "evaluate": Command(DO, "measure a model, clean and under attack", True),
    "train": Command(DO, "train a model to withstand attacks", True),
    "augment": Command(DO, "make further captions and pictures", True),
    "report": Command(DO, "put saved results into one page"),
    "data": Command(DO, "data check PATH: what is in it, and what is broken"),
    "models": Command(LOOK, "families, shipped models, what can be loaded"),
    "attacks": Command(LOOK, "what each changes, costs and comes from"),
    "defenses": Command(LOOK, "what each trains, costs and comes from"),
    "tasks": Command(LOOK, "what can be asked of a model"),
    "completion": Command(SET_UP, "completion bash|zsh|fish: for the shell"),
}


def subcommand(name: str) -> Subcommand:
    """The subcommand of a name.

    Raises:
        ValueError: there is none.
    """
    if name not in COMMANDS:
        raise ValueError(
            f"there is no command {name!r}{meant(name, COMMANDS)}; choose from "
            f"{', '.join(COMMANDS)}"
        )
    return cast(Subcommand, importlib.import_module(f"mat_jax.cli.{name}"))
