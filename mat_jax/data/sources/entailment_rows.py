"""Pictures, sentences, and whether each follows: SNLI-VE's own lines, and ALBEF's form of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from mat_jax.data.clean import clean_caption
from mat_jax.data.images import read_image
from mat_jax.data.sources.forms import but_looks_like
from mat_jax.data.sources.retrieval import image_paths
from mat_jax.types.arrays import Example
from mat_jax.types.sources import VERDICTS
from mat_jax.utils.json_files import json_rows
from mat_jax.utils.text_files import short

PARTS = {"images", "annotations", "questions"}  # of files that are one object: COCO's, VQA's
UNDECIDED = "-"  # SNLI's label where its annotators do not agree; such rows are left out
FORMS = (
    'ALBEF\'s list of {"image", "sentence", "label"} or SNLI-VE\'s lines of {"Flickr30K_ID", '
    '"sentence2", "gold_label"}'
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Entailments:
    """Sentences that follow from a picture, contradict it, or do neither.

    Args:
        name: of the source.
        form: of the files that it was read from, in words.
        paths: the picture of each sentence.
        sentences: the texts.
        verdicts: the right one of each, a row of `VERDICTS`.
    """

    name: str
    form: str
    paths: tuple[Path, ...]
    sentences: tuple[str, ...]
    verdicts: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.sentences)

    def __getitem__(self, index: int, /) -> Example:
        row = range(len(self))[index]
        return Example(read_image(self.paths[row]), self.captions(row), row)

    def captions(self, index: int, /) -> tuple[str, ...]:
        """The one sentence."""
        return (self.sentences[index],)

    def label(self, index: int, /) -> int:
        """0 where the picture contradicts the sentence, 2 where it follows, 1 for neither."""
        return self.verdicts[index]

    def picture(self, index: int, /) -> int:
        """A number of the picture: sentences of one picture have the same."""
        return self._numbers[self.paths[index]]

    @cached_property
    def _numbers(self) -> dict[Path, int]:
        return {path: number for number, path in enumerate(dict.fromkeys(self.paths))}


def entailment_json(
    path: str | Path, images: str | Path, *, limit: int | None = None
) -> Entailments:
    """Read visual entailment: `FORMS`. Rows that the annotators did not decide are left out.

    Args:
        path: the file, one list or one row a line.
        images: the image root; a picture's name may lack ".jpg".
        limit: keep only the first so many sentences.

    Raises:
        FileNotFoundError: the file, the image root or an image is not there.
        ValueError: the file is of neither form, or no row is left.
    """
    path, root = Path(path), Path(images)
    if limit is not None and limit < 1:
        raise ValueError(f"limit={limit} leaves no sentence; give at least 1, or None for all")
    there = json_rows(path, "sentences with verdicts")
    if len(there) == 1 and PARTS & set(there[0] if isinstance(there[0], dict) else ()):
        raise ValueError(f"{str(path)!r} is no file of {FORMS}{but_looks_like(there[0])}")
    found = [_row(one, f"{str(path)!r}, row {n}") for n, one in enumerate(there)]
    rows = [row for row in found if row is not None]
    rows = rows[:limit]
    if not rows:
        raise ValueError(f"{str(path)!r} has no row with a verdict; expected {FORMS}")
    paths = image_paths([row.image for row in rows], root, path)
    return Entailments(
        name=path.stem,
        form="SNLI-VE's lines" if "Flickr30K_ID" in there[0] else "ALBEF's form of SNLI-VE",
        paths=paths,
        sentences=tuple(row.sentence for row in rows),
        verdicts=tuple(row.verdict for row in rows),
    )


class _Row(NamedTuple):
    image: str
    sentence: str
    verdict: int


def _row(row: Any, place: str) -> _Row | None:
    """One row of either form; None where the annotators did not decide."""
    if not isinstance(row, Mapping):
        raise ValueError(f"{place} is {short(row)}; expected a row of {FORMS}")
    match row:
        case {
            "Flickr30K_ID": str() | int() as image,
            "sentence2": str(sentence),
            "gold_label": str(label),
        }:
            pass
        case {"image": str(image), "sentence": str(sentence), "label": str(label)}:
            pass
        case {"sentence1": _, "sentence2": _, "gold_label": _}:
            raise ValueError(
                f"{place} is of SNLI, whose premises are texts: give SNLI-VE, whose rows name a "
                "picture as Flickr30K_ID"
            )
        case _:
            raise ValueError(f"{place} is no row of {FORMS}{but_looks_like([row])}")
    if label == UNDECIDED:
        return None
    if label not in VERDICTS:
        raise ValueError(f"{place} has the label {label!r}; expected {', '.join(VERDICTS)}")
    if not clean_caption(sentence):
        raise ValueError(f"{place}: the sentence {sentence!r} has no word; drop the row")
    name = str(image)
    return _Row(name if Path(name).suffix else f"{name}.jpg", sentence, VERDICTS.index(label))
