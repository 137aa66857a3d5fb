"""What is measured of a model: an experiment's `evaluation`, and what the command line fills in."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mat_jax import data
from mat_jax.attacks import ATTACKS, ThreatModel
from mat_jax.attacks.ensembles import ENSEMBLES, require_suite
from mat_jax.attacks.threat import Preset, require_preset
from mat_jax.evaluate.writing import Writing
from mat_jax.types.sources import Captioned, Source
from mat_jax.utils.spelling import meant

RETRIEVAL = "retrieval"


def usual_attacks(task: str) -> tuple[str, ...]:
    """The attacks that are measured unless some are named."""
    return tuple(n for n, attack in ATTACKS.items() if attack.usual and task in attack.tasks)


ANSWERS = ("rank", "generate")


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A gallery, the attacks on it and what the adversary may do.

    Args:
        data: the held-out source, a function of no arguments that returns one, "scenes" for the
            test scenes of the embedded world, the path of a retrieval JSON file, or WebDataset
            shards (`data/{00..12}.tar`).
        images: image root of that JSON file.
        split: of data that has splits. None is "test", of RefCOCO "val".
        captions: for entailment, a file of captions of the same pictures, "scenes" for those of the
            embedded world. Then only sentences that follow are attacked, each in a set with
            captions of its picture, and only the sentence is judged: MAVA's protocol.
        texts: of such a set, the sentence among them; 1 leaves the sentence alone.
        detections: for grounding, the boxes of a detector, as ALBEF's `dets.json`.
        task: name of a task of `evaluate.tasks.registry`: "retrieval", "zero_shot", "entailment",
            "vqa", "grounding" or "captioning".
        attacks: names from `mat_jax.attacks.ATTACKS`; "none" is the clean measurement; None takes
            the usual ones of the task.
        classes: for zero-shot, a JSON file with the names of the classes; None takes the data's.
        templates: for zero-shot, the prompts with `{}` or `{c}` for the name of the class: one
            text, several, or a JSON file with a list of them; None takes the data's own.
        suite: "quick", "standard" or "thorough" (`mat_jax.attacks.ensembles`): attacks that run
            after those, each on what still stands; None for the worst of `attacks` alone.
        eps: radius of the image attacks, in [0, 1] pixel units for linf; several make several
            tables.
        norm: "linf" or "l2".
        steps: steps of the image attacks.
        step_size: of the image attacks; None is each attack's own.
        words: how many words of a caption the text attacks may change.
        candidates: substitutes tried for each word.
        mlm: masked language model that proposes them, a name or a folder; None takes the
            experiment's, or `scenes-bert` for the embedded world.
        constraint: "none"; "truthful": only substitutes that leave the caption true of its
            picture, which only the embedded world can tell; or "similar": only such as leave it
            near the clean one, under `encoder`.
        similarity: for "similar", the least cosine.
        encoder: a text model not under attack, for "similar" and for the similarity reported.
        preset: "strict" or "official", see `mat_jax.attacks`.
        limit: measure on the first so many images, or None for all.
        captions_per_image: use the first so many captions of each image, or None for all.
        shortlist: how many of its nearest a model that matches pairs (ALBEF, TCL, BLIP) puts in
            order for each query; 128 for Flickr30k and 256 for COCO are the field's.
        batch_size: images attacked at once; None takes the experiment's, or 32.
        seed: of random starts and of the bootstrap.
        shown: how many images the report shows.
        stop_beyond: the fast mode: an attack leaves an image when so many clean others stand
            before the right answer of each of its queries; None takes every step. As strong at
            R@k for k well below it.
        writing: how captions are written and scored, in captioning.
        answers: in VQA, "rank" takes an answer from a list; "generate" lets the model write it.
        checks: images on which `evaluate.checks` looks at model and attack first; 0 for none.

    Raises:
        ValueError: a value outside its range, in one sentence.
    """

    data: Any
    images: str | Path | None = None
    split: str | None = None
    captions: str | Path | None = None
    texts: int = 5
    detections: str | Path | None = None
    task: str = RETRIEVAL
    attacks: tuple[str, ...] | None = None
    classes: str | Path | None = None
    templates: str | Path | tuple[str, ...] | None = None
    suite: str | None = None
    eps: float | tuple[float, ...] = 2 / 255
    norm: str = "linf"
    steps: int = 10
    step_size: float | None = None
    words: int = 1
    candidates: int = 10
    mlm: str | Path | None = None
    constraint: str = "none"
    similarity: float = 0.8
    encoder: str | Path | None = None
    preset: Preset = "strict"
    limit: int | None = None
    captions_per_image: int | None = None
    shortlist: int = 128
    batch_size: int | None = None
    seed: int = 0
    shown: int = 4
    checks: int = 16
    stop_beyond: int | None = None
    writing: Writing = Writing()
    answers: str = "rank"

    def __post_init__(self) -> None:
        if not self.radii:
            raise ValueError("the evaluation has no eps: give at least one, 2/255 for example")
        unknown = [name for name in self.attacks or () if name not in ATTACKS]
        if unknown:
            near = meant(unknown[0], ATTACKS)
            raise ValueError(
                f"unknown attack {unknown[0]!r}{near}; choose from {', '.join(ATTACKS)}"
            )
        for name in (
            "limit",
            "captions_per_image",
            "texts",
            "shortlist",
            "batch_size",
            "stop_beyond",
        ):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}: it must be at least 1, or left out")
        if self.checks < 0:
            raise ValueError(f"checks is {self.checks}: it must be 0, for none, or more")
        if self.answers not in ANSWERS:
            raise ValueError(f"answers is {self.answers!r}; choose from {', '.join(ANSWERS)}")
        require_preset(self.preset)
        if self.stop_beyond is not None and self.preset == "official":
            raise ValueError(
                f"stop_beyond is {self.stop_beyond}, but preset 'official' takes every step of the "
                "released programs: leave it out"
            )
        if self.suite is not None:
            require_suite(self.suite)
        self.threats  # noqa: B018  # refuses what no threat model may be

    @property
    def names(self) -> tuple[str, ...]:
        """The attacks to measure, each once; the clean measurement is always the first."""
        asked = usual_attacks(self.task) if self.attacks is None else self.attacks
        return tuple(dict.fromkeys(("none", *asked)))

    @property
    def radii(self) -> tuple[float, ...]:
        """Every eps once, rising."""
        return tuple(sorted(set(self.eps if isinstance(self.eps, tuple) else (self.eps,))))

    @property
    def threats(self) -> tuple[ThreatModel, ...]:
        """One threat model for each eps."""
        return tuple(
            ThreatModel(
                eps=eps,
                norm=self.norm,  # type: ignore[arg-type]  # checked by ThreatModel
                steps=self.steps,
                step_size=self.step_size,
                words=self.words,
                candidates=self.candidates,
                constraint=self.constraint,  # type: ignore[arg-type]  # checked by ThreatModel
            )
            for eps in self.radii
        )

    @property
    def substitutes(self) -> data.Substitutes:
        """Where the candidates of text attacks come from."""
        if self.mlm is None and not _embedded(self.data):
            raise ValueError(
                "text attacks need a masked language model that knows the captions' words: give "
                "mlm (--mlm), google-bert/bert-base-uncased for example, or a folder"
            )
        return data.Substitutes(
            mlm=str(self.mlm or "scenes-bert"),
            candidates=self.candidates,
            alignment="official" if self.preset == "official" else "fixed",
            constraint=self.constraint,  # type: ignore[arg-type]  # checked by ThreatModel
            similarity=self.similarity,
            encoder=None if self.encoder is None else str(self.encoder),
        )

    @property
    def on_text(self) -> bool:
        """Whether an attack puts in words, which a language model must propose."""
        members = [member.attack for member in ENSEMBLES[self.suite]] if self.suite else []
        used = [ATTACKS[name] for name in (*self.names, *members)]
        return any(attack.on_text and not attack.characters for attack in used)

    @property
    def facts(self) -> dict[str, Any]:
        """What the protocol says beyond the threat model."""
        found: dict[str, Any] = {}
        if self.on_text:
            found |= {"mlm": self.substitutes.mlm, "alignment": self.substitutes.alignment}
        if self.encoder is not None:
            found["encoder"] = str(self.encoder)
        if self.on_text and self.constraint == "similar":
            found["similarity"] = self.similarity
        return found

    @property
    def held_out(self) -> str:
        """The split that is measured."""
        return self.split or "test"

    def require_no_split(self) -> None:
        """Refuse a split of data whose files do not say which part is which."""
        if self.split is not None:
            raise ValueError(
                f"split is {self.split!r}, and {str(self.data)!r} has no splits: leave it out, and "
                "give the data of that split"
            )

    def source(self) -> Source:
        """The held-out source itself, cut to the limit.

        Raises:
            ValueError: a file without its image root, or a split of data that has none.
        """
        if isinstance(self.data, str | Path):
            if str(self.data) == "scenes":
                return data.load_scenes(self.held_out, limit=self.limit)
            if str(self.data).endswith(".tar"):
                self.require_no_split()
                return data.webdataset(self.data, limit=self.limit)
            if self.images is None:
                raise ValueError(
                    f"{str(self.data)!r} needs its image root: give --images, the folder that the "
                    "paths in the file start from"
                )
            return self.pairs(self.data, self.images, self.limit)
        return self.cut(self.data() if callable(self.data) else self.data)

    def pairs(self, path: str | Path, images: str | Path, limit: int | None) -> data.RetrievalJson:
        """Images with captions; the held-out ones of a file that says which these are."""
        try:
            return data.retrieval_json(path, images, limit, split=self.held_out)
        except data.NoSplits:
            if self.split is not None:
                raise
            return data.retrieval_json(path, images, limit)

    def cut(self, source: Source) -> Source:
        """The first images of a source, so many as the limit says."""
        return source if self.limit is None else first_of(source, min(self.limit, len(source)))


def _embedded(source: object) -> bool:
    """Whether the embedded world is meant, whose words `scenes-bert` knows."""
    name = source.name if isinstance(source, Source) else str(source)
    return name.split("/")[0] == "scenes"


class First:
    """The first `count` images of a source, and whatever else the source can tell (`first_of`)."""

    def __init__(self, source: Source, count: int) -> None:
        self._source, self._count = source, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int, /) -> Captioned:
        return self._source[range(self._count)[index]]


def first_of(source: Source, count: int) -> Source:
    """The first `count` images, as a source that is all that the whole one is.

    What the source has by name, its class has as properties: since Python 3.12 `isinstance` asks a
    protocol of the class, and does not call `__getattr__`.
    """

    def told(name: str) -> property:
        return property(lambda self: getattr(source, name))

    names = [name for name in dir(source) if not name.startswith("_")]
    return type("First", (First,), {name: told(name) for name in names})(source, count)
