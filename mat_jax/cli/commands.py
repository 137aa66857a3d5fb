"""The subcommands by name, each loaded when it is asked for: `--help` loads no JAX."""

import importlib
from collections.abc import Sequence
from typing import NamedTuple, Protocol, cast

from mat_jax.utils.command_line import Parser
from mat_jax.utils.nearest import meant


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
        module: where the subcommand is.
        group: under which head it stands.
        summary: what it does.
        computes: whether it compiles programs, which are kept.
    """

    module: str
    group: str
    summary: str
    computes: bool = False


DO, LOOK, SET_UP = "do", "look up", "set up"
COMMANDS = {
    "attack": Command(
        "mat_jax.cli.attack", DO, "make a model wrong on your pictures and captions", True
    ),
    "evaluate": Command(
        "mat_jax.cli.evaluate", DO, "measure a model, clean and under attack", True
    ),
    "train": Command("mat_jax.cli.train", DO, "train a model to withstand attacks", True),
    "augment": Command("mat_jax.cli.augment", DO, "make further captions and pictures", True),
    "report": Command("mat_jax.cli.report", DO, "put saved results into one page"),
    "data": Command("mat_jax.cli.data", DO, "data check PATH: what is in it, and what is broken"),
    "models": Command("mat_jax.cli.models", LOOK, "families, shipped models, what can be loaded"),
    "attacks": Command("mat_jax.cli.attacks", LOOK, "what each changes, costs and comes from"),
    "defenses": Command("mat_jax.cli.defenses", LOOK, "what each trains, costs and comes from"),
    "tasks": Command("mat_jax.cli.tasks", LOOK, "what can be asked of a model"),
    "completion": Command(
        "mat_jax.cli.completion", SET_UP, "completion bash|zsh|fish: for the shell"
    ),
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
    return cast(Subcommand, importlib.import_module(COMMANDS[name].module))
