"""The scores of captions that need no other program: BLEU, ROUGE-L and CIDEr-D."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from mat_jax.evaluate.captions.bleu import bleu_scores
from mat_jax.evaluate.captions.cider_d import cider_d_scores
from mat_jax.evaluate.captions.ptb import ptb_tokens
from mat_jax.evaluate.captions.rouge_l import rouge_l_score


class CaptionScores(NamedTuple):
    """How near captions are to those of people.

    Attributes:
        bleu: BLEU-1 to BLEU-4 of all captions together, each 0 to 1.
        rouge_l: of each picture, 0 to 1.
        cider_d: of each picture, 0 to 10.
    """

    bleu: tuple[float, ...]
    rouge_l: Float[np.ndarray, " pictures"]
    cider_d: Float[np.ndarray, " pictures"]

    @property
    def figures(self) -> dict[str, float]:
        """COCO's figures by name; tables of papers print them times 100."""
        named = {f"BLEU-{n}": value for n, value in enumerate(self.bleu, 1)}
        means = {"ROUGE-L": self.rouge_l.mean(), "CIDEr-D": self.cider_d.mean()}
        return named | {name: float(value) for name, value in means.items()}


def caption_scores(written: Sequence[str], references: Sequence[Sequence[str]]) -> CaptionScores:
    """BLEU, ROUGE-L and CIDEr-D as coco-caption computes them, on PTB's words.

    Args:
        written: one caption a picture.
        references: the captions of people, at least one a picture. CIDEr-D counts over all of them
            what is rare, so its values are those of this set of pictures.

    Raises:
        ValueError: no pictures, or one without references.
    """
    if not written or len(written) != len(references):
        raise ValueError(
            f"{len(written)} captions and references of {len(references)} pictures: expected one "
            "caption a picture, and at least one picture"
        )
    for row, people in enumerate(references):
        if not people:
            raise ValueError(
                f"picture {row} has no reference, expected at least one: leave the picture out"
            )
    words = [ptb_tokens(text) for text in written]
    people = [[ptb_tokens(text) for text in texts] for texts in references]
    each = [rouge_l_score(own, texts) for own, texts in zip(words, people, strict=True)]
    return CaptionScores(bleu_scores(words, people), np.array(each), cider_d_scores(words, people))
