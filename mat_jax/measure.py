"""Attack a model over a whole gallery and measure what retrieval is left."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mat_jax import attacks as suite
from mat_jax.attacks import ThreatModel
from mat_jax.checks import after, before
from mat_jax.checks.preconditions import computes_in
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
from mat_jax.evaluation import ATTACKS
from mat_jax.findings import findings
from mat_jax.invariants import Broken, verify
from mat_jax.language import language_of
from mat_jax.progress import Progress
from mat_jax.protocol import check_request, protocol_of, versions
from mat_jax.records import Adversarial, Batch
from mat_jax.results import Result, Row, Sights, eps_text
from mat_jax.tasks.reranking import reranked
from mat_jax.tasks.retrieval import Ranks, nearest, retrieval_ranks


class Victim(NamedTuple):
    """A model with what it reads: its tokenizer, and the gallery at its image size."""

    model: nnx.Module
    tokenizer: Any
    corpus: Corpus


def evaluate(
    model: nnx.Module,
    corpus: Corpus,
    *,
    tokenizer: Any,
    threat: ThreatModel | Sequence[ThreatModel],
    attacks: Sequence[str] = ATTACKS,
    preset: str = "strict",
    batch_size: int = 32,
    shortlist: int = 128,
    seed: int = 0,
    name: str = "model",
    surrogate: Victim | None = None,
    protocol: Mapping[str, Any] | None = None,
    encoder: SentenceEncoder | None = None,
    shown: int = 4,
    checks: int = 16,
    quiet: bool = False,
) -> Result:
    """Measure retrieval clean and under attacks, over all images and captions of a corpus.

    For each attack, every image with all its captions is attacked, and then both sides are
    adversarial: attacked images and attacked captions are queries and gallery. Attacked captions
    go as text through the tokenizer and are encoded from scratch, so nothing the attack had in
    memory counts. Ranks and ties: see `tasks.retrieval`. Attack randomness is folded from each
    image's id, so the result does not depend on `batch_size`.

    Args:
        model: what is measured.
        corpus: the gallery, with its candidate table if text is attacked.
        tokenizer: the model's own.
        threat: what the adversary may do; several make several rows of every image attack.
        attacks: names from `attacks.SUITE`; the clean measurement is always made.
        preset: "strict" or "official", see `attacks`.
        batch_size: images attacked at once.
        shortlist: how many a model that matches pairs puts in order, see `tasks.reranking`.
        seed: of all random starts, and of the bootstrap.
        name: of the model in tables.
        surrogate: craft on this model instead, and transfer: images are resized to the model's
            size where it differs, captions are read by the model's tokenizer.
        protocol: further facts to be written beside every number.
        encoder: judges how similar attacked captions are to the clean ones; None for no figure.
        shown: how many images the report shows, evenly spaced in the gallery.
        checks: images on which `mat_jax.checks` looks at model and attack first; 0 for none.
        quiet: no progress line.

    Raises:
        ValueError: an unknown attack, or a text attack without candidates.
        Broken: what `mat_jax.checks` cannot go on with, an attacked image outside its ball or the
            unit cube, a caption over its budget of words, or anything that is not a finite number.
    """
    threats = (threat,) if isinstance(threat, ThreatModel) else tuple(threat)
    target = Victim(model, tokenizer, corpus)
    bench = Bench(
        surrogate or target, target, preset, batch_size, shortlist, seed, shown, quiet, encoder
    )
    names = list(dict.fromkeys(("none", *attacks)))
    check_request(names, bench.crafter.model, bench.crafter.corpus, threats)
    found = before(
        bench.crafter.model,
        bench.crafter.corpus,
        threats=threats,
        attacks=names,
        target=None if surrogate is None else (model, corpus),
        count=checks,
        seed=seed,
        quiet=quiet,
    )
    rows = []
    for attack in names:
        # Without an image attack eps says nothing, and one measurement serves every table.
        for each in threats if suite.SUITE[attack].on_images else threats[:1]:
            rows.append(bench.measure(attack, each))
    seen = {int(i) for row in rows if row.sights for i in row.sights.pictures.ravel()} | set(
        bench.places
    )
    flags, notes = findings(rows, corpus.texts)
    return Result(
        model=name,
        protocol={
            "model": name,
            "gallery": corpus.name,
            "images": len(corpus),
            "captions": len(bench.owner),
            "adversarial": "queries and gallery, images and captions",
            "crafted_on": "the model itself" if surrogate is None else "a surrogate",
            "preset": preset,
            "dtype": computes_in(model),
            "score": f"matching head, of the first {shortlist} by cosine"
            if matches_pairs(model)
            else "cosine",
            "interval": "95 %",
            "ties": "against the model",
            "batch_size": batch_size,
            "seed": seed,
            "device": jax.devices()[0].device_kind,
            "versions": versions(),
            **(protocol or {}),
        },
        rows=tuple(rows),
        flags=flags,
        notes=notes,
        checks=(*found, *after(rows)),
        shown=tuple(bench.places),
        thumbnails={i: corpus.image(i) for i in sorted(seen)},
    )


@dataclass(frozen=True)
class Bench:
    """What all rows of one evaluation share. The crafter is the target, or its surrogate."""

    crafter: Victim
    target: Victim
    preset: str
    batch_size: int
    shortlist: int
    seed: int
    shown: int
    quiet: bool
    encoder: SentenceEncoder | None = None

    @cached_property
    def owner(self) -> np.ndarray:
        """[captions] row of the image of each caption."""
        texts = self.target.corpus.texts
        return np.repeat(np.arange(len(texts)), [len(captions) for captions in texts])

    @cached_property
    def places(self) -> list[int]:
        """Rows of the images the report shows."""
        count = len(self.target.corpus)
        spaced = np.linspace(0, count - 1, min(self.shown, count)).astype(int)
        return [int(i) for i in np.unique(spaced)]

    @cached_property
    def clean(self) -> list[str]:
        """All captions of the gallery as a tokenizer reads them."""
        return [clean_caption(text) for text in self.target.corpus.caption_list]

    @cached_property
    def characters(self) -> Corpus:
        """The gallery with character edits instead of substitutes, for attacks that want them."""
        corpus = self.crafter.corpus
        return corpus.with_words(build_characters(corpus.caption_list, self.crafter.tokenizer))

    def measure(self, attack: str, threat: ThreatModel) -> Row:
        """One attack over the whole gallery."""
        start = time.perf_counter()
        characters = suite.SUITE[attack].characters
        corpus = self.characters if characters else self.crafter.corpus
        model = self.target.model
        preset: Any = self.preset  # the attack itself refuses what it does not know
        fn = suite.compiled(
            suite.SUITE[attack].function, self.crafter.model, threat=threat, preset=preset
        )
        on_images = suite.SUITE[attack].on_images
        label = f"{attack} {eps_text(threat.eps)}" if on_images else attack
        progress = Progress(label, len(corpus), quiet=self.quiet)
        seen, rounded, pictures, texts = [], [], [], []
        checks: dict[str, Any] = {}
        for first in range(0, len(corpus), self.batch_size):
            # The last batch is filled up with the first image, so that one shape is compiled.
            places = np.arange(first, first + self.batch_size)
            size = min(self.batch_size, len(corpus) - first)
            batch = corpus.batch(np.where(places < len(corpus), places, 0))
            adv: Adversarial = jax.device_get(fn(batch, jax.random.key(self.seed)))
            verify(attack, batch, adv, threat, size, checks)
            strings = [_strings(corpus, first + b, adv, b) for b in range(size)]
            _reread(self.crafter.tokenizer, strings, adv, checks)
            images = self._seen(attack, batch, adv)
            seen.append(rows(encode_images(model, images), slice(size)))
            if on_images:
                levels = np.round(images * np.float32(255)) / np.float32(255)
                rounded.append(rows(encode_images(model, levels), slice(size)))
            pictures += [images[b] for b in range(size) if first + b in self.places]
            texts += [text for captions in strings for text in captions]
            progress.show(first + size)
        gallery = joined(seen)
        words = encode_texts(model, self.target.tokenizer, texts)
        table, spoken = gallery.unit, words.unit
        if not (np.isfinite(table).all() and np.isfinite(spoken).all()):
            raise Broken(
                f"{attack}: some features are not finite numbers; check the weights of the model"
            )
        firsts = np.searchsorted(self.owner, self.places)
        return Row(
            attack=attack,
            eps=threat.eps if on_images else None,
            protocol=protocol_of(attack, threat, len(corpus), checks.pop("passes", {})),
            ranks=self._ranks(gallery, words),
            rounded=self._ranks(joined(rounded), words) if rounded else None,
            captions=tuple(texts),
            changed=float(np.mean([a != b for a, b in zip(texts, self.clean, strict=True)])),
            language=language_of(self.target.corpus, self.clean, texts, self.encoder),
            seconds=time.perf_counter() - start,
            checks=checks,
            sights=Sights(
                images=np.stack(pictures),
                texts=np.stack([nearest(table[i], spoken) for i in self.places]),
                pictures=np.stack([nearest(spoken[i], table) for i in firsts]),
            ),
        )

    def _ranks(self, images: Encoded, texts: Encoded) -> Ranks:
        """By cosine, or as a model that matches pairs puts the nearest in order."""
        model = self.target.model
        if not matches_pairs(model):
            return retrieval_ranks(images.unit, texts.unit, self.owner)
        return reranked(
            images.unit,
            texts.unit,
            self.owner,
            lambda pairs: match_scores(model, images, texts, pairs),
            shortlist=self.shortlist,
        )

    def _seen(self, attack: str, batch: Batch, adv: Adversarial) -> np.ndarray:
        """The pictures at the size of the target."""
        if self.crafter is self.target:
            return np.asarray(adv.images)
        size = self.target.corpus.image_size
        if size == self.crafter.corpus.image_size:
            return np.asarray(adv.images)
        shape = (len(adv.images), size, size, 3)
        return np.asarray(jnp.clip(jax.image.resize(adv.images, shape, "cubic"), 0.0, 1.0))


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
