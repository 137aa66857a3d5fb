"""What an evaluation will cost, before it starts: passes of the encoders, and the time here."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from mat_jax.attacks import ATTACKS, ThreatModel
from mat_jax.attacks.cost import Passes, passes
from mat_jax.evaluate.gallery import Bench
from mat_jax.evaluate.results import eps_text
from mat_jax.evaluate.tasks.base import Victim
from mat_jax.evaluate.tasks.written_captions import written
from mat_jax.evaluate.worst_case import members_for
from mat_jax.models import BLIPCaptioner
from mat_jax.models.features import encode_images, encode_texts, rows
from mat_jax.types.arrays import ImageFeatures, TextFeatures, Tokens
from mat_jax.types.protocols import EncodesPairs, FusesPairs
from mat_jax.utils.progress import duration

TIMED = 3  # calls of each program that are timed, after one that compiles


class Speed(NamedTuple):
    """Seconds of one pass on this machine, in batches of the evaluation's size."""

    image_forward: float
    image_backward: float
    text_forward: float
    read: float  # of a text together with its picture, by a model that fuses


class Line(NamedTuple):
    """What one row of the table costs for all examples.

    Attributes:
        name: of the attack, with its eps.
        counts: [4] image forwards, image backwards, text forwards, and texts that are read
            together with a picture: of the attack, and of the targets that look at the outcome.
    """

    name: str
    counts: Float[np.ndarray, " 4"]


def forecast_lines(bench: Bench, images: int | None = None) -> list[Line]:
    """The passes of every attack that a bench will measure; of a suite at most so many.

    Args:
        bench: who attacks whom.
        images: as if there were so many examples; None is as many as there are.
    """
    return [_line(bench, attack, threat, images) for attack, threat in _measured(bench)]


def forecast_line(bench: Bench) -> str:
    """The passes of all attacks together in a line; nothing is timed or compiled for it.

    Of an attack that nobody has counted, a user's own, the line says so and no more.
    """
    try:
        totals = sum((line.counts for line in forecast_lines(bench)), np.zeros(4))
    except ValueError as uncounted:
        return f"cost: {uncounted}"
    images, back, texts, reads = (f"{round(count):,}" for count in totals)
    together = f" and {reads} of texts read with a picture" if totals[3] else ""
    return (
        f"cost: at most {images} forward and {back} backward passes of the image encoder, {texts} "
        f"of the text encoder{together}; the time that is left stands beside each attack"
    )


def forecast_table(bench: Bench, images: int | None = None) -> str:
    """The forecast as a few lines: passes of every attack, and the time that they take here."""
    lines = forecast_lines(bench, images)
    speed = measured_speed(bench)
    count = images or len(bench.examples)
    found = [
        f"forecast for {count} examples with {_texts(bench):.1f} texts each, of which "
        f"{bench.examples.open_words:.1f} words are open; thousands of passes, and time on "
        f"{jax.devices()[0].device_kind}",
        f"{'':24}{'image':>18}{'text':>10}{'read':>10}",
        f"{'attack':24}{'forward':>9}{'backward':>9}{'forward':>10}{'together':>10}{'time':>13}",
    ]
    totals = np.zeros(4)
    for line in lines:
        totals += line.counts
        found.append(_row(line.name, line.counts, speed))
    return "\n".join([*found, _row("at most", totals, speed)])


def seconds(counts: np.ndarray, speed: Speed) -> float:
    """The time of so many image forwards, image backwards, text forwards and reads."""
    return float(counts @ np.array(speed))


def suite_table(bench: Bench, suite: str, threat: ThreatModel) -> str:
    """What a suite costs at most, as a few lines to be read before it starts."""
    lines = [
        f"suite {suite}, for each eps: passes for an image with its {_texts(bench):.1f} captions, "
        f"of {bench.examples.open_words:.1f} open words each, while a query of it stands",
        f"{'':16}{'image':>17}{'text':>9}",
        f"{'attack':16}{'forward':>8}{'backward':>9}{'about':>9}",
    ]
    totals = np.zeros(3)
    for member in members_for(bench, suite, threat.norm):
        cost = _passes(bench, member.attack, member.threat(threat))
        totals += cost
        lines.append(f"{member.attack:16}{cost[0]:8d}{cost[1]:9d}{cost[2]:9.0f}")
    lines.append(f"{'at most':16}{totals[0]:8.0f}{totals[1]:9.0f}{totals[2]:9.0f}")
    return "\n".join(lines)


def measured_speed(bench: Bench) -> Speed:
    """How long passes take here, the compilation apart.

    Those of the two encoders are of the model that attacks are made on. Of texts that are read
    with a picture it is the first target that reads so.
    """
    model, tokenizer, examples = bench.crafter
    here = np.arange(bench.batch_size) % len(examples)
    pictures = np.asarray(examples.batch(here).images)
    texts = [examples.texts[int(i)] for i in np.arange(256) % len(examples.texts)]
    forward = _seconds(lambda: encode_images(model, pictures)) / len(here)
    graph, state = nnx.split(model)
    whole = _seconds(lambda: jax.block_until_ready(_ascent(graph, state, pictures))) / len(here)
    text = 0.0
    if isinstance(model, BLIPCaptioner):
        text = _seconds_of_a_caption(bench, here)
    elif isinstance(model, EncodesPairs) and (bench.task.reads or examples.has_words):
        text = _seconds(lambda: encode_texts(model, tokenizer, texts)) / len(texts)
    reads = (_seconds_of_a_read(bench, one, here) for one in (*bench.targets, bench.crafter))
    return Speed(forward, max(whole - forward, forward), text, next(filter(None, reads), 0.0))


def _seconds_of_a_read(bench: Bench, victim: Victim, here: np.ndarray) -> float:
    """Of a text together with a picture; of a captioner an id of a caption that it holds."""
    model, writing = victim.model, bench.evaluation.writing
    examples, count = victim.examples, len(here)
    if not isinstance(model, FusesPairs | BLIPCaptioner):
        return 0.0
    image = encode_images(model, np.asarray(examples.batch(here).images)).whole
    if isinstance(model, BLIPCaptioner):
        ids = count * writing.beams * writing.max_length
        return _seconds(lambda: written(victim, image, writing)) / ids
    several = [examples.texts[int(i) % len(examples.texts)] for i in here]
    text = encode_texts(model, victim.tokenizer, several).whole
    arguments = *nnx.split(model), rows(image, np.arange(count)), rows(text, np.arange(count))
    return _seconds(lambda: jax.block_until_ready(_fused(*arguments))) / count


def _seconds_of_a_caption(bench: Bench, here: np.ndarray) -> float:
    """Of reading a caption that is given, with its picture."""
    model, batch = bench.crafter.model, bench.examples.batch(here)
    image = encode_images(model, np.asarray(batch.images)).whole
    arguments = *nnx.split(model), image, batch.first
    return _seconds(lambda: jax.block_until_ready(_told(*arguments))) / len(here)


@partial(jax.jit, static_argnums=0)
def _told(graph: Any, state: Any, image: ImageFeatures, tokens: Tokens) -> Array:
    return nnx.merge(graph, state).caption_logits(image, tokens)


@partial(jax.jit, static_argnums=0)
def _ascent(graph: Any, state: Any, images: Float[Array, "batch height width 3"]) -> Array:
    model = nnx.merge(graph, state)
    return jax.grad(lambda x: jnp.sum(model.encode_image(x).unit ** 3))(images)


@partial(jax.jit, static_argnums=0)
def _fused(graph: Any, state: Any, image: ImageFeatures, text: TextFeatures) -> Array:
    return nnx.merge(graph, state).fuse(image, text)


def _seconds(call: Callable[[], object]) -> float:
    """The shortest of a few calls, after one that compiles."""
    call()
    found = []
    for _ in range(TIMED):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return min(found)


def _texts(bench: Bench) -> float:
    """Texts of an example."""
    return len(bench.owner) / len(bench.examples)


def _passes(bench: Bench, attack: str, threat: ThreatModel) -> Passes:
    """Of an attack, for one example with its texts."""
    return passes(
        attack,
        threat,
        preset=bench.evaluation.preset,
        captions=_texts(bench),
        open_words=bench.examples.open_words,
    )


def _measured(bench: Bench) -> Iterator[tuple[str, ThreatModel]]:
    """Every attack with its threat, the members of a suite after the others."""
    evaluation = bench.evaluation
    for attack in evaluation.names:
        threats = evaluation.threats if ATTACKS[attack].on_images else evaluation.threats[:1]
        for threat in threats:
            yield attack, threat
    if evaluation.suite is not None:
        for threat in evaluation.threats:
            for member in members_for(bench, evaluation.suite, evaluation.norm):
                yield member.attack, member.threat(threat)


def _line(bench: Bench, attack: str, threat: ThreatModel, images: int | None) -> Line:
    count = images or len(bench.examples)
    each = _passes(bench, attack, threat)
    texts, targets = round(count * _texts(bench)), len(bench.targets)
    of = ATTACKS[attack]
    looks = 2 if of.on_images else 1  # pictures as they are, and rounded to 8 bits
    read = looks * sum(
        bench.task.reads_together(target, bench.evaluation, examples=count, texts=texts)
        for target in bench.targets
    )
    if of.fuses:
        # Every pass of a picture reads its texts, and back costs two; so does every text tried.
        read += round(count * (_texts(bench) * each.weight + each.text_forwards))
    seen = np.array([targets * looks * count, targets * texts if bench.task.reads else 0])
    name = f"{attack} {eps_text(threat.eps)}" if of.on_images else attack
    crafting = count * np.array([*each, 0.0])
    return Line(name, crafting + np.array([seen[0], 0.0, seen[1], read]))


def _row(name: str, counts: np.ndarray, speed: Speed) -> str:
    forwards, backwards, texts, reads = counts / 1000
    told = duration(seconds(counts, speed))
    return f"{name:24}{forwards:9.1f}{backwards:9.1f}{texts:10.1f}{reads:10.1f}{told:>13}"
