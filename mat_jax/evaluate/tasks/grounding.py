"""Visual grounding: which of some boxes does a phrase mean?

Without boxes in training, as ALBEF does on RefCOCO+ (arXiv:2107.07651, section 5 and appendix): a
detector offers boxes, and the one that the phrase looks at most is the answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, UInt8

from mat_jax import data
from mat_jax.evaluate.config import Evaluation
from mat_jax.evaluate.points import Points
from mat_jax.evaluate.ranks import Ranks
from mat_jax.evaluate.tasks.base import Kind, Task, Victim
from mat_jax.evaluate.tasks.heat_maps import box_scores, enlarged, grad_cam
from mat_jax.evaluate.tasks.overlays import overlay
from mat_jax.evaluate.tasks.retrieval import Pairs, Retrieval
from mat_jax.models.features import matches_pairs, rows
from mat_jax.types.arrays import Batch, ImageFeatures, TextFeatures
from mat_jax.types.protocols import MatchesPairs, SizedModel, Tokenizer
from mat_jax.types.sources import HasBoxes, Source

MAPS = 50  # phrases whose maps are made at once
DRAWN = 8  # the same, of the few that the page shows


@dataclass(frozen=True, eq=False)
class Phrased(Pairs):
    """Pictures with one phrase each, and the boxes to choose from.

    Attributes:
        boxes: [phrases, boxes, 4] as `HasBoxes.boxes`; filled up with boxes of no size.
        right: [phrases, boxes] those that are what a phrase means; of a detector's perhaps none.
        pictures: [phrases] the picture that a phrase is of.
    """

    boxes: Float[np.ndarray, "phrases boxes 4"]
    right: Bool[np.ndarray, "phrases boxes"]
    pictures: Int[np.ndarray, " phrases"]

    @property
    def truth(self) -> object:
        """The boxes, the right ones, and which phrases are of one picture."""
        return self.boxes.tolist(), self.right.tolist(), self.pictures.tolist()


class Grounding(Task):
    """The box that a phrase looks at most, by GradCAM of the first block that reads the image."""

    name = "grounding"
    title = "Grounding under attack"
    looks = (
        "What the model looks at for the phrase is drawn warm, each map on its own scale. The "
        "right box is blue, and the one that it chose is red."
    )
    kinds = {"box": Kind("box", "phrases")}  # noqa: RUF012
    definitions = {  # noqa: RUF012
        "box@1": "share of phrases for which the box with most of the map, over the root of its "
        "area, is right"
    }
    explained = (
        "box@1: share of phrases that look at their own box most, in percent, with 95 % intervals "
        "over pictures. Lost: share of the clean figure that is gone."
    )

    def require(self, model: object, name: object, *, measured: bool = True) -> None:
        """One that reads pairs; attacks may be crafted on any with two encoders."""
        super().require(model, name, measured=measured)
        if measured and not matches_pairs(model):
            raise ValueError(
                f"{name} cannot ground phrases: it does not read image and text together; give "
                "ALBEF or TCL, scenes-albef for example"
            )

    def source(self, evaluation: Evaluation) -> Source:
        """The objects of the embedded world's scenes, or phrases in files of a public form."""
        if evaluation.data == "scenes":
            return evaluation.cut(data.Phrases(data.load_scenes(evaluation.held_out)))
        if isinstance(evaluation.data, str | Path) and evaluation.images is not None:
            return _read(evaluation, Path(evaluation.data), Path(evaluation.images))
        return evaluation.source()

    def prepare(
        self,
        evaluation: Evaluation,
        source: Source,
        model: SizedModel,
        tokenizer: Tokenizer,
        *,
        quiet: bool = False,
    ) -> Victim:
        """The phrases with their pictures, and the boxes beside them.

        Raises:
            ValueError: a source without boxes.
        """
        if not isinstance(source, HasBoxes):
            raise ValueError(
                f"grounding cannot use the data {source.name!r}, which has no boxes: give phrases "
                "with boxes (data.grounding_json, data.refcoco, data.Phrases)"
            )
        victim = Retrieval().prepare(evaluation, source, model, tokenizer, quiet=quiet)
        assert isinstance(victim.examples, Pairs)
        count = len(victim.examples)
        phrased = Phrased(
            victim.examples.corpus,
            boxes=_filled([source.boxes(i) for i in range(count)]),
            right=_filled([source.right(i)[:, None] for i in range(count)])[..., 0] > 0,
            pictures=np.array([source.picture(i) for i in range(count)]),
        )
        return victim._replace(examples=phrased)

    def reads_together(
        self, victim: Victim, evaluation: Evaluation, *, examples: int, texts: int
    ) -> int:
        """Every phrase once, and back, which costs two."""
        return 3 * examples

    def objective(self, model: SizedModel, batch: Batch) -> Float[Array, " batch"]:
        r"""$-\log p(\text{match})$ of each picture and its phrase, in nats."""
        assert isinstance(model, MatchesPairs)
        text = model.encode_text(batch.first)
        logits = model.match_logits(model.fuse(model.encode_image(batch.images), text))
        return -jax.nn.log_softmax(logits, axis=-1)[:, 1]

    def score(self, victim: Victim, seen: Points, evaluation: Evaluation) -> Ranks:
        """The place of the first right box among all boxes; ties count against the model.

        Where no box is right, as a detector's may be, it is the place after the last.
        """
        examples = _phrased(victim)
        scores = scores_of(victim.model, seen, examples.boxes).astype(np.float64)
        scores[(examples.boxes[..., 2:] <= 0).any(-1)] = -np.inf
        lost = int(np.isnan(scores).any(1).sum())
        # What is not a number wins where it is wrong, and loses where it is right.
        right = np.where(
            examples.right, np.nan_to_num(scores, nan=-np.inf, neginf=-np.inf), -np.inf
        )
        best = right.max(axis=1, keepdims=True)
        wrong = ~examples.right & ~(scores < best) & (examples.boxes[..., 2:] > 0).all(-1)
        count = (examples.boxes[..., 2:] > 0).all(-1).sum(1)
        places = np.where(np.isneginf(best[:, 0]), count + 1, 1 + wrong.sum(1))
        return Ranks(
            {"box": places},
            {"box": np.arange(len(places))},
            {"box": np.argmax(np.where(np.isnan(scores), -np.inf, scores), axis=1)},
            errors=lost,
            clusters={"box": examples.pictures},
        )

    def overlays(
        self, victim: Victim, seen: Points, ranks: Ranks, rows: Int[np.ndarray, " shown"]
    ) -> UInt8[np.ndarray, "shown height width 3"]:
        """The map of each phrase over its picture, with the right boxes and the one chosen."""
        examples = _phrased(victim)
        maps = maps_of(victim.model, seen, np.arange(len(rows)))
        drawn = []
        for heat, row in zip(maps, rows.tolist(), strict=True):
            boxes, chosen = examples.boxes[row], int(ranks.answers["box"][row])
            right = boxes[examples.right[row]]
            drawn.append(overlay(seen.pictures[row], heat, right=right, chosen=boxes[chosen]))
        return np.stack(drawn)

    def column(self, kind: str, k: int) -> str:
        """`box`."""
        return self.kinds[kind].label

    def protocol(self, victim: Victim, evaluation: Evaluation) -> dict[str, object]:
        """How boxes are chosen, and what chance would give."""
        examples = _phrased(victim)
        count = np.maximum((examples.boxes[..., 2:] > 0).all(-1).sum(1), 1)
        return {
            "captions": len(examples),
            "pictures": len(np.unique(examples.pictures)),
            "score": "GradCAM of the first block that reads the image, sum in a box / sqrt(area)",
            "chance": round(100 * float(np.mean(examples.right.sum(1) / count)), 4),
            "ties": "against the model",
        }


def _read(evaluation: Evaluation, path: Path, images: Path) -> Source:
    """Flickr30k Entities as published, REFER's folders, or a JSON file of phrases."""
    given = {"detections": evaluation.detections, "limit": evaluation.limit}
    if (path / "Sentences").is_dir():
        listed = evaluation.split or ("test" if (path / "test.txt").is_file() else None)
        return data.flickr30k_entities(path, images, listed, **given)
    by = [file.name[5:-3] for file in sorted(path.glob("refs(*).p"))]
    if by:
        chosen = "unc" if "unc" in by else by[0]
        return data.refcoco(path, images, evaluation.split or "val", by=chosen, **given)
    evaluation.require_no_split()
    return data.grounding_json(path, images, **given)


def maps_of(
    model: SizedModel, seen: Points, chosen: Int[np.ndarray, " phrases"]
) -> Float[np.ndarray, "phrases height width"]:
    """The maps of some phrases at the size of the pictures."""
    graph, state = nnx.split(model)
    found = []
    for first in range(0, len(chosen), DRAWN):
        here = np.resize(chosen[first:], DRAWN)
        image, text = rows(seen.images.whole, here), rows(seen.texts.whole, here)
        found.append(np.asarray(_enlarged(graph, state, image, text)))
    return np.concatenate(found)[: len(chosen)]


@partial(jax.jit, static_argnums=0)
def _enlarged(graph: Any, state: Any, image: ImageFeatures, text: TextFeatures) -> Array:
    model = nnx.merge(graph, state)
    maps = grad_cam(model, image, text, layer=model.config.first_fusion)
    size, patch = model.config.image_size, model.config.patch_size
    return enlarged(maps, size=size, covered=size // patch * patch)


def scores_of(
    model: SizedModel, seen: Points, boxes: Float[np.ndarray, "phrases boxes 4"]
) -> Float[np.ndarray, "phrases boxes"]:
    """How much of each phrase's map is in each of its boxes, see `heat_maps.box_scores`."""
    graph, state = nnx.split(model)
    found = []
    for first in range(0, len(boxes), MAPS):
        # Batches have one shape: the last is filled up from the front.
        here = np.arange(first, first + MAPS) % len(boxes)
        image, text = rows(seen.images.whole, here), rows(seen.texts.whole, here)
        found.append(np.asarray(_scores(graph, state, image, text, boxes[here])))
    return np.concatenate(found)[: len(boxes)]


@partial(jax.jit, static_argnums=0)
def _scores(
    graph: Any, state: Any, image: ImageFeatures, text: TextFeatures, boxes: Array
) -> Array:
    model = nnx.merge(graph, state)
    maps = grad_cam(model, image, text, layer=model.config.first_fusion)
    size, patch = model.config.image_size, model.config.patch_size
    return box_scores(maps, boxes, size=size, covered=size // patch * patch)


def _phrased(victim: Victim) -> Phrased:
    assert isinstance(victim.examples, Phrased)
    return victim.examples


def _filled(boxes: Sequence[np.ndarray]) -> Float[np.ndarray, "phrases boxes facts"]:
    """What boxes of all phrases have, as one array, with zeros where there is no box."""
    filled = np.zeros((len(boxes), max(map(len, boxes)), boxes[0].shape[1]), np.float32)
    for row, own in zip(filled, boxes, strict=True):
        row[: len(own)] = own
    return filled
