"""Help that fits a screen: options in groups, a line each, and an example."""

import argparse
import textwrap
from collections.abc import Mapping, Sequence

from mat_jax.utils.command_line import Parser

WIDTH, SIDE = 80, 26


class Grouped(Parser):
    """A parser whose help is its groups, a line an option, with an example at the end."""

    def __init__(self, prog: str, usage: str, description: str, example: str) -> None:
        super().__init__(prog=prog, usage=usage, description=description, add_help=False)
        self._example = example
        self.add_argument("-h", "--help", action="help", help=argparse.SUPPRESS)

    def format_help(self) -> str:
        """The screen."""
        groups = {
            str(group.title): [action for action in group._group_actions if action.help]
            for group in self._action_groups
        }
        return screen(str(self.usage), str(self.description), groups, self._example)


def screen(
    usage: str,
    said: str,
    groups: Mapping[str, Sequence[argparse.Action]],
    example: str,
) -> str:
    """Usage, what the command does, its groups of options, and an example, as text."""
    lines = [f"usage: {usage}", "", *textwrap.wrap(said, WIDTH)]
    for title, actions in groups.items():
        shown = [line(action) for action in actions if action.help != argparse.SUPPRESS]
        if shown:
            lines += ["", title, *shown]
    return "\n".join([*lines, "", "example", f"  {example}"]) + "\n"


def usual(
    usage: str,
    said: str,
    options: Mapping[str, argparse.Action],
    shown: Mapping[str, Sequence[str]],
    example: str,
) -> str:
    """The screen of a command that has more options than are `shown`, by name in their groups."""
    groups = {title: [options[name] for name in names] for title, names in shown.items()}
    return screen(usage, said, groups, example)


def line(action: argparse.Action) -> str:
    """One option on one line: its name, what it takes, and the first clause of its help."""
    value = "" if action.nargs == 0 else str(action.metavar or action.dest.upper())
    if action.choices is not None and action.metavar is None:
        value = "|".join(map(str, action.choices))
    left = f"{action.option_strings[-1]} {value}".rstrip() if action.option_strings else value
    if len(left) > SIDE - 2 and action.option_strings:
        left = action.option_strings[-1]
    told = (action.help or "").partition(";")[0]
    room = WIDTH - SIDE - 2
    return f"  {left:{SIDE}}{textwrap.shorten(told, room, placeholder=' ...')}".rstrip()
