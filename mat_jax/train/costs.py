"""What a run will cost, said before its first step: passes of both towers."""

from mat_jax.data import Corpus
from mat_jax.defenses.cost import passes
from mat_jax.train.experiment import Experiment


def cost_line(experiment: Experiment, corpus: Corpus) -> str:
    """All steps and their passes; of a defence that nobody has counted, the steps.

    Args:
        experiment: what runs.
        corpus: what it trains on.
    """
    steps, size = experiment.steps, experiment.batch_size
    said = f"{steps:,} steps of {size:,}"
    try:
        each = passes(experiment.defense, batch_size=size, captions=corpus.caption_count)
    except ValueError:
        counted = ""
    else:
        back = each.image_backwards + each.image_updates
        more = each.text_backwards + each.text_updates
        numbers = (
            round(steps * size * x) for x in (each.image_forwards, back, each.text_forwards, more)
        )
        counted = (
            ": about {:,} forward and {:,} backward passes of the image encoder, {:,} and {:,} of "
            "the text encoder"
        ).format(*numbers)
    return f"cost: {said}{counted}; the time that is left is known after the first step"
