"""A command line whose mistakes are one sentence, as all mistakes here are."""

import argparse


class Parser(argparse.ArgumentParser):
    """An argparse parser that raises ValueError where argparse prints its usage and exits."""

    def error(self, message: str):
        """Argparse calls this with what is wrong."""
        raise ValueError(f"{message}; --help lists what there is")
