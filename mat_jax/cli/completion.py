"""`mat-jax completion SHELL`: what the shell offers after the tab key, made from the parsers."""

import argparse
from collections.abc import Sequence

from mat_jax.attacks import ATTACKS
from mat_jax.attacks.ensembles import ENSEMBLES
from mat_jax.cli.commands import COMMANDS, subcommand
from mat_jax.cli.defenses import every
from mat_jax.cli.help_text import Grouped
from mat_jax.cli.models import SCORES

SHELLS = ("bash", "zsh", "fish")
# What options take that are not choices of the parser; other values are files.
VALUES = {
    "--model": tuple(SCORES),
    "--surrogate": tuple(SCORES),
    "--mlm": tuple(SCORES)[-1:],
    "--attack": tuple(ATTACKS),
    "--attacks": tuple(ATTACKS),
    "--suite": (*ENSEMBLES, "none"),
}


def parser() -> Grouped:
    """Every option that there is."""
    line = Grouped(
        "mat-jax completion",
        "mat-jax completion bash|zsh|fish",
        "Prints a script for the shell. Put it where your shell reads such scripts, or source it.",
        'eval "$(mat-jax completion bash)"     in ~/.bashrc',
    )
    line.add_argument_group("which").add_argument("shell", choices=SHELLS, help="of the three")
    return line


def run(arguments: Sequence[str], /) -> int:
    """Print the script."""
    shell = parser().parse_args(list(arguments)).shell
    print({"bash": bash, "zsh": zsh, "fish": fish}[shell](), end="")
    return 0


def offered() -> dict[str, dict[str, tuple[str, ...]]]:
    """Command -> option -> its values; "" stands for words that are no option's."""
    names: dict[str, tuple[str, ...]] = {
        "attacks": tuple(ATTACKS),
        "defenses": tuple(name for name, _ in every()),
    }
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for command in COMMANDS:
        line = subcommand(command).parser()
        words = names.get(command, ())
        for action in line.arguments:
            if not action.option_strings:
                words += tuple(map(str, action.choices or ()))
        found[command] = {"": words}
        for name, action in line.options.items():
            if name.startswith("--") and (action.help != argparse.SUPPRESS or name == "--help"):
                found[command][name] = VALUES.get(name) or tuple(map(str, action.choices or ()))
    return found


def bash() -> str:
    """For bash: one function, which is told what to offer in each place."""
    cases = []
    for command, options in offered().items():
        words = " ".join([*options.pop(""), *options])
        inner = "".join(
            f'      {name}) words="{" ".join(values)}" ;;\n'
            for name, values in options.items()
            if values
        )
        # An option that takes no listed values takes a file, or one more option.
        cases.append(
            f"    {command})\n"
            f'      words="{words}"\n'
            + (f'      case "$before" in\n{inner}      esac\n' if inner else "")
            + "      ;;\n"
        )
    return (
        "_mat_jax() {\n"
        '  local here="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" words=""\n'
        f'  if [ "$COMP_CWORD" -eq 1 ]; then words="{" ".join(COMMANDS)} --help --version"; else\n'
        '  case "${COMP_WORDS[1]}" in\n' + "".join(cases) + "  esac\n"
        "  fi\n"
        '  COMPREPLY=($(compgen -W "$words" -- "$here"))\n'
        "}\n"
        "complete -o default -F _mat_jax mat-jax\n"
    )


def zsh() -> str:
    """For zsh, which reads bash's."""
    return f"autoload -U +X bashcompinit && bashcompinit\n{bash()}"


def fish() -> str:
    """For fish: a line for each command, option and value."""
    first = "not __fish_seen_subcommand_from " + " ".join(COMMANDS)
    lines = [
        f'complete -c mat-jax -f -n "{first}" -a {name} -d "{command.summary}"'
        for name, command in COMMANDS.items()
    ]
    for command, options in offered().items():
        seen = f'-n "__fish_seen_subcommand_from {command}"'
        for name, values in options.items():
            if not name:
                lines += [f'complete -c mat-jax {seen} -a "{" ".join(values)}"'] if values else []
                continue
            takes = f' -x -a "{" ".join(values)}"' if values else ""
            lines.append(f"complete -c mat-jax {seen} -l {name.removeprefix('--')}{takes}")
    return "\n".join(lines) + "\n"
