"""How many phrases a model still grounds under attack: a measurement beside retrieval's."""

from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from experiments.study.crafting import bench_of, one_threat, require
from mat_jax.evaluate.checks.preconditions import computes_in
from mat_jax.evaluate.config import Evaluation
from mat_jax.evaluate.protocol import protocol_of, versions
from mat_jax.evaluate.tasks.grounding import box_scores, grad_cam
from mat_jax.types.arrays import Tokens
from mat_jax.types.protocols import SizedModel, Tokenizer

BATCH = 50  # phrases whose maps are made at once


class Grounded(NamedTuple):
    """What was found, attack by attack.

    Attributes:
        right: attack -> whether each phrase's box was chosen.
        picture: which picture each phrase is of.
        changed: attack -> share of the phrases that an attack changed.
        threat: attack -> what it was allowed.
        protocol: what all share.
    """

    right: dict[str, Bool[np.ndarray, " phrases"]]
    picture: Int[np.ndarray, " phrases"]
    changed: dict[str, float]
    threat: dict[str, dict[str, Any]]
    protocol: dict[str, Any]


def ground(
    asked: Evaluation, model: SizedModel, tokenizer: Tokenizer, *, name: str, quiet: bool = False
) -> Grounded:
    """Attack every phrase with its picture, and ask the model for the box that it means.

    The map is GradCAM's of the first block that reads the image, enlarged to the picture; the box
    with most of it is the answer (`evaluate.tasks.grounding`).

    Args:
        asked: `data` with `boxes(i)`, `target(i)` and `picture(i)` and one caption a picture, such
            as `data.Phrases`; one eps.
        model, tokenizer: one that matches pairs (ALBEF, TCL).
        name: of the model, for the protocol.
        quiet: no progress line.

    Raises:
        ValueError: data without boxes, a model that does not read pairs, or several eps.
    """
    source: Any = asked.source()
    threat = one_threat(asked, "grounding")
    advice = "phrases with boxes (data.Phrases), and a model that matches pairs (scenes-albef)"
    require("grounding", "data", source, "boxes", advice)
    require("grounding", "model", model, "match_logits", advice)
    bench = bench_of(asked, model, tokenizer, quiet=quiet)
    count = len(bench.examples)
    boxes = np.stack([source.boxes(i) for i in range(count)])
    meant = np.array([source.target(i) for i in range(count)])
    found = Grounded({}, np.array([source.picture(i) for i in range(count)]), {}, {}, {})
    for attack in dict.fromkeys(asked.names):
        crafted = bench.craft(attack, threat)
        points = crafted.points[0]
        pictures = np.stack([points.pictures[i] for i in range(count)])
        captions = list(points.captions)
        found.right[attack] = chosen(model, tokenizer, pictures, captions, boxes) == meant
        found.changed[attack] = bench.changed(captions)
        found.threat[attack] = protocol_of(attack, threat, bench.evaluation.preset, count, {})
    found.protocol.update(
        model=name,
        task="grounding",
        gallery=bench.examples.name,
        images=len(np.unique(found.picture)),
        captions=count,
        preset=bench.evaluation.preset,
        dtype=computes_in(model),
        score="GradCAM of the first block that reads the image, sum in a box / sqrt(area)",
        seed=asked.seed,
        versions=versions(),
        **asked.facts,
    )
    return found


def chosen(
    model: SizedModel,
    tokenizer: Tokenizer,
    pictures: Float[np.ndarray, "phrases h w 3"],
    captions: list[str],
    boxes: Float[np.ndarray, "phrases boxes 4"],
) -> Int[np.ndarray, " phrases"]:
    """The box that each phrase looks at most."""
    graph, state = nnx.split(model)
    found = []
    for first in range(0, len(captions), BATCH):
        # Batches have one shape: the last is filled up from the front.
        here = np.arange(first, first + BATCH) % len(captions)
        tokens = tokenizer([captions[i] for i in here])
        scores = _scores(graph, state, pictures[here], tokens, boxes[here])
        found.append(np.argmax(scores, axis=1))
    return np.concatenate(found)[: len(captions)]


@partial(jax.jit, static_argnums=0)
def _scores(graph: Any, state: Any, images: Array, tokens: Tokens, boxes: Array) -> Array:
    model = nnx.merge(graph, state)
    maps = grad_cam(model, images, tokens, layer=model.config.first_fusion)
    size, patch = model.config.image_size, model.config.patch_size
    return box_scores(maps, boxes, size=size, covered=size // patch * patch)


def summary(found: Grounded) -> dict[str, Any]:
    """What of a measurement is kept: as `saved.summary`, of each picture how many were right."""
    own = {name: np.bincount(found.picture, right) for name, right in found.right.items()}
    return {
        "attacks": {
            attack: {"accuracy": round(float(100 * right.mean()), 4)}
            for attack, right in found.right.items()
        },
        "found": {
            attack: {"right": " ".join(str(int(n)) for n in counts)}
            for attack, counts in own.items()
        },
        "captions_changed": {
            attack: round(100 * share, 4) for attack, share in found.changed.items()
        },
        "protocol": found.protocol,
        "threat": found.threat,
        "flags": [],
        "checks": [],
        "neighbours": [],
    }
