"""A few images of a gallery and the model that sees them: what every check starts from.

Three compiled programs serve all checks: images are seen, the slope of a readout is taken, and a
readout is climbed, whatever it asks and with any radius and number of steps.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float

from mat_jax.attacks import ThreatModel, example_keys
from mat_jax.attacks.embeddings import embed_images, embed_texts
from mat_jax.attacks.objectives import margin
from mat_jax.attacks.optimizers.projected_gradient import fold, pgd
from mat_jax.attacks.optimizers.projections import project, uphill
from mat_jax.attacks.optimizers.square_search import square
from mat_jax.attacks.threat import step_size
from mat_jax.evaluate.results import Check
from mat_jax.evaluate.tasks.base import Victim
from mat_jax.types.arrays import Tokens
from mat_jax.types.protocols import Model

TEXTS = 256  # about: those an image of the sample is told apart from
TIE = (
    1e-6  # as in `evaluate.tasks.retrieval`: a wrong caption so near counts as before the right one
)
SQUARES = 100


class Readout(NamedTuple):
    """What is asked of an embedding: scores `weights @ embed + bias`, and which classes are right.

    Of retrieval the weights are the captions' embeddings, and the bias is 0.
    """

    weights: Float[Array | np.ndarray, "batch classes embed"]
    bias: Float[Array | np.ndarray, "batch classes"]
    right: Bool[Array | np.ndarray, "batch classes"]

    def scores(self, embed: Array) -> Array:
        """[batch, classes]."""
        exact = jax.lax.Precision.HIGHEST
        return jnp.einsum("bce,be->bc", self.weights, embed, precision=exact) + self.bias

    def margin(self, embed: Array) -> Array:
        """[batch]; above 0 where a wrong class leads, see `losses.margin`."""
        return margin(self.scores(embed), jnp.asarray(self.right))

    def times(self, factor: float) -> "Readout":
        """The same question with all scores multiplied."""
        by = np.float32(factor)
        return self._replace(weights=self.weights * by, bias=self.bias * by)


@dataclass(frozen=True, eq=False, kw_only=True)
class Sample:
    """Images, captions to tell apart, the model, and what the adversary may do.

    Attributes:
        model: looked at.
        ids: [sample] of the images, from which randomness is folded.
        images: [sample, height, width, 3].
        tokens: [texts, length] captions of the gallery, those of the images among them.
        groups: [sample] whose texts are right for an image: those of the same group.
        text_groups: [texts] their groups.
        threat: radius, norm, step size and steps of the attack.
        weights: what stands for the texts, see `tasks.base.Few`.
        seed: of all randomness.
        attack: climbs a readout; called as `pgd` is.
    """

    model: Model
    ids: Array | np.ndarray
    images: Array | np.ndarray
    tokens: Tokens
    groups: np.ndarray
    text_groups: np.ndarray
    threat: ThreatModel
    weights: np.ndarray | None = None
    seed: int = 0
    attack: Callable[..., Array] = pgd

    @classmethod
    def of(cls, victim: Victim, threat: ThreatModel, count: int, seed: int = 0) -> "Sample":
        """`count` examples, evenly spaced, against about `TEXTS` texts."""
        few = victim.examples.few(count, TEXTS)
        return cls(
            model=victim.model,
            ids=few.ids,
            images=few.images,
            tokens=few.tokens,
            groups=few.groups,
            text_groups=few.text_groups,
            weights=few.weights,
            threat=threat,
            seed=seed,
        )

    @property
    def right(self) -> np.ndarray:
        """[sample, texts] which texts are the image's own."""
        return self.text_groups[None] == self.groups[:, None]

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def parts(self) -> tuple[Any, Any, Any]:
        """The model taken apart: its form, its weights, and whatever else it holds."""
        graph, params, rest = nnx.split(self.model, nnx.Param, ...)
        return graph, params, rest

    def keys(self, number: int) -> Array:
        """One key an image, others for every number."""
        return _keys(np.uint32(self.seed), self.ids, np.int32(number))

    @cached_property
    def clean(self) -> np.ndarray:
        """[sample, embed] of the images as they are, on the unit sphere."""
        return self.see(self.images)

    @cached_property
    def texts(self) -> np.ndarray:
        """[texts, embed] on the unit sphere."""
        if self.weights is not None:
            return np.asarray(self.weights, np.float32)
        return np.asarray(read(*self.parts, self.tokens)[0])

    @cached_property
    def gallery(self) -> Readout:
        """Retrieval of the captions: the margin is above 0 where the first place is not one's own.

        The captions are clean, and no score but the cosine is asked.
        """
        shape = (len(self), *self.texts.shape)
        zero = np.zeros(shape[:2], np.float32)
        return Readout(np.broadcast_to(self.texts, shape), zero, self.right)

    @property
    def step(self) -> float:
        """The step size of PGD in the evaluation."""
        given = self.threat.step_size
        return step_size(self.threat) if given is None else given

    def see(self, images: Any) -> np.ndarray:
        """[sample, embed] on the unit sphere."""
        return np.asarray(see(*self.parts, images)[0])

    def margin(self, images: Any, readout: Readout | None = None) -> np.ndarray:
        """[sample] of images that are seen anew: nothing the attack had in memory counts."""
        return np.asarray(_margin(readout or self.gallery, self.see(images)))

    def slope(self, images: Any, readout: Readout | None = None) -> np.ndarray:
        """[sample, height, width, 3] the gradient of the margin."""
        return np.asarray(_slope(*self.parts, images, readout or self.gallery))

    def climb(
        self,
        readout: Readout | None = None,
        *,
        eps: float | None = None,
        steps: int | None = None,
        start: int = 0,
        attack: Callable[..., Array] | None = None,
    ) -> Array:
        """The attack on the margin of a readout, keeping the best point of each image.

        The length of a step is a fixed share of the radius: that of the evaluation.
        """
        radius = self.threat.eps if eps is None else eps
        return _climb(
            *self.parts,
            self.images,
            self.keys(start),
            readout or self.gallery,
            np.float32(radius),
            np.float32(self.step * radius / self.threat.eps),
            np.int32(self.threat.steps if steps is None else steps),
            norm=self.threat.norm,
            attack=attack or self.attack,
        )

    def leap(self) -> Array:
        """FGSM: one step of length eps along the gradient at the clean image."""
        return _leap(self.images, self.slope(self.images), self.threat.eps, norm=self.threat.norm)

    def search(self) -> Array:
        """Square with few proposals, which needs no gradient."""
        return _search(*self.parts, self.images, self.keys(50), self.gallery, self.threat.eps)

    def draw(self, number: int) -> Array:
        """Random points: anywhere in the ball for an even number, for an odd one at its corners.

        In l2 it has none, and they are anywhere on its edge. They are the starts of PGD, whose
        program is there already.
        """
        point = self.climb(steps=0, start=100 + number, attack=pgd)
        if number % 2 == 0:
            return point
        return _leap(self.images, point - self.images, self.threat.eps, norm=self.threat.norm)


def judged(name: str, good: bool, sentence: str, **figures: Any) -> Check:
    """A check that passed, or did not."""
    verdict = "passed" if good else "flagged"
    return Check(name=name, verdict=verdict, sentence=sentence, figures=figures)


def open_question(name: str, sentence: str, **figures: Any) -> Check:
    """A check that cannot be made here."""
    return Check(name=name, verdict="not applicable", sentence=sentence, figures=figures)


@partial(jax.jit, static_argnums=0)
def see(graph: Any, params: Any, rest: Any, images: Array) -> tuple[Array, Any]:
    """Embeddings of images, and what the model holds afterwards besides its weights."""
    model = nnx.merge(graph, params, rest)
    return embed_images(model, images), nnx.state(model, nnx.Not(nnx.Param))


@partial(jax.jit, static_argnums=0)
def read(graph: Any, params: Any, rest: Any, tokens: Tokens) -> tuple[Array, Any]:
    """Embeddings of captions, and what the model holds afterwards besides its weights."""
    model = nnx.merge(graph, params, rest)
    return embed_texts(model, tokens), nnx.state(model, nnx.Not(nnx.Param))


@jax.jit
def _margin(readout: Readout, embed: Array) -> Array:
    return readout.margin(embed)


@partial(jax.jit, static_argnums=0)
def _slope(graph: Any, params: Any, rest: Any, images: Array, readout: Readout) -> Array:
    model = nnx.merge(graph, params, rest)
    return jax.grad(lambda x: jnp.sum(readout.margin(embed_images(model, x))))(images)


@partial(jax.jit, static_argnums=0, static_argnames=("norm", "attack"))
def _climb(
    graph: Any,
    params: Any,
    rest: Any,
    images: Array,
    keys: Array,
    readout: Readout,
    eps: Array,
    step: Array,
    steps: Array,
    *,
    norm: Any,
    attack: Callable[..., Array],
) -> Array:
    model = nnx.merge(graph, params, rest)
    return attack(
        lambda x: readout.margin(embed_images(model, x)),
        images,
        keys,
        eps=eps,
        step_size=step,
        steps=steps,
        norm=norm,
        best=True,
    )


@partial(jax.jit, static_argnums=0)
def _search(
    graph: Any, params: Any, rest: Any, images: Array, keys: Array, readout: Readout, eps: Array
) -> Array:
    model = nnx.merge(graph, params, rest)
    loss = lambda x: readout.margin(embed_images(model, x))  # noqa: E731
    return square(loss, images, keys, eps=eps, steps=SQUARES, rescale=True)


@jax.jit
def _keys(seed: Array, ids: Array, number: Array) -> Array:
    return fold(example_keys(jax.random.key(seed), ids), number)


@partial(jax.jit, static_argnames="norm")
def _leap(images: Array, way: Array, eps: Array, *, norm: Any) -> Array:
    """As far along a direction as the ball and the box allow."""
    return project(images + eps * uphill(way, norm), images, eps, norm)
