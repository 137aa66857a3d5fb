"""`mat-jax augment`: the command line of `mat_jax.augment`, with a help that fits a screen."""

from collections.abc import Sequence

from mat_jax.augment.__main__ import command_line
from mat_jax.augment.__main__ import main as augmented
from mat_jax.cli.help_text import usual
from mat_jax.utils.command_line import Parser

PROG = "mat-jax augment"
SHOWN = {
    "from what": ("--data", "--images", "--split", "--limit"),
    "how": ("--how", "--count", "--originals", "--model", "--file", "--strength", "--ops"),
    "spoilt by degrees": ("--misaligned", "--wrong", "--shift"),
    "to where": ("--seed", "--batch-size", "--out"),
}


def parser() -> Parser:
    """Every option that there is."""
    return command_line(PROG)


def run(arguments: Sequence[str], /) -> int:
    """Augment; `--help` shows the usual options, `--help-all` every one."""
    if "--help-all" in arguments:
        print(parser().format_help())
        return 0
    if {"-h", "--help"} & set(arguments):
        usage = f"{PROG} --out DIR ...     --help-all lists every option and every way"
        said = "Writes DIR/manifest.json, DIR/augment.json and the pictures."
        example = f"{PROG} --data scenes --how i2t_human --count 4 --out partners"
        print(usual(usage, said, parser().options, SHOWN, example), end="")
        return 0
    return augmented(arguments, prog=PROG)
