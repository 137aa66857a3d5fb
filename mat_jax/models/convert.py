"""Convert a model to the layout that transformers and mat_jax read.

python -m mat_jax.convert ViT-B-16.pt clip-vit-base-patch16 --tokenizer DIR
python -m mat_jax.convert SRC DST --image-size 384
python -m mat_jax.convert open_clip_pytorch_model.bin DST --tokenizer DIR --activation gelu

SRC is a folder, a shipped name, a hub id or a file of weights (.pt, .pth, .bin, .safetensors). DST
becomes a folder of config.json, model.safetensors and the tokenizer, whole or not at all.
"""

import argparse
import sys
import typing
from collections.abc import Sequence
from pathlib import Path

import jax
from flax import nnx

from mat_jax import models
from mat_jax.models.formats.sizes import Activation
from mat_jax.utils.command_line import Parser, answered


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit status; a mistake is one sentence and status 2."""

    def converted() -> str:
        given = _parser().parse_args(arguments)
        model, tokenizer = models.load(
            given.source,
            image_size=given.image_size,
            tokenizer=given.tokenizer,
            activation=given.activation,
        )
        models.save(model, tokenizer, given.destination, dtype=given.dtype)
        weights = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model)))
        return f"{given.destination}: {type(model).__name__} of {weights:,} weights"

    return answered(converted, stopped="nothing was written")


def _parser() -> Parser:
    parser = Parser(
        prog="python -m mat_jax.models.convert",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("source", metavar="SRC", help="folder, shipped name, hub id or file of weights")
    add("destination", metavar="DST", type=Path, help="folder to be written")
    add("--tokenizer", metavar="DIR", help="folder of the tokenizer, if it is not with SRC")
    add("--dtype", choices=("float32", "float16"), default="float32", help="of the weights")
    add(
        "--activation",
        choices=typing.get_args(Activation),
        help="of a CLIP whose files do not say it: gelu for open_clip's, quick_gelu for OpenAI's",
    )
    add("--image-size", type=int, help="pixels along a side; positions are interpolated")
    return parser


if __name__ == "__main__":
    sys.exit(main())
