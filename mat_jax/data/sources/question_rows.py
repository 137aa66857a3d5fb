"""Questions about pictures with people's answers: VQA's own files, and ALBEF's form of them."""

import re
from collections import Counter
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
from mat_jax.utils.json_files import json_contents
from mat_jax.utils.text_files import short

FORMS = (
    'VQA\'s {"questions": [{"image_id", "question", "question_id"}]} or ALBEF\'s list of {"image", '
    '"question", "answer"}'
)
_SUBTYPE = re.compile(r"(?:train|val)2014|test2015")
_OPEN_ENDED = re.compile(r"OpenEnded_(mscoco_.*)_questions")


@dataclass(frozen=True, kw_only=True, eq=False)
class AnsweredQuestions:
    """Questions, each with its picture and what people answered.

    Args:
        name: of the source.
        form: of the files that it was read from, in words.
        paths: the picture of each question.
        questions: the texts.
        people: what people answered to each.
        answer_list: what a model may answer.
    """

    name: str
    form: str
    paths: tuple[Path, ...]
    questions: tuple[str, ...]
    people: tuple[tuple[str, ...], ...]
    answer_list: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.questions)

    def __getitem__(self, index: int, /) -> Example:
        row = range(len(self))[index]
        return Example(read_image(self.paths[row]), self.captions(row), row)

    def captions(self, index: int, /) -> tuple[str, ...]:
        """The one question."""
        return (self.questions[index],)

    def answers(self, index: int, /) -> tuple[str, ...]:
        """What people answered, ten of them in VQA."""
        return self.people[index]

    def picture(self, index: int, /) -> int:
        """A number of the picture: questions about one picture have the same."""
        return self._numbers[self.paths[index]]

    @cached_property
    def _numbers(self) -> dict[Path, int]:
        return {path: number for number, path in enumerate(dict.fromkeys(self.paths))}


def vqa_json(
    path: str | Path,
    images: str | Path,
    *,
    annotations: str | Path | None = None,
    answers: str | Path | None = None,
    limit: int | None = None,
) -> AnsweredQuestions:
    """Read visual question answering, in one of these forms:

    - VQA's as published: `v2_OpenEnded_mscoco_val2014_questions.json` and, beside it,
      `v2_mscoco_val2014_annotations.json`. Pictures are named `COCO_val2014_000000000042.jpg`;
    - ALBEF's and BLIP's: `[{"image": "val2014/COCO_val2014_000000000042.jpg", "question": "...",
      "answer": ["yes", ...], "question_id": 1, "dataset": "vqa"}, ...]`. An answer may be one text.

    Args:
        path: the file.
        images: the image root.
        annotations: of the first form, the file of answers; None takes the one beside `path`.
        answers: a JSON list of what a model may answer (`answer_list.json`, 3,128 of them for
            VQA 2.0); None takes the one beside `path` if it is there, else all answers that occur,
            the commonest first.
        limit: keep only the first so many questions.

    Raises:
        FileNotFoundError: a file, the image root or an image is not there.
        ValueError: a file is of neither form, or a question has no answer.
    """
    path, root = Path(path), Path(images)
    if limit is not None and limit < 1:
        raise ValueError(f"limit={limit} leaves no question; give at least 1, or None for all")
    contents = json_contents(path, "questions about pictures")
    if isinstance(contents, Mapping):
        rows = _published(contents, path, annotations, limit)
    elif isinstance(contents, list):
        rows = [_row(row, f"{str(path)!r}, row {n}") for n, row in enumerate(contents[:limit])]
    else:
        raise ValueError(f"{str(path)!r} holds a {type(contents).__name__}; expected {FORMS}")
    if not rows:
        raise ValueError(f"{str(path)!r} has no question; expected {FORMS}")
    paths = image_paths([row.image for row in rows], root, path)
    beside = path.parent / "answer_list.json"
    listed = Path(answers) if answers is not None else beside if beside.exists() else None
    return AnsweredQuestions(
        name=path.stem,
        form=f"{'VQA' if isinstance(contents, Mapping) else 'ALBEF'}'s form of questions",
        paths=paths,
        questions=tuple(row.question for row in rows),
        people=tuple(row.answers for row in rows),
        answer_list=_occurring(rows) if listed is None else _answer_list(listed),
    )


class _Row(NamedTuple):
    image: str
    question: str
    answers: tuple[str, ...]


def _row(row: Any, place: str) -> _Row:
    """One row of ALBEF's form."""
    match row:
        case {"image": str(image), "question": str(question), "answer": str(text)}:
            return _checked(image, question, [text], place)
        case {"image": str(image), "question": str(question), "answer": [*texts]}:
            return _checked(image, question, texts, place)
        case {"image": _, "question": _, "question_id": _}:
            raise ValueError(
                f"{place} has no answer, as rows of the test set: its answers are with VQA's "
                "server; give rows of the validation set"
            )
    raise ValueError(f"{place} is no row of {FORMS}{but_looks_like([row])}")


def _checked(image: str, question: str, texts: list[Any], place: str) -> _Row:
    if not clean_caption(question):
        raise ValueError(f"{place}: the question {question!r} has no word; drop the row")
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError(f"{place} has the answers {short(texts)}; expected one text or more")
    return _Row(image, question, tuple(texts))


def _published(
    contents: Mapping[str, Any], path: Path, annotations: str | Path | None, limit: int | None
) -> list[_Row]:
    """VQA's questions with the answers of its annotations."""
    asked = contents.get("questions")
    if not isinstance(asked, list):
        looks = but_looks_like(contents)
        raise ValueError(f"{str(path)!r} has no questions{looks}; give the questions, {FORMS}")
    subtype = contents.get("data_subtype") or next(iter(_SUBTYPE.findall(path.name)), None)
    if not isinstance(subtype, str):
        raise ValueError(
            f"{str(path)!r} does not say whose pictures it asks about; expected "
            '"data_subtype": "val2014" in it, or val2014 in its name'
        )
    people = _people(Path(annotations) if annotations is not None else _beside(path))
    rows = []
    for number, row in enumerate(asked[:limit]):
        place = f"{str(path)!r}, question {number}"
        match row:
            case {
                "image_id": int(image),
                "question": str(question),
                "question_id": int() | str() as identity,
            }:
                name = f"COCO_{subtype}_{image:012d}.jpg"
            case _:
                raise ValueError(
                    f'{place} is not of the form {{"image_id": ..., "question": ..., '
                    '"question_id": ...}'
                )
        if identity not in people:
            raise ValueError(
                f"{place} has the question_id {identity!r}, which the annotations lack; give "
                "those of the same set"
            )
        rows.append(_checked(name, question, people[identity], place))
    return rows


def _beside(path: Path) -> Path:
    """The annotations that are published with a file of questions."""
    stem = _OPEN_ENDED.sub(r"\1_annotations", path.stem)
    if stem == path.stem:
        raise ValueError(
            f"{str(path)!r} is not named as VQA names its questions, so its annotations cannot be "
            "found: give annotations="
        )
    return path.with_name(f"{stem}.json")


def _people(path: Path) -> dict[Any, list[str]]:
    """What people answered, by the question's number."""
    contents = json_contents(path, "VQA's annotations")
    rows = contents.get("annotations") if isinstance(contents, Mapping) else None
    if not isinstance(rows, list):
        raise ValueError(
            f"{str(path)!r} has no annotations{but_looks_like(contents)}; expected "
            '{"annotations": [{"question_id": ..., "answers": [{"answer": ...}, ...]}, ...]}'
        )
    found = {}
    for number, row in enumerate(rows):
        match row:
            case {"question_id": int() | str() as identity, "answers": [*answers]} if all(
                isinstance(one, Mapping) and "answer" in one for one in answers
            ):
                found[identity] = [one["answer"] for one in answers]
            case _:
                raise ValueError(
                    f"{str(path)!r}, annotation {number} is not of the form "
                    '{"question_id": ..., "answers": [{"answer": ...}, ...]}'
                )
    return found


def _answer_list(path: Path) -> tuple[str, ...]:
    found = json_contents(path, "a list of answers")
    if (
        not isinstance(found, list)
        or not found
        or not all(isinstance(text, str) and text.strip() for text in found)
    ):
        looks = but_looks_like(found)
        raise ValueError(f'{str(path)!r} is no list of answers{looks}; expected ["yes", "no", ...]')
    return tuple(dict.fromkeys(found))


def _occurring(rows: list[_Row]) -> tuple[str, ...]:
    """All answers, the commonest first; of equals the one that came first."""
    counts = Counter(text for row in rows for text in row.answers)
    return tuple(text for text, _ in counts.most_common())
