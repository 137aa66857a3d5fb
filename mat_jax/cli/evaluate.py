"""`mat-jax evaluate`: the command line of `mat_jax.evaluate`, with a help that fits a screen."""

from collections.abc import Sequence

from mat_jax.cli.help_text import usual
from mat_jax.evaluate.__main__ import main as evaluated
from mat_jax.evaluate.options import command_line
from mat_jax.utils.command_line import Parser

PROG = "mat-jax evaluate"
SHOWN = {
    "what is measured": ("--model", "--task", "--data", "--images", "--split", "--limit"),
    "what the adversary may do": (
        "--attacks",
        "--suite",
        "--eps",
        "--steps",
        "--words",
        "--mlm",
        "--surrogate",
    ),
    "how": ("--dtype", "--batch-size", "--seed", "--forecast", "--out"),
}


def parser() -> Parser:
    """Every option that there is."""
    return command_line(PROG)


def run(arguments: Sequence[str], /) -> int:
    """Evaluate; `--help` shows the usual options, `--help-all` every one."""
    if "--help-all" in arguments:
        print(parser().format_help())
        return 0
    if {"-h", "--help"} & set(arguments):
        usage = f"{PROG} --model MODEL --out DIR ...     --help-all lists every option"
        said = "Writes DIR/index.html, DIR/results.json and the rank of every query."
        example = f"{PROG} --model scenes-clip --limit 300 --eps 2/255,4/255 --out report"
        print(usual(usage, said, parser().options, SHOWN, example), end="")
        return 0
    return evaluated(arguments, prog=PROG)
