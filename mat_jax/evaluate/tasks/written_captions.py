"""What a captioner writes of many pictures, and COCO's scores of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mat_jax.evaluate.captions import caption_scores, meteor, spice
from mat_jax.evaluate.tasks.base import Victim
from mat_jax.evaluate.writing import Writing
from mat_jax.models import BLIPCaptioner, generation
from mat_jax.models.features import rows
from mat_jax.types.arrays import ImageFeatures
from mat_jax.types.protocols import ReadsCaptions

AT_ONCE = 32  # pictures


def written(victim: Victim, images: object, writing: Writing) -> list[str]:
    """The caption of each picture, without the prompt: one compiled call for 32 of them.

    Args:
        victim: a captioner with its tokenizer.
        images: its features of all pictures.
        writing: how it decodes.
    """
    model, tokenizer = victim.model, victim.tokenizer
    assert isinstance(model, BLIPCaptioner) and isinstance(images, ImageFeatures)
    assert isinstance(tokenizer, ReadsCaptions)
    prompt = tuple(i for word in writing.prompt.split() for i in tokenizer.parts(word))
    sizes = {"min_length": writing.min_length, "max_length": writing.max_length}
    count = len(images.tokens)
    found: list[str] = []
    for first in range(0, count, AT_ONCE):
        # Batches have one shape: the last is filled up from the front.
        here = rows(images, np.arange(first, first + AT_ONCE) % count)
        if writing.beams == 1:
            ids = generation.greedy(model, here, prompt=prompt, **sizes)
        else:
            ids = generation.beam_search(model, here, beams=writing.beams, prompt=prompt, **sizes)
        found += tokenizer.captions(np.asarray(ids)[:, 1 + len(prompt) :])
    return found[:count]


def coco_figures(
    captions: Sequence[str], references: Sequence[Sequence[str]], writing: Writing
) -> Mapping[str, float]:
    """COCO's figures by name, times 100 as papers print them; METEOR and SPICE where asked for."""
    found = caption_scores(captions, references).figures
    if writing.meteor is not None:
        found["METEOR"] = meteor(captions, references, folder=Path(writing.meteor))
    if writing.spice is not None:
        found["SPICE"] = spice(captions, references, folder=Path(writing.spice))
    return {name: 100 * value for name, value in found.items()}
