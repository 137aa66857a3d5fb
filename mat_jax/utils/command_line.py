"""A command line whose mistakes are one sentence, as all mistakes here are."""

import argparse
import sys
from collections.abc import Callable


class Parser(argparse.ArgumentParser):
    """An argparse parser that raises ValueError where argparse prints its usage and exits."""

    def error(self, message: str):
        """Argparse calls this with what is wrong."""
        raise ValueError(f"{message}; --help lists what there is")


def answered(act: Callable[[], str], *, stopped: str) -> int:
    """Carry out a command and print what it says; returns the exit status.

    Args:
        act: returns one sentence; a ValueError or OSError is a mistake, whose sentence goes to
            stderr, with status 2.
        stopped: what is said after Ctrl-C, with status 130.
    """
    try:
        print(act())
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"stopped; {stopped}", file=sys.stderr)
        return 130
    return 0
