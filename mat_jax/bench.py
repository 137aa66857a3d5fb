"""A gallery under attack: crafted on one model, seen and ranked by that model or by others."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mat_jax import attacks as suite
from mat_jax.attacks import ThreatModel
from mat_jax.attacks.threat import Preset
from mat_jax.data import Corpus, SentenceEncoder, build_characters, clean_caption
from mat_jax.encode import (
    Encoded,
    encode_images,
    encode_texts,
    joined,
    match_scores,
    matches_pairs,
    rows,
)
from mat_jax.invariants import Broken, verify
from mat_jax.language import language_of
from mat_jax.points import Points
from mat_jax.progress import Progress
from mat_jax.protocol import protocol_of
from mat_jax.records import Adversarial
from mat_jax.results import Row, Sights, eps_text
from mat_jax.tasks.reranking import reranked
from mat_jax.tasks.retrieval import DEPTHS, Ranks, nearest, retrieval_ranks


class Victim(NamedTuple):
    """A model with what it reads: its tokenizer, and the gallery at its image size."""

    model: nnx.Module
    tokenizer: Any
    corpus: Corpus


class Crafted(NamedTuple):
    """What an attack made: as each target sees it, and what was measured on the way."""

    points: tuple[Points, ...]
    checks: dict[str, Any]
    passes: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What all rows of one evaluation share. The crafter is the only target, or a surrogate."""

    crafter: Victim
    targets: tuple[Victim, ...]
    preset: Preset
    batch_size: int
    shortlist: int
    seed: int
    shown: int
    quiet: bool
    encoder: SentenceEncoder | None = None
    stop_beyond: int | None = None

    @property
    def corpus(self) -> Corpus:
        """The gallery that is attacked."""
        return self.crafter.corpus

    @cached_property
    def owner(self) -> np.ndarray:
        """[captions] row of the image of each caption."""
        texts = self.corpus.texts
        return np.repeat(np.arange(len(texts)), [len(captions) for captions in texts])

    @cached_property
    def places(self) -> list[int]:
        """Rows of the images the report shows."""
        count = len(self.corpus)
        spaced = np.linspace(0, count - 1, min(self.shown, count)).astype(int)
        return [int(i) for i in np.unique(spaced)]

    @cached_property
    def clean(self) -> list[str]:
        """All captions of the gallery as a tokenizer reads them."""
        return [clean_caption(text) for text in self.corpus.caption_list]

    @cached_property
    def characters(self) -> Corpus:
        """The gallery with character edits instead of substitutes, for attacks that want them."""
        corpus = self.corpus
        return corpus.with_words(build_characters(corpus.caption_list, self.crafter.tokenizer))

    @cached_property
    def gallery(self) -> suite.Gallery:
        """The clean gallery as the crafter sees it, for attacks that ask what is lost in it."""
        model, tokenizer, corpus = self.crafter
        found = []
        for first in range(0, len(corpus), self.batch_size):
            batch = corpus.batch(np.arange(first, first + self.batch_size) % len(corpus))
            found.append((batch.ids, encode_images(model, np.asarray(batch.images)).unit))
        ids, images = (np.concatenate(part)[: len(corpus)] for part in zip(*found, strict=True))
        texts = encode_texts(model, tokenizer, self.clean).unit
        parts = images, texts, ids, ids[self.owner], np.int32(self.stop_beyond or 0)
        return suite.Gallery(*map(jnp.asarray, parts))

    def measure(self, attack: str, threat: ThreatModel) -> list[tuple[Row, Points]]:
        """One attack over the whole gallery, as each target finds it."""
        start = time.perf_counter()
        crafted = self.craft(attack, threat)
        made = time.perf_counter() - start
        on_images = suite.SUITE[attack].on_images
        measured = []
        for target, points in zip(self.targets, crafted.points, strict=True):
            start = time.perf_counter()
            captions = tuple(points.captions)
            row = Row(
                attack=attack,
                eps=threat.eps if on_images else None,
                protocol=protocol_of(attack, threat, self.preset, len(self.corpus), crafted.passes),
                ranks=self.ranks(target, points.images, points.texts),
                rounded=self.ranks(target, points.rounded, points.texts) if on_images else None,
                captions=captions,
                changed=self.changed(captions),
                language=self.language(captions),
                checks=dict(crafted.checks),
                sights=self.sights(points),
                seconds=made + time.perf_counter() - start,
                depths=self.depths([attack]),
            )
            measured.append((row, points))
        return measured

    def depths(self, attacks: Sequence[str]) -> tuple[int, ...]:
        """The k that R@k is as attacked for, of attacks each run on all images.

        One that leaves an image with `stop_beyond` clean others before the right answer says
        nothing of k near that: half of it is room for what the attacked gallery gives back.
        """
        if not self.stop_beyond or not any(suite.SUITE[attack].stops for attack in attacks):
            return DEPTHS
        return tuple(k for k in DEPTHS if k == 1 or 2 * k <= self.stop_beyond)

    def craft(
        self,
        attack: str,
        threat: ThreatModel,
        asked: np.ndarray | None = None,
        *,
        label: str | None = None,
        resized: bool = False,
    ) -> Crafted:
        """Attack images with their captions, and let every target see them.

        Batches have one shape: the last is filled up with images that were not asked for. What an
        attack does to an image does not depend on them, save those attacks that say so.

        Args:
            attack: name in `attacks.SUITE`.
            threat: what it may do.
            asked: rows of the images, rising; None for all.
            label: of the progress line.
            resized: other targets see the crafter's pictures at their size even if the attack
                leaves pictures alone; otherwise they then see their own.

        Raises:
            Broken: see `invariants.verify`; or features that are not finite numbers.
        """
        of = suite.SUITE[attack]
        corpus = self.characters if of.characters else self.corpus
        fn = suite.compiled(of.function, self.crafter.model, threat=threat, preset=self.preset)
        wanted = of.gallery or (of.stops and self.stop_beyond)
        more = {"gallery": self.gallery} if wanted else {}
        every = np.arange(len(corpus))
        asked = every if asked is None else asked
        order = np.concatenate([asked, np.setdiff1d(every, asked)])
        if label is None:
            label = f"{attack} {eps_text(threat.eps)}" if of.on_images else attack
        progress = Progress(label, len(asked), quiet=self.quiet)
        seen: list[list[Encoded]] = [[] for _ in self.targets]
        rounded: list[list[Encoded]] = [[] for _ in self.targets]
        pictures: list[dict[int, np.ndarray]] = [{} for _ in self.targets]
        texts: list[str] = []
        checks: dict[str, Any] = {}
        for first in range(0, len(asked), self.batch_size):
            here = np.resize(np.roll(order, -first), self.batch_size)
            size = min(self.batch_size, len(asked) - first)
            batch = corpus.batch(here)
            adv: Adversarial = jax.device_get(fn(batch, jax.random.key(self.seed), **more))
            verify(attack, batch, adv, threat, size, checks)
            strings = [_strings(corpus, int(here[b]), adv, b) for b in range(size)]
            _reread(self.crafter.tokenizer, strings, adv, checks)
            texts += [text for captions in strings for text in captions]
            levels = np.round(np.asarray(adv.images) * np.float32(255)) / np.float32(255)
            for n, target in enumerate(self.targets):
                own = not (of.on_images or resized)
                images = self._as_seen(target, here, adv.images, own=own)
                seen[n].append(rows(encode_images(target.model, images), slice(size)))
                if of.on_images:
                    saved = self._as_seen(target, here, levels, own=own)
                    rounded[n].append(rows(encode_images(target.model, saved), slice(size)))
                for b in range(size):
                    if here[b] in self.places:
                        pictures[n][int(here[b])] = images[b]
            progress.show(first + size)
        found = []
        for n, target in enumerate(self.targets):
            images = joined(seen[n])
            words = encode_texts(target.model, target.tokenizer, texts, of=len(self.owner))
            if not (np.isfinite(images.unit).all() and np.isfinite(words.unit).all()):
                raise Broken(
                    f"{attack}: some features are not finite numbers; check the weights of the "
                    "model"
                )
            saved = joined(rounded[n]) if rounded[n] else images
            found.append(Points(images, saved, words, np.array(texts, object), pictures[n]))
        return Crafted(tuple(found), checks, checks.pop("passes", {}))

    def ranks(self, target: Victim, images: Encoded, texts: Encoded) -> Ranks:
        """By cosine, or as a model that matches pairs puts the nearest in order."""
        if not matches_pairs(target.model):
            return retrieval_ranks(images.unit, texts.unit, self.owner)
        return reranked(
            images.unit,
            texts.unit,
            self.owner,
            lambda pairs: match_scores(target.model, images, texts, pairs),
            shortlist=self.shortlist,
        )

    def changed(self, captions: Sequence[str]) -> float:
        """The share of the captions that are not the clean ones."""
        return float(np.mean([a != b for a, b in zip(captions, self.clean, strict=True)]))

    def language(self, captions: Sequence[str]) -> dict[str, float]:
        """How far the captions are from the clean ones."""
        return language_of(self.corpus, self.clean, captions, self.encoder)

    def sights(self, points: Points) -> Sights:
        """What the report shows of a whole gallery."""
        table, spoken = points.images.unit, points.texts.unit
        firsts = np.searchsorted(self.owner, self.places)
        return Sights(
            images=np.stack([points.pictures[i] for i in self.places]),
            texts=np.stack([nearest(table[i], spoken) for i in self.places]),
            pictures=np.stack([nearest(spoken[i], table) for i in firsts]),
        )

    def _as_seen(self, target: Victim, here: np.ndarray, images: Any, *, own: bool) -> np.ndarray:
        """The pictures at the size of a target, or its own of the same rows."""
        if target.model is self.crafter.model:
            return np.asarray(images)
        if own:
            return np.stack([target.corpus.image(int(i)) for i in here]) / np.float32(255)
        size = target.corpus.image_size
        if size == self.corpus.image_size:
            return np.asarray(images)
        shape = (len(images), size, size, 3)
        return np.asarray(jnp.clip(jax.image.resize(images, shape, "cubic"), 0.0, 1.0))


def _strings(corpus: Corpus, index: int, adv: Adversarial, b: int) -> list[str]:
    """The captions of one image as the attack left them, as text."""
    found = [clean_caption(text) for text in corpus.captions(index)]
    if adv.choice is not None:
        choice = np.asarray(adv.choice[b])
        for m in np.flatnonzero((choice[: len(found)] >= 0).any(axis=1)):
            found[m] = clean_caption(corpus.adversarial_caption(index, int(m), choice[m].tolist()))
    return found


def _reread(
    tokenizer: Any, strings: Sequence[Sequence[str]], adv: Adversarial, checks: dict[str, Any]
) -> None:
    """Count the captions whose text is tokenized otherwise than what the attack put together."""
    tokens = tokenizer([text for captions in strings for text in captions])
    used = np.concatenate([adv.tokens.ids[b, : len(c)] for b, c in enumerate(strings)])
    differ = int((np.asarray(tokens.ids) != used).any(axis=1).sum())
    checks["read_differently"] = checks.get("read_differently", 0) + differ
