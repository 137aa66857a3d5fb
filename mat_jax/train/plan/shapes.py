"""A run without its weights and data: the shapes of all that a step is given."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding

from mat_jax import models
from mat_jax.data.pipeline import SHORTEST
from mat_jax.data.substitutes.candidates import Substitutes
from mat_jax.train import loop, sharding
from mat_jax.train import mesh as meshes
from mat_jax.train import state as states
from mat_jax.train.experiment import Experiment
from mat_jax.train.step import compile_step
from mat_jax.types.arrays import Batch, Tokens, Words
from mat_jax.types.protocols import AnswersQuestions, JudgesPairs, SeesImages
from mat_jax.types.text_format import TextFormat

# What only the data say. COCO's captions have 10.5 words, and seldom more than 16. Of Flickr30k's
# 12.4 words 7.0 are not on the stop list, and so are about 6 of COCO's.
CAPTIONS, WORDS, PARTS, OPEN_WORDS = 5, 16, 4, 6


@dataclass(frozen=True)
class Blank:
    """A tokenizer that knows how texts are framed, and no words."""

    text_format: TextFormat

    def __call__(self, captions: Sequence[str], /, *, clean: Callable[[str], str] = str) -> Tokens:
        """As many texts of nothing."""
        shape = (len(captions), self.text_format.length)
        return Tokens(jnp.zeros(shape, jnp.int32), jnp.ones(shape, bool))

    def parts(self, word: str, /) -> list[int]:
        """A word of one id."""
        return [0]


@runtime_checkable
class HasSizes(Protocol):
    """What names a model, and knows its configuration without its weights."""

    @property
    def sizes(self) -> Any:
        """The configuration."""
        ...


@dataclass(frozen=True)
class Shapes:
    """What a step is given, as shapes, and what makes it.

    Attributes:
        experiment: with its class prompts as so many ids.
        model: without weights.
        layout, state, reference, batch: as `compile_step` and its step want them.
    """

    experiment: Experiment
    model: Any
    layout: Any
    state: Any
    reference: Any
    batch: Batch

    def places(self, mesh: Mesh) -> tuple[Any, Any, Any]:
        """Where each part of state, reference and batch lies."""
        reference = self.reference and sharding.state_shardings(mesh, self.reference)
        split = jax.tree.map(lambda _: meshes.batch_sharding(mesh), self.batch)
        return sharding.state_shardings(mesh, self.state), reference, split

    def traced(self, mesh: Mesh) -> Any:
        """The step, traced for these devices; `.jaxpr` is its program, and `.lower()` goes on."""
        one = self.experiment
        step: Any = compile_step(
            self.layout,
            one.defense,
            one.optimizer,
            mesh,
            self.state,
            one.schedule,
            guarded=one.on_nan != "stop",
            memory=one.memory,
            dtype=one.dtype,
        )
        given = (self.state, self.reference, self.batch)
        placed = jax.tree.map(_placed, given, self.places(mesh))
        return step.trace(*placed)


def shapes_of(experiment: Experiment) -> Shapes:
    """The shapes of a run; neither weights nor data are read.

    Raises:
        ValueError: a kind of run whose batches are not known here.
        FileNotFoundError: a model that is not here and whose sizes are not known.
    """
    if experiment.defense.typos is not None:
        raise ValueError(
            f"{type(experiment.defense).__name__} makes typing errors, whose tables hang on the "
            "captions: there is no plan for it"
        )
    kept: dict[str, Any] = {}

    def begun() -> Any:
        spec, seed = experiment.model, experiment.seed
        if isinstance(spec, HasSizes):
            model = models.files.build(spec.sizes, seed)
        else:  # a user's own way of building
            model, _ = spec.build(seed)
        kind = type(model).__name__
        if isinstance(model, JudgesPairs | AnswersQuestions):
            raise ValueError(f"a plan knows batches of encoders and captioners, not of {kind}")
        kept["model"] = model
        kept["layout"], state = loop.begin(experiment, model)
        return state, states.original(states.flatten(model)[1], state)

    state, rest = jax.eval_shape(begun)
    model = kept["model"]  # of which only what is no array is looked at
    experiment = replace(experiment, defense=experiment.defense.tokenized(Blank(model.text_format)))
    reference = rest if experiment.defense.needs_reference else None
    looks = experiment.defense.looks and experiment.defense.encodes
    side = model.config.image_size if looks and isinstance(model, SeesImages) else 1
    # As almost all batches are cut: see `training_batches`.
    batch = _batch(experiment, min(model.text_format.length, SHORTEST), side)
    return Shapes(experiment, model, kept["layout"], state, reference, batch)


def _batch(experiment: Experiment, length: int, side: int) -> Batch:
    """Of captions of so many ids, and images of so many pixels along a side."""
    defense, count = experiment.defense, experiment.batch_size
    texts = CAPTIONS if defense.texts is None else defense.texts
    words = None
    if defense.words:
        given = experiment.substitutes
        tried = given.candidates if isinstance(given, Substitutes) else defense.candidates
        lead = (count, texts, WORDS)
        words = Words(
            _ints(*lead, PARTS), _ints(*lead), _ints(*lead, tried, PARTS), _ints(*lead, tried)
        )
    shape: Any = jax.ShapeDtypeStruct
    pictures = (count, defense.images, side, side, 3)
    return Batch(
        ids=_ints(count),
        images=shape((count, side, side, 3), jnp.float32),
        tokens=Tokens(_ints(count, texts, length), shape((count, texts, length), jnp.bool_)),
        present=shape((count, texts), jnp.bool_),
        words=words,
        labels=_ints(count) if defense.prompt_count else None,
        partner_images=shape(pictures, jnp.float32) if defense.images else None,
    )


def _ints(*shape: int) -> Any:
    return jax.ShapeDtypeStruct(shape, jnp.int32)


def _placed(leaf: Any, place: NamedSharding) -> Any:
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place)


def bytes_here(tree: Any, places: Any) -> int:
    """Bytes of a tree of shapes on one device."""

    def one(leaf: Any, place: NamedSharding) -> int:
        return leaf.dtype.itemsize * math.prod(place.shard_shape(leaf.shape))

    return sum(jax.tree.leaves(jax.tree.map(one, tree, places)))
