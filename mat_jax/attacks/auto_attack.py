"""AutoAttack: each attack only on the images that still stand (Croce & Hein, ICML 2020)."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, Key

from mat_jax.attacks.classification import TARGETS, require_labels
from mat_jax.attacks.ensembles import ENSEMBLES as MEMBERS
from mat_jax.attacks.ensembles import Member, State, damage, in_turn
from mat_jax.attacks.optimizers.projected_gradient import example_keys
from mat_jax.attacks.registry import ATTACKS
from mat_jax.attacks.threat import Preset, ThreatModel, require_preset
from mat_jax.types.arrays import Adversarial, Batch
from mat_jax.types.protocols import Classifies, ClassifiesAtRandom

# What it attacks.
Judged = Classifies | ClassifiesAtRandom

VERSIONS = {"standard": "autoattack", "rand": "autoattack_rand"}

ROWS = 250  # images of a compiled call, as in the released program


class Fallen(NamedTuple):
    """What an ensemble did to each image.

    Attributes:
        images: the misclassified point of each fallen image, the clean image of each that stands.
        felled_by: the name of the attack in `ATTACKS`; "none" for an image that is misclassified
            as it is, and "" for one that stands.
        attacked: how many images each member had to attack.
    """

    images: Float[np.ndarray, "batch height width 3"]
    felled_by: tuple[str, ...]
    attacked: tuple[int, ...]

    @property
    def stands(self) -> Bool[np.ndarray, " batch"]:
        """Which images are classified rightly under every attack; their share is the accuracy."""
        return np.array([name == "" for name in self.felled_by], bool)


def autoattack(
    model: Judged,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    version: str = "standard",
    members: Sequence[Member] | None = None,
    preset: Preset = "official",
    rows: int = ROWS,
) -> Fallen:
    """The worst case of an ensemble: an image falls if any member has it misclassified.

    "standard" is APGD-CE, APGD-T, FAB-T and Square; "rand" is APGD-CE and APGD-DLR, each step the
    mean of 20 draws, for a model whose forward pass is random. Each has 100 steps and 1 restart. A
    member sees the images that still stand, and a targeted one leaves out those that fell under an
    earlier target. On a random model one fresh draw decides, as in the released program.

    The images go to the device `rows` at a time, and the last call is filled up with a copy. What
    happens to an image depends on its id and the key, so the filling changes nothing.

    Args:
        model: an nnx module; `ClassifiesAtRandom` where a member is `random`.
        batch: on the host, any number of images with `labels`; its texts are not read.
        key: of everything random.
        threat: `eps` and `norm`. Steps and restarts are those of the members.
        version: "standard" or "rand".
        members: others than the version's: fewer steps, or no APGD-T for 3 classes.
        preset: "official", or "strict" for squares that shrink over Square's own budget.
        rows: images of one compiled call.

    Raises:
        ValueError: a version that does not exist, a batch without labels, too few classes, a model
            that lacks what the members need.
    """
    require_preset(preset)
    labels = np.asarray(require_labels(batch))
    members = members_of(version) if members is None else tuple(members)
    crafting, judging = jax.random.split(key)
    calls = _Calls(model, batch, threat, preset, min(rows, len(labels)))
    calls.require(members)
    random = any(ATTACKS[member.attack].random for member in members)
    draws = iter(range(2**31))

    def ranks(images: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """The rank of the label among the classes, 1 being right. What is no number wins nothing.

        A random model is asked with fresh keys each time.
        """
        judge = _judge_at_random if random else _judge
        return calls.run(judge, images, chosen, jax.random.fold_in(judging, next(draws)))

    def craft(member: Member, chosen: np.ndarray, points: _Points) -> _Points:
        of, (images, found) = ATTACKS[member.attack], (x.copy() for x in points)
        its_key = jax.random.fold_in(crafting, members.index(member))
        settings = member.threat(threat)
        for rank in range(calls.targets if of.targeted else 1):
            left = chosen[found[chosen] == 1]
            if len(left):
                more = {"rank": np.int32(rank)} if of.targeted else {}
                images[left] = calls.attack(of.function, settings, left, its_key, **more)
                found[left] = ranks(images, left)
        return _Points(images, found)

    every = np.arange(len(labels))
    clean = np.asarray(batch.images, np.float32)
    at_first = ranks(clean, every)
    names = np.where(at_first > 1, "none", "").astype(object)
    state = State(at_first, _Points(clean, at_first), damage(at_first, every, len(every)))
    attacked = []
    for member in members:
        before = state.places == 1
        state, counts, _ = in_turn(
            (member,), state, every, craft=craft, judge=lambda found: found.ranks, merge=_merge
        )
        names[before & (state.places > 1)] = member.attack
        attacked += counts
    return Fallen(state.points.images, tuple(names), tuple(attacked))


def members_of(version: str) -> tuple[Member, ...]:
    """The members of "standard" or "rand"."""
    if version not in VERSIONS:
        raise ValueError(
            f"unknown version {version!r} of AutoAttack; choose from {', '.join(VERSIONS)}"
        )
    return MEMBERS[VERSIONS[version]]


class _Points(NamedTuple):
    images: Float[np.ndarray, "batch height width 3"]
    ranks: Int[np.ndarray, " batch"]


def _merge(points: _Points, others: _Points, chosen: np.ndarray) -> _Points:
    merged = _Points(*(x.copy() for x in points))
    for mine, other in zip(merged, others, strict=True):
        mine[chosen] = other[chosen]
    return merged


class _Calls:
    """Calls of one shape on any rows of a batch."""

    def __init__(self, model: Judged, batch: Batch, threat: ThreatModel, preset: Preset, size: int):
        if not isinstance(model, nnx.Module):
            raise ValueError(
                f"the model is a {type(model).__name__}, expected an nnx.Module: its weights are "
                "arguments of what is compiled"
            )
        self.model, self.preset, self.size = model, preset, size
        self.graph, self.state = nnx.split(model)
        self.batch = batch._replace(words=None, partner_images=None)
        self.classes = 0

    def require(self, members: Sequence[Member]) -> None:
        """Refuse members that are none of classification, or that the model cannot serve."""
        random = {ATTACKS[member.attack].random for member in members}
        strange = [one.attack for one in members if not ATTACKS[one.attack].classifies]
        if strange:
            raise ValueError(
                f"the attack {strange[0]!r} is none of classification; choose from "
                f"{', '.join(name for name, of in ATTACKS.items() if of.classifies)}"
            )
        if len(random) != 1:
            raise ValueError(
                "expected members that all draw from a random model, or none of them, got "
                f"{', '.join(one.attack for one in members) or 'no member'}"
            )
        self.classes = _classes(self.model, self.batch, random == {True})

    @property
    def targets(self) -> int:
        """Of a targeted member."""
        return min(TARGETS, self.classes - 1)

    def run(
        self, function: Callable[..., Array], images: np.ndarray, chosen: np.ndarray, key: Array
    ) -> np.ndarray:
        """`function(model, images, labels, keys)` of the chosen images."""
        return self._in_parts(_simple(function, self.graph), images, chosen, key)

    def attack(
        self,
        function: Callable[..., Adversarial],
        threat: ThreatModel,
        chosen: np.ndarray,
        key: Array,
        **more: Any,
    ) -> np.ndarray:
        """The attacked images of the chosen clean ones."""
        program = _attack(function, self.graph, threat, self.preset)
        return self._in_parts(program, np.asarray(self.batch.images), chosen, key, **more)

    def _in_parts(
        self,
        program: Callable[..., Array],
        images: np.ndarray,
        chosen: np.ndarray,
        key: Array,
        **more: Any,
    ) -> np.ndarray:
        parts = []
        for start in range(0, len(chosen), self.size):
            part = chosen[start : start + self.size]
            full = np.resize(part, self.size)  # repeated until there are enough
            batch = self.batch._replace(
                ids=jnp.asarray(self.batch.ids)[full],
                images=jnp.asarray(images[full], jnp.float32),
                labels=jnp.asarray(self.batch.labels)[full],
            )
            parts.append(np.asarray(program(self.state, batch, key, **more))[: len(part)])
        return np.concatenate(parts)


def _classes(model: Judged, batch: Batch, random: bool) -> int:
    """How many logits the model gives, or one clear sentence where it gives none."""
    images = jnp.asarray(batch.images)[:1]
    if random and isinstance(model, ClassifiesAtRandom):
        keys = example_keys(jax.random.key(0), jnp.asarray(batch.ids)[:1])
        return jax.eval_shape(model.drawn_class_logits, images, keys).shape[-1]
    if not random and isinstance(model, Classifies):
        return jax.eval_shape(model.class_logits, images).shape[-1]
    name = "drawn_class_logits(images, keys)" if random else "class_logits(images)"
    raise ValueError(
        f"{type(model).__name__} has no {name}, which these attacks need: give the model that "
        "method, or take the other version"
    )


@lru_cache(maxsize=64)
def _attack(
    function: Callable[..., Adversarial], graph: Any, threat: ThreatModel, preset: Preset
) -> Callable[..., Array]:
    @jax.jit
    def run(state: Any, batch: Batch, key: Array, **more: Any) -> Array:
        model = nnx.merge(graph, state)
        return function(model, batch, key, threat=threat, preset=preset, **more).images

    return run


@lru_cache(maxsize=64)
def _simple(function: Callable[..., Array], graph: Any) -> Callable[..., Array]:
    @jax.jit
    def run(state: Any, batch: Batch, key: Array) -> Array:
        return function(nnx.merge(graph, state), batch, key)

    return run


def _judge(model: Classifies, batch: Batch, key: Array) -> Array:
    return _rank(model.class_logits(batch.images), require_labels(batch))


def _judge_at_random(model: ClassifiesAtRandom, batch: Batch, key: Array) -> Array:
    logits = model.drawn_class_logits(batch.images, example_keys(key, batch.ids))
    return _rank(logits, require_labels(batch))


def _rank(logits: Array, labels: Array) -> Array:
    own = jnp.take_along_axis(logits, labels[:, None].astype(jnp.int32), axis=-1)
    return 1 + jnp.sum(logits > own, axis=-1, dtype=jnp.int32)
