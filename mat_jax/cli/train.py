"""`mat-jax train`: the command line of `mat_jax.train`."""

from collections.abc import Sequence

from mat_jax.train.__main__ import main as trained
from mat_jax.train.__main__ import parser as command_line
from mat_jax.utils.command_line import Parser

PROG = "mat-jax train"


def parser() -> Parser:
    """Every option that there is."""
    return command_line(PROG)


def run(arguments: Sequence[str], /) -> int:
    """Train; the help has the settings of the experiment too."""
    given = ["--help" if one == "-h" else one for one in arguments]
    return trained(given, prog=PROG)
