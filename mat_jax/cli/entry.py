"""`mat-jax COMMAND ...`: finds the subcommand, and says what there is."""

import sys
from collections.abc import Sequence

from mat_jax.cli.commands import COMMANDS, subcommand

EXAMPLE = 'mat-jax attack photo.jpg "a dog on the beach" --eps 4/255'


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit status. A mistake is one sentence and status 2."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if given[0] == "--version":
        from mat_jax.evaluate.protocol import version  # here, because it loads JAX

        print(f"mat-jax {version('mat-jax') or 'of a checkout'}")
        return 0
    try:
        return subcommand(given[0]).run(given[1:])
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def script() -> None:
    """The console script: keeps what it compiles, and ends the process with the status."""
    command = COMMANDS.get(next(iter(sys.argv[1:]), ""))
    try:
        if command is None or not command.computes:
            sys.exit(main())
        from mat_jax.utils import cache, processes  # here, because they load JAX

        cache.keep_programs()
        sys.exit(processes.run(main))
    except BrokenPipeError:  # `mat-jax attacks | head`
        sys.stderr.close()
        sys.exit(0)


def overview() -> str:
    """All commands on one screen."""
    lines = ["Attack a vision-language model, train it to withstand that, measure both.", ""]
    lines += ["usage: mat-jax COMMAND ...       mat-jax COMMAND --help says more", ""]
    for group in dict.fromkeys(command.group for command in COMMANDS.values()):
        lines.append(group)
        lines += [
            f"  {name:12}{command.summary}"
            for name, command in COMMANDS.items()
            if command.group == group
        ]
        lines.append("")
    return "\n".join([*lines, "example", f"  {EXAMPLE}"])
