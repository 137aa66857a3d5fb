"""`mat-jax train`: the command line of `mat_jax.train`, with a help that fits a screen."""

from collections.abc import Sequence

from mat_jax.cli.help_text import usual
from mat_jax.train.__main__ import main as trained
from mat_jax.train.__main__ import parser as command_line
from mat_jax.utils.command_line import Parser

PROG = "mat-jax train"
SHOWN = {
    "what runs": ("--config", "--set", "--steps"),
    "where": ("--workdir", "--resume", "--mesh"),
    "what is told": ("--track", "--profile", "--plan", "--topology"),
    "several machines": ("--hosts", "--coordinator", "--process"),
}


def parser() -> Parser:
    """Every option that there is."""
    return command_line(PROG)


def run(arguments: Sequence[str], /) -> int:
    """Train; `--help` with `--config` has the settings of that experiment."""
    given = ["--help" if one == "-h" else one for one in arguments]
    if given == ["--help"]:
        usage = f"{PROG} [--config FILE] [--set NAME=VALUE ...] [--workdir DIR]"
        said = (
            "Trains a model, and measures it before and after. Without --config it is the "
            f"quickstart. {PROG} --config FILE --help lists the settings of an experiment."
        )
        example = f"{PROG} --config experiments/quickstart.py --set eps=4/255 --workdir runs/mine"
        print(usual(usage, said, parser().options, SHOWN, example), end="")
        return 0
    return trained(given, prog=PROG)
