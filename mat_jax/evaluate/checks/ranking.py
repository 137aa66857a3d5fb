"""Whether ranks are what they should be: taken once more in another way, and compared."""

import numpy as np
from jaxtyping import Bool, Float, Int

from mat_jax.evaluate.checks.sample import TIE, Sample, judged
from mat_jax.evaluate.results import Check
from mat_jax.evaluate.tasks.cosine_ranks import DEPTHS, rank


def check_ranking(sample: Sample) -> Check:
    """R@k of the sample by cosine, without attack, against a plain sort of all scores.

    Text retrieval of its images among all its captions, image retrieval of its images' captions.
    """
    own = sample.right.any(axis=0)
    images, texts = sample.groups, sample.text_groups
    measured = (
        rank(sample.clean, sample.texts, images, texts, tie=TIE)[0],
        rank(sample.texts[own], sample.clean, texts[own], images, tie=TIE)[0],
    )
    scores = sample.clean.astype(np.float64) @ sample.texts.astype(np.float64).T
    plain = places(scores, sample.right), places(scores.T[own], sample.right.T[own])
    told = [[100 * float(np.mean(found <= k)) for k in DEPTHS] for found in plain]
    apart = sum(int((a != b).sum()) for a, b in zip(measured, plain, strict=True))
    at = "R@" + "/".join(map(str, DEPTHS))
    said = ", ".join(
        f"{what} {at} {'/'.join(f'{value:.1f}' for value in values)}"
        for what, values in zip(("texts", "images"), told, strict=True)
    )
    end = "."
    if apart:
        end = f"; {apart} queries have another rank as measured, so ranks or owners are wrong."
    gallery = f"{len(sample)} pictures among {len(sample.texts)} captions"
    said = f"Sorting all cosines of {gallery} gives {said}{end}"
    return judged("clean ranks", not apart, said, texts=told[0], images=told[1], apart=apart)


def places(
    scores: Float[np.ndarray, "queries gallery"], own: Bool[np.ndarray, "queries gallery"]
) -> Int[np.ndarray, " queries"]:
    """Of each query the place of its best own answer, from 1, when all are sorted.

    What is within `TIE` of an own answer comes before it: own ones count so much less.
    """
    order = np.lexsort((own, np.where(own, TIE, 0.0) - scores))
    return 1 + np.take_along_axis(own, order, axis=1).argmax(axis=1)
