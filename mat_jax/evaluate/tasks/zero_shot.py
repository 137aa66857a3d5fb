"""Zero-shot classification: which of the class prompts is an image nearest to?"""

from pathlib import Path

import numpy as np
from jaxtyping import Array, Float

from mat_jax import data
from mat_jax.attacks.objectives import cross_entropy, is_class
from mat_jax.data import Corpus, clean_caption
from mat_jax.evaluate.config import Evaluation
from mat_jax.evaluate.points import Points
from mat_jax.evaluate.ranks import Ranks
from mat_jax.evaluate.statistics import Figures, share
from mat_jax.evaluate.tasks.base import Answers, Kind, Task, Victim
from mat_jax.evaluate.tasks.class_prompts import (
    AsWritten,
    Template,
    class_weights,
    places_of,
    prompts_of,
    read_list,
)
from mat_jax.evaluate.tasks.classified_images import Classified
from mat_jax.evaluate.tasks.classifier import Classifier
from mat_jax.models.features import encode_texts
from mat_jax.models.specs import load_language_model
from mat_jax.types.arrays import Batch
from mat_jax.types.protocols import SizedModel, Tokenizer
from mat_jax.types.sources import HasClasses, HasLabels, Source
from mat_jax.utils import cache

TIE = 1e-6  # cosines this close count as equal, and against the model
TEMPLATE = "a photo of a {}."
TFDS, PUBLISHED = "tfds:", "set:"  # before the name of such a set


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
        """Classified images, by what `data` says.

        `scenes`, by the kind of the main object, or `scenes:colour`, `scenes:ground`; a published
        set (`set:dtd`, `set:caltech256=FOLDER`); a set of TFDS (`tfds:cifar100`,
        `tfds:eurosat@train`); the folder of CIFAR or RSICD; or a folder of class folders.
        """
        given = evaluation.data
        if not isinstance(given, str | Path):
            return evaluation.cut(given() if callable(given) else given)
        world, _, trait = str(given).partition(":")
        if world == "scenes":
            scenes = data.load_scenes(evaluation.held_out, limit=evaluation.limit)
            return data.scene_classes(scenes, trait or "kind")
        pickled = any((Path(given) / name).is_file() for name in ("meta", "batches.meta"))
        if pickled:
            return evaluation.cut(data.cifar(given, evaluation.held_out))
        if data.is_rsicd(given):
            return evaluation.cut(data.rsicd(given, evaluation.held_out))
        evaluation.require_no_split()
        if str(given).startswith(PUBLISHED):
            name, _, folder = str(given).removeprefix(PUBLISHED).partition("=")
            return evaluation.cut(data.published_set(name, folder or None))
        if str(given).startswith(TFDS):
            name, _, split = str(given).removeprefix(TFDS).partition("@")
            return evaluation.cut(data.tfds_images(name, split or None))
        return evaluation.cut(data.image_folder(given))

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
