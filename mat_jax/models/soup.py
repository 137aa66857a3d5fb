r"""The mean of several models' weights, which started from the same ones: a model soup.

python -m mat_jax.models.soup runs/mat-0/export runs/mat-1/export runs/mat_plus/export --out soup

$$\bar w = \frac1n \sum_{k=1}^n w_k$$

Fine-tuned models that share their first weights lie in one basin, and their mean is often better
than each of them, at the cost of one at test time (Wortsman et al. 2022, "Model soups", uniform
soup; of robust models Croce et al. 2023, "Seasoning model soups"). The folder that is written is
whole or not at all, in the layout of the first model.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from mat_jax import models
from mat_jax.utils.command_line import Parser, answered


def average_models(ingredients: Sequence[Any]) -> Any:
    """A model with the mean of the weights of others, the scale of the logits among them.

    Args:
        ingredients: models of one configuration, two or more; they stay as they are.

    Raises:
        ValueError: fewer than two, or models of different configurations.
    """
    if len(ingredients) < 2:
        raise ValueError(f"{len(ingredients)} model given: a mean of weights needs two or more")
    first = ingredients[0]
    for number, other in enumerate(ingredients[1:], 2):
        if type(other) is not type(first) or other.config != first.config:
            raise ValueError(
                f"model {number}, a {type(other).__name__}, has another configuration than "
                f"model 1, a {type(first).__name__}: average models with the same first weights"
            )
    states = [nnx.state(model) for model in ingredients]

    def mean(*leaves: Any) -> Any:
        if not jnp.issubdtype(leaves[0].dtype, jnp.floating):
            return leaves[0]
        whole = jnp.mean(jnp.stack([leaf.astype(jnp.float32) for leaf in leaves]), axis=0)
        return whole.astype(leaves[0].dtype)

    return nnx.merge(nnx.graphdef(first), jax.tree.map(mean, *states))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit status; a mistake is one sentence and status 2."""

    def mixed() -> str:
        given = _parser().parse_args(arguments)
        loaded = [models.load(name) for name in given.models]
        models.save(average_models([model for model, _ in loaded]), loaded[0][1], given.out)
        return f"{given.out}: the mean of {len(loaded)} models"

    return answered(mixed, stopped="nothing was written")


def _parser() -> Parser:
    parser = Parser(
        prog="python -m mat_jax.models.soup",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("models", nargs="+", metavar="MODEL", help="folder, shipped name or hub id")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="to be written")
    return parser


if __name__ == "__main__":
    sys.exit(main())
