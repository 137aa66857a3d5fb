"""One attack on a few pictures with their captions: what it made, and what the model says of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, UInt8

from mat_jax.attacks import ATTACKS, as_bytes
from mat_jax.attacks.cost import passes
from mat_jax.evaluate.config import Evaluation
from mat_jax.evaluate.gallery import Bench
from mat_jax.evaluate.protocol import check_request
from mat_jax.evaluate.runner import prepare
from mat_jax.evaluate.tasks.base import Victim
from mat_jax.evaluate.tasks.registry import task_named
from mat_jax.models.features import encode_images, encode_texts
from mat_jax.types.protocols import SizedModel, Tokenizer


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Pictures and captions before and after an attack, and their cosines under the model.

    Attributes:
        clean, adversarial: [pictures, height, width, 3] as the model takes them, whole grey
            levels; the second ones are within eps of the first.
        before, after: the captions of all pictures, then those that are only told apart from them.
        owner: [captions] the picture of each, -1 for one of none.
        cosines_before, cosines_after: [pictures, captions] of pictures and captions at one time.
    """

    clean: UInt8[np.ndarray, "pictures height width 3"]
    adversarial: UInt8[np.ndarray, "pictures height width 3"]
    before: tuple[str, ...]
    after: tuple[str, ...]
    owner: Int[np.ndarray, " captions"]
    cosines_before: Float[np.ndarray, "pictures captions"]
    cosines_after: Float[np.ndarray, "pictures captions"]

    def own(self, picture: int) -> Int[np.ndarray, " own"]:
        """Which captions are a picture's."""
        return np.flatnonzero(self.owner == picture)

    def of_own(self, cosines: np.ndarray) -> Float[np.ndarray, " pictures"]:
        """[pictures] the mean cosine of each with its captions."""
        return np.array([cosines[n, self.own(n)].mean() for n in range(len(cosines))])

    def rank(self, cosines: np.ndarray, picture: int) -> int:
        """The place of a picture's nearest caption among all; a tie counts against the model."""
        row = cosines[picture]
        best = row[self.own(picture)].max()
        return 1 + int(np.sum(row[self.owner != picture] >= best))

    @property
    def told_apart(self) -> bool:
        """Whether there are captions that are not a picture's own."""
        return len(self.clean) > 1 or bool(np.any(self.owner < 0))


def bench_of(
    evaluation: Evaluation, model: SizedModel, tokenizer: Tokenizer, *, quiet: bool
) -> Bench:
    """All that an attack needs; what cannot be asked is refused.

    Raises:
        ValueError: in one sentence.
    """
    task = task_named(evaluation.task)
    task.require(model, "the model")
    victim = prepare(evaluation, model, tokenizer, quiet=quiet)
    check_request(evaluation.names, task, model, victim.examples, evaluation.threats)
    bench = Bench(evaluation=evaluation, task=task, crafter=victim, targets=(victim,), quiet=quiet)
    count = min(evaluation.batch_size or 32, len(victim.examples))
    return replace(bench, evaluation=replace(evaluation, batch_size=count))


def cost_of(bench: Bench, attack: str) -> str:
    """What an attack will take, in passes, in one line."""
    examples, (threat,) = bench.examples, bench.evaluation.threats
    captions = len(examples.texts) / len(examples)
    each = passes(attack, threat, captions=captions, open_words=examples.open_words)
    whole = [round(len(examples) * count) for count in each]
    return (
        f"{ATTACKS[attack].title} on {len(examples)} picture(s) with {len(examples.texts)} "
        f"caption(s): {whole[0]:,} forward and {whole[1]:,} backward passes of the image encoder, "
        f"about {whole[2]:,} of the text encoder"
    )


def crafted(bench: Bench, attack: str, among: Sequence[str] = ()) -> Outcome:
    """Attack all pictures and captions, write the pictures down in 8 bits, and look at them again.

    Args:
        bench: from `bench_of`.
        attack: its name.
        among: further captions, which are not attacked and belong to no picture.
    """
    victim, (threat,) = bench.crafter, bench.evaluation.threats
    count = len(victim.examples)
    points = bench.craft(attack, threat).points[0]
    clean = np.stack([victim.examples.image(n) for n in range(count)])
    moved = np.stack([points.pictures[n] for n in range(count)])
    # An attack that leaves pictures alone hands them back; so the file is the clean one.
    adv = as_bytes(clean, moved, eps=threat.eps, norm=threat.norm)
    before, after = (*victim.examples.texts, *among), (*points.captions.tolist(), *among)
    return Outcome(
        clean=clean,
        adversarial=adv,
        before=before,
        after=after,
        owner=np.concatenate([victim.examples.text_owner, np.full(len(among), -1)]),
        cosines_before=_cosines(victim, clean, before, bench.batch_size),
        cosines_after=_cosines(victim, adv, after, bench.batch_size),
    )


def _cosines(
    victim: Victim, pictures: np.ndarray, texts: Sequence[str], batch_size: int
) -> np.ndarray:
    """[pictures, texts] cosines under the model, the pictures in batches of one size."""
    found = []
    for first in range(0, len(pictures), batch_size):
        here = np.arange(first, first + batch_size) % len(pictures)
        found.append(encode_images(victim.model, pictures[here] / np.float32(255)).unit)
    images = np.concatenate(found)[: len(pictures)]
    return images @ encode_texts(victim.model, victim.tokenizer, list(texts)).unit.T
