"""Train in stages: small images and few PGD steps first, then full size for a short time.

python -m experiments.staged --out DIR \\
    --stage FILE [NAME=VALUE ...] --stage FILE [NAME=VALUE ...] [-- --mesh data=4,fsdp=2]

A stage is an experiment file with its settings. Each but the first gets `model=`, the export of the
one before; `models.Pretrained(model, image_size=...)` interpolates its positions. What is done is
not done again: after a stop the same command goes on, within a stage from its last checkpoint. What
follows `--` goes to each training. `DIR/N-NAME` has stage N.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.staged.stages import Recipe, Stage, carry_out
from mat_jax.utils.command_line import Parser, answered
from mat_jax.utils.files import writable


def parser() -> Parser:
    """The command line."""
    line = Parser(
        prog="python -m experiments.staged",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    line.add_argument(
        "--stage",
        nargs="+",
        action="append",
        required=True,
        metavar=("FILE", "NAME=VALUE"),
        help="an experiment file and its settings; once for each stage, in order",
    )
    line.add_argument("--out", type=Path, required=True, help="the folder of all that is written")
    return line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; a mistake is one sentence and status 2."""
    return answered(lambda: _run(arguments), stopped="the same command goes on")


def _run(arguments: Sequence[str] | None) -> str:
    given = list(sys.argv[1:] if arguments is None else arguments)
    cut = given.index("--") if "--" in given else len(given)
    asked = parser().parse_args(given[:cut])
    stages = tuple(
        Stage(config=Path(file), settings=tuple(settings)) for file, *settings in asked.stage
    )
    writable(asked.out)
    recipe = Recipe(stages=stages, out=asked.out)
    carry_out(recipe, given[cut + 1 :])
    return f"the model of all stages: {recipe.export}"


if __name__ == "__main__":
    sys.exit(main())
