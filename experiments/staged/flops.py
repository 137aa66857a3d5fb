"""What a training costs in floating-point operations, as XLA counts them in the compiled step."""

import dataclasses
from typing import Any

import jax
from flax import nnx

from mat_jax import data
from mat_jax.defenses.image_defense import ImageDefense
from mat_jax.train import mesh, state
from mat_jax.train.experiment import Experiment
from mat_jax.train.step import compile_step
from mat_jax.types.arrays import Batch


def step_flops(experiment: Experiment) -> float:
    r"""Operations of one update: all attacks, the loss, its gradient and the optimizer.

    XLA counts the body of a loop once, however often it runs. So the step is compiled with no PGD
    step and with one, which gives $c_0$ and $c_1$, and of k steps it is

    $$c_0 + k (c_1 - c_0)$$

    A word attack also has a loop, for captions that no substitute of their first word harms. It is
    in the count once.

    Args:
        experiment: its model is built, and its captions are read.

    Raises:
        ValueError: its defence has no PGD steps to count.
    """
    defense = experiment.defense
    if not isinstance(defense, ImageDefense):
        raise ValueError(f"{type(defense).__name__} has no PGD steps: count an ImageDefense")
    model, tokenizer = experiment.model.build(experiment.seed)
    source = experiment.data() if callable(experiment.data) else experiment.data
    corpus = data.Corpus.prepare(source, tokenizer, image_size=model.config.image_size)
    substitutes = experiment.substitutes if defense.words else None
    corpus = data.attackable(corpus, substitutes, tokenizer)
    batch = next(
        data.training_batches(
            corpus, batch_size=experiment.batch_size, seed=0, captions=defense.texts
        )
    )
    none, one = (
        _counted(experiment, dataclasses.replace(defense, steps=steps), model, batch)
        for steps in (0, 1)
    )
    return none + defense.steps * (one - none)


def _counted(
    experiment: Experiment, defense: ImageDefense[Any], model: nnx.Module, batch: Batch
) -> float:
    """Of the step as it is compiled, every loop's body once."""
    layout, weights = state.flatten(model)
    begin = state.create(weights, experiment.optimizer, defense.trains, 0)
    step: Any = compile_step(layout, defense, experiment.optimizer, mesh.make(1), begin)
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), (begin, batch))
    return step.lower(shapes[0], None, shapes[1]).compile().cost_analysis()["flops"]
