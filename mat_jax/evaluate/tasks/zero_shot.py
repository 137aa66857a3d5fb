"""Zero-shot classification: which of the class prompts is an image nearest to?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int, UInt8

from mat_jax import data
from mat_jax.attacks.embeddings import embed_images
from mat_jax.attacks.objectives import cross_entropy, is_class
from mat_jax.data import Corpus, SentenceEncoder, build_characters, clean_caption
from mat_jax.evaluate.config import Evaluation
from mat_jax.evaluate.points import Points
from mat_jax.evaluate.ranks import Ranks
from mat_jax.evaluate.statistics import Figures, share
from mat_jax.evaluate.tasks.base import Answers, Few, Kind, Task, Victim, spaced
from mat_jax.evaluate.tasks.class_prompts import (
    AsWritten,
    Template,
    class_weights,
    places_of,
    prompts_of,
    read_list,
)
from mat_jax.models.features import encode_texts
from mat_jax.models.specs import load_language_model
from mat_jax.types.arrays import Adversarial, Batch, ImageFeatures, TextFeatures, Tokens
from mat_jax.types.protocols import (
    HasClasses,
    HasLabels,
    ImageConfig,
    SizedModel,
    Source,
    Tokenizer,
)
from mat_jax.types.text_format import TextFormat
from mat_jax.utils import cache

TIE = 1e-6  # cosines this close count as equal, and against the model
TEMPLATE = "a photo of a {}."


class Classifier(nnx.Module):
    """An image-text model with one unit vector a class, `class_logits(x) = s f(x) W^T`.

    Attributes:
        model: the model itself.
        weights: W [classes, embed], from the class prompts.
    """

    def __init__(self, model: SizedModel, weights: Float[np.ndarray, "classes embed"]) -> None:
        self.model = model
        self.weights = nnx.Param(jnp.asarray(weights, jnp.float32))

    def class_logits(
        self, images: Float[Array, "batch height width 3"]
    ) -> Float[Array, "batch classes"]:
        """`scale cos(f(x), w_c)`, in float32."""
        scale = self.model.scale.astype(jnp.float32)
        return scale * (embed_images(self.model, images) @ self.weights[...].T)

    def encode_image(self, images: Float[Array, "batch height width 3"]) -> ImageFeatures:
        """As the model does."""
        return self.model.encode_image(images)

    def encode_text(
        self, tokens: Tokens, shift: Float[Array, "batch length width"] | None = None
    ) -> TextFeatures:
        """As the model does."""
        return self.model.encode_text(tokens, shift)

    @property
    def scale(self) -> Float[Array, ""]:
        """The model's."""
        return self.model.scale

    @property
    def config(self) -> ImageConfig:
        """The model's."""
        return self.model.config

    @property
    def pixels(self):
        """The model's way of preparing images."""
        return self.model.pixels

    @property
    def text_format(self) -> TextFormat:
        """The model's."""
        return self.model.text_format

    @text_format.setter
    def text_format(self, text_format: TextFormat) -> None:
        self.model.text_format = text_format


@dataclass(frozen=True, eq=False, kw_only=True)
class Classified:
    """Classified images, and the prompts of all classes: one row of texts for all images.

    Attributes:
        corpus: the images with their labels.
        labels: the class of each image.
        classes: their names.
        texts: the prompts, class by class, as the tokenizer reads them.
        tokens: of the prompts.
        weights: [classes, embed] what images are compared with.
        table: what may replace their words; None where no text is attacked.
    """

    corpus: Corpus
    labels: Int[np.ndarray, " images"]
    classes: tuple[str, ...]
    texts: list[str]
    tokens: Tokens
    weights: Float[np.ndarray, "classes embed"]
    table: data.WordTable | data.CharacterTable | None = None

    @property
    def name(self) -> str:
        """Of the source."""
        return self.corpus.name

    @property
    def image_size(self) -> int:
        """Side of the pictures in pixels."""
        return self.corpus.image_size

    @property
    def text_owner(self) -> Int[np.ndarray, " texts"]:
        """-1: a prompt belongs to all images."""
        return np.full(len(self.texts), -1)

    @property
    def has_words(self) -> bool:
        """Whether the prompts have candidates."""
        return self.table is not None

    @property
    def open_words(self) -> float:
        """Words of a prompt that have substitutes, on average."""
        table = self.table
        return float(np.mean(table.attackable)) if isinstance(table, data.WordTable) else 0.0

    @cached_property
    def _row(self) -> Int[np.ndarray, "1 texts"]:
        return np.arange(len(self.texts))[None]

    def __len__(self) -> int:
        return len(self.corpus)

    def batch(self, rows: Int[np.ndarray, " batch"], /) -> Batch:
        """Images with their labels, and one row of all prompts."""
        return self.corpus.batch(rows)._replace(
            tokens=jax.tree.map(lambda x: np.asarray(x)[None], self.tokens),
            present=np.ones(self._row.shape, bool),  # type: ignore[arg-type]  # numpy until sent
            words=None if self.table is None else self.table.take(self._row),
            labels=self.labels[np.asarray(rows)],  # type: ignore[arg-type]
        )

    def image(self, row: int, /) -> UInt8[np.ndarray, "height width 3"]:
        """The pixels of one image."""
        return self.corpus.image(row)

    def attacked_texts(
        self, rows: Int[np.ndarray, " size"], adv: Adversarial, *, first: bool
    ) -> list[list[str]]:
        """All prompts as the attack left them, told with the first batch."""
        if not first:
            return []
        if adv.choice is None or self.table is None:
            return [self.texts]
        choice = np.asarray(adv.choice[0])
        return [
            [
                clean_caption(self.table.caption(n, choice[n])) if (choice[n] >= 0).any() else text
                for n, text in enumerate(self.texts)
            ]
        ]

    def language(
        self, attacked: Sequence[str], encoder: SentenceEncoder | None
    ) -> dict[str, float]:
        """How alike the prompts are to the clean ones, where there is an encoder to ask."""
        if encoder is None:
            return {}
        return {"similarity": float(np.mean(encoder.cosines(self.texts, attacked)))}

    def few(self, count: int, texts: int) -> Few:
        """`count` images, against one prompt of each class with the weights of all its prompts."""
        own = spaced(np.arange(len(self)), count)
        batch = self.corpus.batch(own)
        every = len(self.texts) // len(self.classes)
        tokens = jax.tree.map(lambda x: np.asarray(x)[::every], self.tokens)
        classes = np.arange(len(self.classes))
        ids, images = np.asarray(batch.ids), np.asarray(batch.images)
        return Few(ids, images, self.labels[own], tokens, classes, self.weights)

    def with_characters(self, tokenizer: Tokenizer) -> "Classified":
        """The same prompts with typing errors in the place of substitutes."""
        return replace(self, table=build_characters(self.texts, tokenizer))


class ZeroShot(Task):
    """Top-1 and top-5 accuracy over the class prompts, clean and under attack."""

    name = "zero_shot"
    title = "Zero-shot classification under attack"
    kinds = {"top": Kind("top", "images")}  # noqa: RUF012
    depths = (1, 5)
    definitions = {  # noqa: RUF012
        "top@k": "share of images with their class among the k nearest",
        "answers": "in ranks.npz: the nearest class of each image, and labels the right one",
    }
    explained = (
        "top-1: share of pictures nearest to the prompts of their own class; top-5: share with it "
        "among the five nearest; in percent, with 95 % intervals. Lost: share of the clean top-1 "
        "that is gone."
    )

    def source(self, evaluation: Evaluation) -> Source:
        """Classified images: `scenes`, CIFAR's folder, or a folder with one folder a class."""
        given = evaluation.data
        if not isinstance(given, str | Path):
            return evaluation.cut(given() if callable(given) else given)
        if str(given) == "scenes":
            return data.Kinds(data.load_scenes("test", limit=evaluation.limit))
        pickled = any((Path(given) / name).is_file() for name in ("meta", "batches.meta"))
        return evaluation.cut(data.cifar(given, "test") if pickled else data.image_folder(given))

    def prepare(
        self,
        evaluation: Evaluation,
        source: Source,
        model: SizedModel,
        tokenizer: Tokenizer,
        *,
        quiet: bool = False,
    ) -> Victim:
        """The model with the weights of its class prompts, and the images.

        Raises:
            ValueError: images without classes, or names that are not one a class.
        """
        if not isinstance(source, HasLabels):
            raise ValueError(
                f"{source.name!r} has no classes: give --data a folder with a folder of pictures "
                "for each class, cifar-10-batches-py or cifar-100-python, or scenes"
            )
        corpus = Corpus.prepare(
            source, tokenizer, image_size=model.config.image_size, fit=model.pixels.fit
        )
        assert corpus.labels is not None
        classes = _classes(evaluation, source)
        if corpus.labels.max() >= len(classes):
            raise ValueError(
                f"the labels of {source.name!r} run to {corpus.labels.max()}, and there are "
                f"{len(classes)} class names: give one a class, in the order of the labels"
            )
        prompts = prompts_of(classes, _templates(evaluation, source))
        reader = AsWritten(tokenizer)
        table = None
        if evaluation.on_text:
            prompts = [clean_caption(prompt) for prompt in prompts]
            table = _table(evaluation, prompts, reader, quiet=quiet)
        weights = class_weights(encode_texts(model, reader, prompts).unit, len(classes))
        examples = Classified(
            corpus=corpus,
            labels=corpus.labels,
            classes=classes,
            texts=prompts,
            tokens=reader(prompts),
            weights=weights,
            table=table,
        )
        return Victim(Classifier(model, weights), reader, examples)

    def objective(self, model: SizedModel, batch: Batch) -> Float[Array, " batch"]:
        r"""The cross-entropy $-\log p_y$ at the true class, in nats."""
        assert isinstance(model, Classifier) and batch.labels is not None
        logits = model.class_logits(batch.images)
        return cross_entropy(logits, is_class(batch.labels, logits.shape[1]))

    def score(self, victim: Victim, seen: Points, evaluation: Evaluation) -> Ranks:
        """By the cosine with the prompts of each class, as the attack left both."""
        examples = _classified(victim)
        weights = class_weights(np.asarray(seen.texts.unit, np.float64), len(examples.classes))
        cosines = np.asarray(seen.images.unit, np.float64) @ weights.T
        places = places_of(cosines, examples.labels, tie=TIE)
        lost = int(np.isnan(np.take_along_axis(cosines, examples.labels[:, None], axis=1)).sum())
        first = np.argmax(np.where(np.isnan(cosines), -np.inf, cosines), axis=1)
        rows = np.arange(len(places))
        return Ranks({"top": places}, {"top": rows}, {"top": first}, errors=lost)

    @property
    def headline(self) -> list[tuple[str, int]]:
        """Top-1 and top-5."""
        return [("top", 1), ("top", 5)]

    def column(self, kind: str, k: int) -> str:
        """`top-1`."""
        return f"{self.kinds[kind].label}-{k}"

    def protocol(self, victim: Victim, evaluation: Evaluation) -> dict[str, object]:
        """The classes and prompts."""
        examples = _classified(victim)
        return {
            "classes": len(examples.classes),
            "prompts_per_class": len(examples.texts) // len(examples.classes),
            "first_prompt": examples.texts[0],
            "score": "cosine with the mean of the class's prompts",
            "ties": "against the model",
        }

    def cautions(self, victim: Victim) -> list[str]:
        """Few images, and classes without any."""
        examples, found = _classified(victim), []
        if len(examples) < 100:
            found.append(f"Only {len(examples)} images: the intervals are wide.")
        empty = len(examples.classes) - len(np.unique(examples.labels))
        if empty:
            found.append(f"{empty} of {len(examples.classes)} classes have no image here.")
        return found

    def answers(self, victim: Victim) -> Answers:
        """The classes, and the label of each image."""
        examples = _classified(victim)
        return Answers(examples.classes, examples.labels)

    def per_class(self, victim: Victim, ranks: Ranks) -> Figures:
        """Top-1 of each class that has images, with its interval."""
        examples = _classified(victim)
        right = ranks["top"] <= 1
        return {
            name: share(int(right[examples.labels == c].sum()), int((examples.labels == c).sum()))
            for c, name in enumerate(examples.classes)
            if (examples.labels == c).any()
        }


def _classified(victim: Victim) -> Classified:
    assert isinstance(victim.examples, Classified)
    return victim.examples


def _classes(evaluation: Evaluation, source: Source) -> tuple[str, ...]:
    """The names of the classes, in the order of the labels."""
    if evaluation.classes is not None:
        return read_list(evaluation.classes, "class names")
    if isinstance(source, HasClasses):
        return source.classes
    raise ValueError(f"{source.name!r} does not name its classes: give --classes FILE.json")


def _templates(evaluation: Evaluation, source: Source) -> tuple[Template, ...]:
    """The prompts to put names into: given ones, the data's own, or `TEMPLATE`."""
    given = evaluation.templates
    if given is None:
        return (source.template if isinstance(source, HasClasses) else TEMPLATE,)
    if isinstance(given, tuple):
        return given
    if Path(given).suffix == ".json":
        return read_list(given, "templates")
    return (str(given),)


def _table(
    evaluation: Evaluation, prompts: list[str], reader: AsWritten, *, quiet: bool
) -> data.WordTable:
    """What a masked language model proposes for the words of the prompts.

    Raises:
        ValueError: a constraint on substitutes, which asks for captions of pictures.
    """
    if evaluation.constraint != "none":
        raise ValueError(
            f"constraint {evaluation.constraint!r} judges captions, and zero-shot has prompts: "
            "leave it out"
        )
    asked = evaluation.substitutes
    return data.build_words(
        prompts,
        reader,
        *load_language_model(asked.mlm),
        candidates=asked.candidates,
        alignment=asked.alignment,
        cache=cache.folder("candidates"),
        progress=not quiet,
    )
