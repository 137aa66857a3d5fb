"""Examples under attack: crafted on one model, seen and scored by that model or by others."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mat_jax.attacks import ATTACKS, Gallery, ThreatModel, compile_attack
from mat_jax.data import SentenceEncoder
from mat_jax.evaluate.checks.preconditions import computes_in
from mat_jax.evaluate.config import Evaluation
from mat_jax.evaluate.crafted import Crafted, count_reread, gathered, seen_by
from mat_jax.evaluate.failures import failing
from mat_jax.evaluate.invariants import verify
from mat_jax.evaluate.piece_files import Piece, given_to_all, load_piece, save_piece
from mat_jax.evaluate.points import Points
from mat_jax.evaluate.protocol import protocol_of
from mat_jax.evaluate.ranks import Ranks
from mat_jax.evaluate.results import Row, Sights, eps_text
from mat_jax.evaluate.shelf import Shelf
from mat_jax.evaluate.sights import sights_of
from mat_jax.evaluate.store import Store
from mat_jax.evaluate.tasks.base import Examples, HasAims, Task, Victim
from mat_jax.evaluate.views import View, views_of
from mat_jax.models.features import encode_images, encode_texts
from mat_jax.types.arrays import Adversarial
from mat_jax.utils import processes
from mat_jax.utils.progress import Progress
from mat_jax.utils.room import room_for


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What all rows of one evaluation share. The crafter is the only target, or a surrogate.

    Attributes:
        evaluation: what is asked.
        task: of the examples.
        crafter: the model that attacks are made on.
        targets: the models that they are measured on.
        encoder: judges how alike attacked texts are to the clean ones; None gives no figure.
        store: keeps what is finished; None keeps nothing.
        quiet: no progress line.
    """

    evaluation: Evaluation
    task: Task
    crafter: Victim
    targets: tuple[Victim, ...]
    encoder: SentenceEncoder | None = None
    store: Store | None = None
    quiet: bool = False

    @property
    def examples(self) -> Examples:
        """Those that are attacked."""
        return self.crafter.examples

    @property
    def batch_size(self) -> int:
        """Examples attacked at once."""
        return min(self.evaluation.batch_size or 32, len(self.examples))

    @property
    def owner(self) -> np.ndarray:
        """[texts] row of the example of each text."""
        return self.examples.text_owner

    @cached_property
    def places(self) -> list[int]:
        """Rows of the examples that the report shows."""
        count = len(self.examples)
        spaced = np.linspace(0, count - 1, min(self.evaluation.shown, count)).astype(int)
        return [int(i) for i in np.unique(spaced)]

    @cached_property
    def shelf(self) -> Shelf:
        """Small pictures of what is attacked, until it is known which examples fail."""
        return Shelf.on(self.store)

    @cached_property
    def clean(self) -> list[str]:
        """All texts of the examples as a tokenizer reads them."""
        return self.examples.texts

    @cached_property
    def characters(self) -> Examples:
        """The examples with typing errors instead of substitutes, for attacks that want them."""
        return self.examples.with_characters(self.crafter.tokenizer)

    @cached_property
    def gallery(self) -> Gallery:
        """The clean examples as the crafter sees them, for attacks that ask what is lost."""
        model, tokenizer, examples = self.crafter
        found = []
        for first in range(0, len(examples), self.batch_size):
            batch = examples.batch(np.arange(first, first + self.batch_size) % len(examples))
            found.append((batch.ids, encode_images(model, np.asarray(batch.images)).unit))
        ids, images = (np.concatenate(part)[: len(examples)] for part in zip(*found, strict=True))
        texts = encode_texts(model, tokenizer, self.clean).unit
        beyond = np.int32(self.evaluation.stop_beyond or 0)
        parts = images, texts, ids, ids[self.owner], beyond
        return Gallery(*map(jnp.asarray, parts))

    def measure(self, attack: str, threat: ThreatModel) -> list[tuple[Row, Points]]:
        """One attack over all examples, as each target finds it."""
        start = time.perf_counter()
        crafted = self.craft(attack, threat)
        made = time.perf_counter() - start
        on_images = ATTACKS[attack].on_images
        preset = self.evaluation.preset
        measured = []
        for target, points in zip(self.targets, crafted.points, strict=True):
            start = time.perf_counter()
            captions, ranks = tuple(points.captions), self.ranks(target, points)
            row = Row(
                attack=attack,
                eps=threat.eps if on_images else None,
                protocol=protocol_of(attack, threat, preset, len(self.examples), crafted.passes),
                ranks=ranks,
                rounded=self.ranks(target, rounded(points)) if on_images else None,
                captions=captions,
                changed=self.changed(captions),
                language=self.examples.language(captions, self.encoder),
                checks=dict(crafted.checks),
                sights=self.sights(target, points, ranks),
                views=self.views(target, points, ranks, failing(ranks), attack),
                seconds=made + time.perf_counter() - start,
                depths=self.depths([attack]),
            )
            measured.append((row, points))
        return measured

    def depths(self, attacks: Sequence[str]) -> tuple[int, ...]:
        """The k that the figures are as attacked for, of attacks each run on all examples.

        One that leaves an image with `stop_beyond` clean others before the right answer says
        nothing of k near that: half of it is room for what the attacked gallery gives back.
        """
        beyond = self.evaluation.stop_beyond
        if not beyond or not any(ATTACKS[attack].stops for attack in attacks):
            return self.task.depths
        return tuple(k for k in self.task.depths if k == 1 or 2 * k <= beyond)

    def label(self, attack: str, threat: ThreatModel) -> str:
        """The folder of an attack's batches in the store."""
        on_images = ATTACKS[attack].on_images
        return _file_name(f"{attack} {eps_text(threat.eps)}" if on_images else attack)

    def craft(
        self,
        attack: str,
        threat: ThreatModel,
        asked: np.ndarray | None = None,
        *,
        label: str | None = None,
        resized: bool = False,
    ) -> Crafted:
        """Attack examples, and let every target see them.

        Batches have one shape: the last is filled up with examples that were not asked for. What
        an attack does to an image does not depend on them, save those attacks that say so. With a
        store, batches that were finished before are read from it. Several processes attack a batch
        each in turn, and all of them have all batches in the end.

        Args:
            attack: name in `attacks.ATTACKS`.
            threat: what it may do.
            asked: rows of the examples, rising; None for all.
            label: of the progress line, and of the store's folder.
            resized: other targets see the crafter's pictures at their size even if the attack
                leaves pictures alone; otherwise they then see their own.

        Raises:
            Broken: see `invariants.verify`; or features that are not finite numbers.
        """
        of = ATTACKS[attack]
        examples = self.characters if of.characters else self.examples
        fn = compile_attack(
            of.function, self.crafter.model, threat=threat, preset=self.evaluation.preset
        )
        wanted = of.gallery or (of.stops and self.evaluation.stop_beyond)
        more = {"gallery": self.gallery} if wanted else {}
        aimed = examples if of.aims and isinstance(examples, HasAims) else None
        every = np.arange(len(examples))
        asked = every if asked is None else asked
        order = np.concatenate([asked, np.setdiff1d(every, asked)])
        if label is None:
            label = f"{attack} {eps_text(threat.eps)}" if of.on_images else attack
        folder = _file_name(label)
        progress = Progress(label, len(asked), quiet=self.quiet)
        if processes.count() > 1:
            processes.require_same("the examples that still stand", str(asked.tolist()))
        own_pieces: dict[int, Piece] = {}
        starts = range(0, len(asked), self.batch_size)
        with self._work(label, progress, len(asked)):
            for first in starts[processes.index() :: processes.count()]:
                here = np.resize(np.roll(order, -first), self.batch_size)
                size = min(self.batch_size, len(asked) - first)
                name = f"{folder}/{first}"
                piece = load_piece(self.store, name, here[:size], len(self.targets))
                if piece is None:
                    checks: dict[str, Any] = {}
                    batch = examples.batch(here)
                    key = jax.random.key(self.evaluation.seed)
                    aims = {"aims": aimed.aims(here)} if aimed else {}
                    adv: Adversarial = jax.device_get(fn(batch, key, **more, **aims))
                    verify(attack, batch, adv, threat, size, checks)
                    strings = examples.attacked_texts(here[:size], adv, first=first == 0)
                    count_reread(self.crafter, strings, adv, checks)
                    own = not (of.on_images or resized)
                    piece = seen_by(
                        self.targets,
                        self.crafter,
                        adv,
                        here[:size],
                        strings,
                        checks,
                        own=here if own else None,
                        moved=of.on_images,
                        shown=self.places,
                    )
                    if of.on_images and self.places:
                        before, after = (np.asarray(x.images)[:size] for x in (batch, adv))
                        eps = threat.eps if threat.norm == "linf" else None
                        self.shelf.put(name, attack, here[:size], before, after, eps=eps)
                    save_piece(self.store, name, here[:size], piece)
                own_pieces[first] = piece
                progress.show(min(first + self.batch_size * processes.count(), len(asked)))
        pieces = [
            given_to_all(own_pieces.get(first), number % processes.count(), len(self.targets))
            for number, first in enumerate(starts)
        ]
        batches = [f"{folder}/{first}" if of.on_images else "" for first in starts]
        sketched = np.repeat(np.array(batches, object), self.batch_size)[: len(asked)]
        return gathered(self.task, self.targets, attack, pieces, sketched)

    @property
    def smaller(self) -> tuple[str, ...]:
        """Settings with which less memory is needed."""
        half, evaluation = self.batch_size // 2, self.evaluation
        found = [f"a batch_size of {half} (--batch-size {half})"] if half else []
        if computes_in(self.crafter.model) != "bfloat16":
            found.append("bfloat16 (--dtype bfloat16)")
        if self.examples.has_words and evaluation.candidates > 1:
            few = evaluation.candidates // 2
            found.append(f"{few} candidates of a word (--candidates {few})")
        return tuple(found)

    @contextmanager
    def _work(self, label: str, progress: Progress, total: int) -> Iterator[None]:
        """Inside, memory that is full and an interruption say where it was."""
        with room_for(f"the attack {label}", *self.smaller):
            try:
                yield
            except KeyboardInterrupt:
                where = f"in {label}, with {progress.done} of {total} done"
                raise KeyboardInterrupt(where) from None

    def ranks(self, target: Victim, points: Points) -> Ranks:
        """How the queries of the task come out."""
        return self.task.score(target, points, self.evaluation)

    def changed(self, captions: Sequence[str]) -> float:
        """The share of the texts that are not the clean ones."""
        return float(np.mean([a != b for a, b in zip(captions, self.clean, strict=True)]))

    def sights(self, target: Victim, points: Points, ranks: Ranks) -> Sights:
        """What the report shows of a target."""
        return sights_of(self.task, target, points, ranks, self.places)

    def views(
        self, target: Victim, points: Points, ranks: Ranks, failed: Sequence[int], attack: str = ""
    ) -> dict[int, View]:
        """How failures look to a target, see `views.views_of`; none where no picture is shown."""
        if attack == "none" or not self.places:
            return {}
        return views_of(self.task, target, points, ranks, failed, self.shelf, attack=attack)


def _file_name(label: str) -> str:
    return label.replace("/", "-").replace(" ", "_").replace(":", "")


def rounded(points: Points) -> Points:
    """The points with the pictures rounded to 8 bits."""
    return points._replace(images=points.rounded)
