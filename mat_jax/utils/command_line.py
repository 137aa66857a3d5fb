"""A command line whose mistakes are one sentence, as all mistakes here are."""

import argparse
import math
import re
import sys
from collections.abc import Callable

from mat_jax.utils.spelling import meant


class Parser(argparse.ArgumentParser):
    """An argparse parser that raises ValueError where argparse prints its usage and exits.

    A wrong option, and a wrong choice, get the nearest right one.
    """

    @property
    def options(self) -> dict[str, argparse.Action]:
        """Every option by each of its names."""
        return dict(self._option_string_actions)

    @property
    def arguments(self) -> list[argparse.Action]:
        """All that the line may have, in order."""
        return list(self._actions)

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[override]
        """As argparse does, after unknown options: they explain what else is missing."""
        given = list(sys.argv[1:] if args is None else args)
        for one in given[: given.index("--")] if "--" in given else given:
            name = one.partition("=")[0]
            if not re.fullmatch(r"--[A-Za-z][\w-]*", name):
                continue
            known = [option for option in self.options if option.startswith("--")]
            abbreviated = self.allow_abbrev and any(option.startswith(name) for option in known)
            if name not in known and not abbreviated:
                self.error(f"there is no option {name}{meant(name, known)}")
        return super().parse_known_args(given, namespace)

    def error(self, message: str):
        """Argparse calls this with what is wrong."""
        wrong = re.fullmatch(
            r"(.*invalid choice: )(.*?)( \(choose from (.*)\))", message, re.DOTALL
        )
        if wrong is not None:
            start, given, end, choices = wrong.groups()
            near = meant(given.strip("'"), re.findall(r"[\w.+-]+", choices))
            message = f"{start}{given}{near}{end}"
        raise ValueError(f"{message}; --help lists what there is")


def number(name: str, text: str) -> float:
    """A number as `0.01`, or as a fraction, `4/255`.

    Raises:
        ValueError: it is neither; `name` is the option's.
    """
    above, _, below = text.partition("/")
    try:
        found = float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError):
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"{name} must be a number, 4/255 for example, got {text!r}")
    return found


def answered(
    act: Callable[[], str], *, stopped: str, failures: tuple[type[Exception], ...] = ()
) -> int:
    """Carry out a command and print what it says; returns the exit status.

    Args:
        act: returns what is printed; a ValueError, OSError or MemoryError is a mistake, whose
            sentence goes to stderr, with status 2.
        stopped: what is said after Ctrl-C, with status 130, behind what was under way.
        failures: further errors that are mistakes.
    """
    mistakes: tuple[type[Exception], ...] = (ValueError, OSError, MemoryError, *failures)
    try:
        print(act())
    except mistakes as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        where = f" {interrupt}" if str(interrupt) else ""
        print(f"stopped{where}; {stopped}", file=sys.stderr)
        return 130
    return 0
