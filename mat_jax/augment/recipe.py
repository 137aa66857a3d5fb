"""What partners are made of which images, and how: what `augment.json` says."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from mat_jax import data
from mat_jax.augment import randaugment
from mat_jax.augment.shift import STYLES

COMMON = ("how", "count", "seed", "misaligned", "shift")
WHERE = ("data", "images", "split", "limit", "originals", "batch_size")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The partners of a source's images, one way.

    Args:
        data: a source, a function of no arguments that returns one, "scenes", or the path of a
            retrieval JSON file; partners that it has already stay, before those that are made.
        images: image root of that JSON file.
        split: "train", "val" or "test", of scenes ("train" if None) or of Karpathy's JSON file.
        limit: only the first so many images.
        how: a name of `augment.WAYS`.
        count: N, partners of an image. The first n of N are those that count=n makes.
        originals: captions of an image that stay originals, the first ones; None keeps all, but
            one for `i2t_human`, whose partners are the others.
        seed: of all that is drawn.
        misaligned: share of partners that are made of another image, or its caption, drawn at
            random: they do not belong.
        wrong: in scenes, share of kinds, colours, grounds and shades that are mistaken for any
            other before a partner is drawn or written.
        shift: from 0 to 1, how far partners are from the distribution of the originals (`shift`).
        style: of shifted pictures.
        alpha: EDA's share of words.
        ops, magnitude: RandAugment's.
        size: RandAugment's pictures become squares of so many pixels; None leaves scenes as they
            are and makes 256 of photographs, which have many sizes.
        strength: how far T-I2I goes from the picture, from 0 to 1.
        decode: of a captioner: "nucleus"; or "beam" or "greedy", which write one caption only.
        top_p: of nucleus decoding.
        prompt: what a captioner's sentence, or an instruction to a language model, begins with.
        model: the one to ask; which kind, its way says.
        file: what the partners, or synonyms, are read from.
        batch_size: images made and written at once.

    Raises:
        ValueError: a value outside its range, in one sentence.
    """

    data: Any = "scenes"
    images: str | Path | None = None
    split: str | None = None
    limit: int | None = None
    how: str = "i2t_human"
    count: int = 4
    originals: int | None = None
    seed: int = 0
    misaligned: float = 0.0
    wrong: float = 0.0
    shift: float = 0.0
    style: str = "pastel"
    alpha: float = 0.1
    ops: int = 2
    magnitude: int | float = 9
    size: int | None = None
    strength: float = 0.5
    decode: str = "nucleus"
    top_p: float = 0.9
    prompt: str | None = None
    model: str | None = None
    file: str | Path | None = None
    batch_size: int = 64

    def __post_init__(self) -> None:
        for name in ("misaligned", "wrong", "shift", "alpha", "strength", "top_p"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)} is no share; choose 0 to 1")
        for name in ("limit", "count", "originals", "size", "batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}: it must be at least 1, or left out")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed is {self.seed}: it must be 0 to 2^32 - 1")
        randaugment.require(self.ops, self.magnitude)
        if self.style not in STYLES:
            raise ValueError(f"unknown style {self.style!r}; choose from {', '.join(STYLES)}")
        if self.decode not in ("nucleus", "beam", "greedy"):
            raise ValueError(f"unknown decode {self.decode!r}; choose nucleus, beam or greedy")
        if self.model is not None and self.file is not None:
            raise ValueError("partners come from a model or from a file, not both: leave one out")

    def source(self) -> Any:
        """The images and their captions."""
        if isinstance(self.data, str | Path):
            if str(self.data) == "scenes":
                if self.images is not None:
                    raise ValueError(
                        f"--images {str(self.images)!r} is the image root of a JSON file, and "
                        "scenes have none: give --data, that file, or leave --images out"
                    )
                return data.load_scenes(self.split or "train", limit=self.limit)
            if self.images is None:
                raise ValueError(
                    f"{str(self.data)!r} needs its image root: give --images, the folder that the "
                    "paths in the file start from"
                )
            return data.retrieval_json(
                self.data, images=self.images, limit=self.limit, split=self.split
            )
        return self.data() if callable(self.data) else self.data

    @property
    def _idle(self) -> tuple[str, ...]:
        """Settings that have nothing to decide, the others being what they are."""
        idle: tuple[str, ...] = () if self.shift else ("style",)
        if self.file is not None:
            idle += ("strength", "prompt", "top_p")
        if self.how == "langrw" and self.model is None:
            idle += ("prompt", "top_p")
        return idle if self.decode == "nucleus" else (*idle, "top_p")

    def told(self, knobs: tuple[str, ...]) -> dict[str, Any]:
        """What is common to all ways, and the settings that this way listens to, for the header.

        Raises:
            ValueError: a setting that it does not listen to was given.
        """
        own = (*COMMON, *knobs)
        for field in fields(self):
            value = getattr(self, field.name)
            heard = field.name in (*own, *WHERE) and field.name not in self._idle
            if not heard and value != field.default:
                raise ValueError(
                    f"{field.name}={value} does nothing for {self.how} with these settings: leave "
                    "it out"
                )
        values = {name: getattr(self, name) for name in own}
        return {k: str(v) if isinstance(v, Path) else v for k, v in values.items()}
