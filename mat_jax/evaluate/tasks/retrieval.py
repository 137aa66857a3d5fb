"""Image-text retrieval: who is found by whom, with queries and gallery both under attack."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from mat_jax import data
from mat_jax.attacks.embeddings import embed_images, embed_texts
from mat_jax.attacks.objectives import away
from mat_jax.data import Corpus, SentenceEncoder, build_characters, clean_caption
from mat_jax.evaluate.config import Evaluation
from mat_jax.evaluate.language import language_of
from mat_jax.evaluate.points import Points
from mat_jax.evaluate.ranks import Ranks
from mat_jax.evaluate.tasks.base import Few, Kind, Task, Victim, spaced
from mat_jax.evaluate.tasks.cosine_ranks import DEPTHS, retrieval_ranks
from mat_jax.evaluate.tasks.reranking import reranked
from mat_jax.models.features import match_scores, matches_pairs
from mat_jax.types.arrays import Adversarial, Batch, Tokens
from mat_jax.types.protocols import SizedModel, Tokenizer
from mat_jax.types.sources import Source


@dataclass(frozen=True, eq=False)
class Pairs:
    """Images with their captions: a corpus, as a task gives it to the runner."""

    corpus: Corpus

    @property
    def name(self) -> str:
        """Of the source."""
        return self.corpus.name

    @property
    def image_size(self) -> int:
        """Side of the pictures in pixels."""
        return self.corpus.image_size

    @cached_property
    def texts(self) -> list[str]:
        """All captions, image by image, as a tokenizer reads them."""
        return [clean_caption(text) for text in self.corpus.caption_list]

    @cached_property
    def text_owner(self) -> Int[np.ndarray, " texts"]:
        """[texts] row of the image of each caption."""
        counts = [len(captions) for captions in self.corpus.texts]
        return np.repeat(np.arange(len(counts)), counts)

    @property
    def tokens(self) -> Tokens:
        """Of all captions, without the empty one that comes last."""
        return Tokens(*(x[:-1] for x in self.corpus.tokens))

    @property
    def has_words(self) -> bool:
        """Whether the corpus has candidates."""
        return self.corpus.table is not None

    @property
    def open_words(self) -> float:
        """Words of a caption that have substitutes, on average."""
        table = self.corpus.table
        return float(np.mean(table.attackable)) if isinstance(table, data.WordTable) else 0.0

    def __len__(self) -> int:
        return len(self.corpus)

    def batch(self, rows: Int[np.ndarray, " batch"], /) -> Batch:
        """Images with all their captions."""
        return self.corpus.batch(rows)

    def image(self, row: int, /) -> UInt8[np.ndarray, "height width 3"]:
        """The pixels of one image."""
        return self.corpus.image(row)

    def attacked_texts(
        self, rows: Int[np.ndarray, " size"], adv: Adversarial, *, first: bool
    ) -> list[list[str]]:
        """The captions of each image as the attack left them."""
        return [self._of_image(int(row), adv, b) for b, row in enumerate(rows)]

    def _of_image(self, row: int, adv: Adversarial, b: int) -> list[str]:
        found = [clean_caption(text) for text in self.corpus.captions(row)]
        if adv.choice is not None:
            choice = np.asarray(adv.choice[b])
            for m in np.flatnonzero((choice[: len(found)] >= 0).any(axis=1)):
                text = self.corpus.adversarial_caption(row, int(m), choice[m].tolist())
                found[m] = clean_caption(text)
        return found

    def language(
        self, attacked: Sequence[str], encoder: SentenceEncoder | None
    ) -> dict[str, float]:
        """How far the captions are from the clean ones, and how many are still true."""
        return language_of(self.corpus, self.texts, attacked, encoder)

    def few(self, count: int, texts: int) -> Few:
        """`count` images, against the captions of `texts // captions` images."""
        corpus = self.corpus
        others = spaced(np.arange(len(corpus)), max(count, texts // corpus.caption_count))
        own = spaced(others, count)
        rows = corpus.rows[others]
        owner = np.repeat(others[:, None], rows.shape[1], axis=1)[rows >= 0]
        batch = corpus.batch(own)
        tokens = jax.tree.map(lambda x: x[rows[rows >= 0]], corpus.tokens)
        return Few(np.asarray(batch.ids), np.asarray(batch.images), own, tokens, owner)

    def with_characters(self, tokenizer: Tokenizer) -> "Pairs":
        """The same captions with typing errors in the place of substitutes."""
        table = build_characters(self.corpus.caption_list, tokenizer)
        return replace(self, corpus=self.corpus.with_words(table))


class Retrieval(Task):
    """Text retrieval (TR) and image retrieval (IR), ranked by cosine or by a matching head."""

    name = "retrieval"
    title = "Retrieval under attack"
    kinds = {"tr": Kind("TR", "text retrieval"), "ir": Kind("IR", "image retrieval")}  # noqa: RUF012
    depths = DEPTHS
    neighbours = True
    definitions = {  # noqa: RUF012
        "tr@k": "share of images with an own caption among the first k",
        "ir@k": "share of captions with their image among the first k",
    }
    explained = (
        "TR@1: share of pictures whose nearest caption is one of their own; IR@1: share of "
        "captions whose nearest picture is their own; in percent, with 95 % intervals over "
        "pictures. Lost: share of the clean TR@1 / IR@1 that is gone. Under attack, queries and "
        "gallery are all adversarial."
    )

    def prepare(
        self,
        evaluation: Evaluation,
        source: Source,
        model: SizedModel,
        tokenizer: Tokenizer,
        *,
        quiet: bool = False,
    ) -> Victim:
        """The gallery as a model reads it, with candidates if an attack changes words."""
        corpus = Corpus.prepare(
            source,
            tokenizer,
            image_size=model.config.image_size,
            fit=model.pixels.fit,
            captions_per_image=evaluation.captions_per_image,
        )
        substitutes = evaluation.substitutes if evaluation.on_text else None
        corpus = data.attackable(corpus, substitutes, tokenizer, progress=not quiet)
        return Victim(model, tokenizer, Pairs(corpus))

    def reads_together(
        self, victim: Victim, evaluation: Evaluation, *, examples: int, texts: int
    ) -> int:
        """The shortlists of both directions, where the model matches pairs; at most so many."""
        if not matches_pairs(victim.model):
            return 0
        listed = evaluation.shortlist
        return examples * min(listed, texts) + texts * min(listed, examples)

    def objective(self, model: SizedModel, batch: Batch) -> Float[Array, " batch"]:
        """`-sum_i cos(f(x), g(t_i))` over the image's own captions."""
        present = batch.present.astype(jnp.float32)[..., None]
        texts = jax.lax.stop_gradient(embed_texts(model, batch.tokens))
        return away(embed_images(model, batch.images), jnp.sum(texts * present, axis=1))

    def score(self, victim: Victim, seen: Points, evaluation: Evaluation) -> Ranks:
        """By cosine, or as a model that matches pairs puts the nearest in order."""
        owner = victim.examples.text_owner
        model = victim.model
        if not matches_pairs(model):
            return retrieval_ranks(seen.images.unit, seen.texts.unit, owner)
        return reranked(
            seen.images.unit,
            seen.texts.unit,
            owner,
            lambda pairs: match_scores(model, seen.images, seen.texts, pairs),
            shortlist=evaluation.shortlist,
        )

    def protocol(self, victim: Victim, evaluation: Evaluation) -> dict[str, object]:
        """What is ranked, and by what."""
        return {
            "captions": len(victim.examples.text_owner),
            "adversarial": "queries and gallery, images and captions",
            "score": f"matching head, of the first {evaluation.shortlist} by cosine"
            if matches_pairs(victim.model)
            else "cosine",
            "ties": "against the model",
        }

    def cautions(self, victim: Victim) -> list[str]:
        """Small galleries, and captions that stand with several images."""
        examples, found = victim.examples, []
        images, captions = len(examples), len(examples.texts)
        if images < 100:
            found.append(
                f"Only {images} images: the intervals are wide, and a small gallery is easy."
            )
        owners: dict[str, set[int]] = {}
        for text, owner in zip(examples.texts, examples.text_owner, strict=True):
            owners.setdefault(text, set()).add(int(owner))
        shared = sum(len(owners[text]) > 1 for text in examples.texts)
        if shared > captions / 100:
            found.append(
                f"{100 * shared / captions:.1f} % of the captions stand with more than one image; "
                "their image cannot be told from the words, and ties count against the model."
            )
        return found
