"""Draw the world from above into a folder, in RSICD's form.

python -m mat_jax.data.aerial --out FOLDER
"""

import argparse
import sys
from collections.abc import Sequence

from mat_jax.data.aerial.files import SPLITS, write_aerial
from mat_jax.utils.command_line import Parser, answered


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit status; a mistake is one sentence and status 2."""

    def written() -> str:
        given = vars(_parser().parse_args(arguments))
        folder = write_aerial(given.pop("out"), **given)
        return f"{folder}: {', '.join(f'{given[name]:,} {name}' for name in SPLITS)}"

    return answered(written, stopped="the same command begins anew")


def _parser() -> Parser:
    parser = Parser(
        prog="python -m mat_jax.data.aerial",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, count in SPLITS.items():
        parser.add_argument(f"--{name}", type=int, default=count, help=f"default: {count:,}")
    parser.add_argument("--size", type=int, default=64, help="pixels along a side")
    parser.add_argument("--wrong", type=float, default=0.1, help="share of facts drawn wrong")
    parser.add_argument("--out", required=True, help="folder, made where it is not there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
