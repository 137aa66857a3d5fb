"""How much a captioner still says rightly under attack: a measurement beside retrieval's."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from experiments.study.crafting import bench_of, one_threat, require
from mat_jax import models
from mat_jax.attacks import ThreatModel
from mat_jax.attacks.captioner import attack_captioner
from mat_jax.attacks.optimizers.projected_gradient import example_keys
from mat_jax.data.scenes.oracle import agreement, is_true
from mat_jax.evaluate.checks.preconditions import computes_in
from mat_jax.evaluate.config import Evaluation
from mat_jax.evaluate.gallery import Bench
from mat_jax.evaluate.protocol import protocol_of, versions
from mat_jax.evaluate.results import eps_text
from mat_jax.models import BLIPCaptioner, generation
from mat_jax.types.arrays import Tokens

SURROGATE = "scenes-albef"
# What is tried on the captioner itself, before the pictures that attack the surrogate's retrieval:
# away from what people say of the picture, and towards what they say of the next one.
WHITE_BOX = ("away_from_own", "towards_another")


class Captioned(NamedTuple):
    """What was written, attack by attack.

    Attributes:
        captions: attack -> the caption of every picture.
        agreement: attack -> of each, with its scene, 0 to 1 (`oracle.agreement`).
        true: attack -> whether all of it is so.
        threat: attack -> what it was allowed.
        protocol: what all share.
    """

    captions: dict[str, list[str]]
    agreement: dict[str, Float[np.ndarray, " pictures"]]
    true: dict[str, Float[np.ndarray, " pictures"]]
    threat: dict[str, dict[str, Any]]
    protocol: dict[str, Any]


def caption(
    asked: Evaluation,
    model: BLIPCaptioner,
    tokenizer: models.Tokenizer,
    *,
    name: str,
    quiet: bool = False,
) -> Captioned:
    """Attack every picture, let the model describe it, greedily, and ask the world what is so.

    First the captioner's own weights are used (`WHITE_BOX`), then the pictures are those with which
    `asked.attacks` break the retrieval of `SURROGATE`: MAVA's protocol across tasks.

    Args:
        asked: `data` of scenes; one eps.
        model, tokenizer: a captioner.
        name: of the model, for the protocol.
        quiet: no progress line.

    Raises:
        ValueError: data that is not of scenes, a model that writes no captions, or several eps.
    """
    source: Any = asked.source()
    threat = one_threat(asked, "captioning")
    advice = "scenes (data.load_scenes), whose truth is known, and a captioner (scenes-captioner)"
    require("captioning under attack", "data", source, "scene", advice)
    require("captioning under attack", "model", model, "caption_logits", advice)
    bench = bench_of(asked, *models.load(SURROGATE), quiet=quiet)
    size, count = model.config.image_size, len(bench.examples)  # type: ignore[missing-attribute]
    if bench.examples.image_size != size:
        raise ValueError(
            f"the captioner reads {size} pixels and {SURROGATE} {bench.examples.image_size}: give "
            "one of the same size"
        )
    clean = np.stack([bench.examples.image(i) for i in range(count)]) / np.float32(255)
    corpus = bench.examples.corpus  # type: ignore[missing-attribute]  # of retrieval
    said = [corpus.captions(i) for i in range(count)]
    scenes = [source.scene(i) for i in range(count)]
    found = Captioned({}, {}, {}, {}, {})
    for attack in dict.fromkeys(("none", *WHITE_BOX, *asked.names)):
        facts: dict[str, Any]
        if attack in WHITE_BOX:
            towards = attack == "towards_another"
            aims = [*said[1:], said[0]] if towards else said
            pictures = _attacked(model, clean, tokenizer, aims, threat, bench, towards=towards)
            facts = {
                "norm": threat.norm,
                "eps": threat.eps,
                "eps_text": eps_text(threat.eps),
                "steps": threat.steps,
            }
        else:
            points = bench.craft(attack, threat).points[0]
            pictures = np.stack([points.pictures[i] for i in range(count)])
            facts = protocol_of(attack, threat, bench.evaluation.preset, count, {})
        captions = written(model, tokenizer, pictures, bench.batch_size)
        found.captions[attack] = captions
        pairs = list(zip(captions, scenes, strict=True))
        found.agreement[attack] = np.array([agreement(*pair) for pair in pairs])
        found.true[attack] = np.array([float(is_true(*pair)) for pair in pairs])
        found.threat[attack] = facts
    elsewhere = zip(found.captions["none"], [*scenes[1:], scenes[0]], strict=True)
    found.protocol.update(
        model=name,
        task="captioning",
        gallery=bench.examples.name,
        images=count,
        captions=count,
        preset=bench.evaluation.preset,
        dtype=computes_in(model),
        score="2 true claims / (claims + things of the scene), greedy captions",
        chance=round(100 * float(np.mean([agreement(*pair) for pair in elsewhere])), 4),
        surrogate=SURROGATE,
        seed=asked.seed,
        versions=versions(),
        **asked.facts,
    )
    return found


def _attacked(
    model: BLIPCaptioner,
    images: Float[np.ndarray, "pictures h w 3"],
    tokenizer: models.Tokenizer,
    aims: Sequence[Sequence[str]],
    threat: ThreatModel,
    bench: Bench,
    *,
    towards: bool,
) -> Float[np.ndarray, "pictures h w 3"]:
    """The pictures after the attack on the captioner; of as many captions as all have."""
    graph, state = nnx.split(model)
    most = min(len(texts) for texts in aims)
    found = []
    for first in range(0, len(images), bench.batch_size):
        # Batches have one shape: the last is filled up from the front.
        here = np.arange(first, first + bench.batch_size) % len(images)
        ids, mask = tokenizer([text for i in here.tolist() for text in aims[i][:most]])
        shape = (len(here), most, -1)
        tokens = Tokens(ids.reshape(shape), mask.reshape(shape))
        keys = example_keys(jax.random.key(bench.evaluation.seed), jnp.asarray(here))
        found.append(_climb(graph, state, images[here], tokens, keys, threat, towards))
    return np.concatenate(found)[: len(images)]


@partial(jax.jit, static_argnums=(0, 5, 6))
def _climb(
    graph: Any,
    state: Any,
    images: Array,
    tokens: Tokens,
    keys: Array,
    threat: ThreatModel,
    towards: bool,
) -> Array:
    model = nnx.merge(graph, state)
    return attack_captioner(model, images, tokens, keys, threat=threat, towards=towards)


def written(
    model: BLIPCaptioner,
    tokenizer: models.Tokenizer,
    images: Float[np.ndarray, "pictures h w 3"],
    batch: int,
) -> list[str]:
    """The likeliest caption of each picture, word by word."""
    found = []
    for first in range(0, len(images), batch):
        here = np.arange(first, first + batch) % len(images)
        found += tokenizer.captions(np.asarray(generation.greedy(model, images[here])))
    return found[: len(images)]


def summary(found: Captioned) -> dict[str, Any]:
    """What of a measurement is kept: as `saved.summary`, with some captions to read."""
    return {
        "attacks": {
            attack: {
                "agreement": round(100 * float(each.mean()), 4),
                "true": round(100 * float(found.true[attack].mean()), 4),
            }
            for attack, each in found.agreement.items()
        },
        "found": {
            attack: {"agreement": " ".join(f"{100 * one:.2f}" for one in each)}
            for attack, each in found.agreement.items()
        },
        "written": {attack: captions[:4] for attack, captions in found.captions.items()},
        "protocol": found.protocol,
        "threat": found.threat,
        "flags": [],
        "checks": [],
        "neighbours": [],
    }
