"""Draws docs/pictures/tasks/NAME.png: a task on one scene, clean and under attack.

python docs/task_pictures.py [NAME ...]     # all tasks, if none is named

Each is measured on the task's shipped model at 6/255, 10 steps and one word. Shown is the first of
some scenes on which the model is right, and wrong under attack. Below each picture stands what was
asked and what the model answered. A word that the attack put in is red, and so is a wrong answer.
"""

import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from building.pages import SHIPPED
from PIL import Image, ImageDraw, ImageFont

from mat_jax import Evaluation, data, evaluate, models
from mat_jax.evaluate.results import Result, Row
from mat_jax.evaluate.tasks.registry import TASKS

SIDE, MARGIN, LINE, LETTERS = 192, 8, 15, 31
INK, SOFT, RED = "#1f2328", "#59616b", "#c2410c"
COUNT, EPS = 8, 6 / 255


@dataclass(frozen=True)
class Shown:
    """How a task is shown.

    Attributes:
        attack: under which.
        source: the questions, of some scenes.
        asked: of a result, a row and an example, what the model was asked.
        answer: of the same, what it answered.
        constraint: what words may be put in.
    """

    attack: str
    source: Callable[[Any], Any]
    asked: Callable[[Result, Row, int], str]
    answer: Callable[[Result, Row, int], str]
    constraint: str = "none"


def text_of(result: Result, row: Row, place: int) -> str:
    """The text of an example as the model read it."""
    return row.captions[place]


def nearest(result: Result, row: Row, place: int) -> str:
    """The caption that stands nearest to a picture."""
    assert row.sights is not None and row.sights.texts is not None
    return result.clean.captions[int(row.sights.texts[place][0])]


def listed(result: Result, row: Row, place: int) -> str:
    """The name of the answer, of a task that has a list of them."""
    assert result.answers is not None
    return result.answers.names[int(next(iter(row.ranks.answers.values()))[place])]


def said(result: Result, row: Row, place: int) -> str:
    """What was written."""
    return str(next(iter(row.ranks.answers.values()))[place])


def chosen(result: Result, row: Row, place: int) -> str:
    """Whether the box is the right one; the picture shows which."""
    return "its own box" if right(row, place) else "another box"


def right(row: Row, place: int) -> bool:
    """Whether the answer to an example is right; of one that may be so in part, mostly."""
    kind = row.ranks.kinds[0]
    if kind in row.ranks.marks:
        return bool(row.ranks.marks[kind][place] > 0.9)
    return bool(row.ranks[kind][place] == 1)


SHOWN = {
    "retrieval": Shown("sga", lambda s: s, lambda *_: "Which caption is nearest?", nearest),
    "zero_shot": Shown("apgd_ce", data.Kinds, lambda *_: "Which class is it?", listed),
    "entailment": Shown("verdict", data.Verdicts, text_of, listed, "truthful"),
    "vqa": Shown("answer", data.Questions, text_of, listed, "truthful"),
    "grounding": Shown("co_attack", data.Phrases, text_of, chosen),
    "captioning": Shown("caption_away", lambda s: s, lambda *_: "What is there to see?", said),
}


def draw(name: str, out: Path) -> None:
    """The picture of one task.

    Raises:
        ValueError: the attack misled the model on none of the scenes.
    """
    shown = SHOWN[name]
    evaluation = Evaluation(
        data=shown.source(data.load_scenes("test", limit=COUNT)),
        task=name,
        attacks=("none", shown.attack),
        eps=EPS,
        steps=10,
        mlm="scenes-bert",
        constraint=shown.constraint,
        batch_size=COUNT,
        shown=10 * COUNT,
        checks=0,
    )
    result = evaluate.evaluate(evaluation, *models.load(SHIPPED[name]), name="x", quiet=True)
    clean, attacked = result.clean, result.row(shown.attack)
    misled = [n for n in result.shown if right(clean, n) and not right(attacked, n)]
    if not misled:
        raise ValueError(f"{shown.attack} misleads {SHIPPED[name]} nowhere: show another attack")
    columns = [_column(shown, result, row, misled[0]) for row in (clean, attacked)]
    height = max(column.height for column in columns)
    page = Image.new("RGB", (2 * SIDE + 3 * MARGIN, height), "#ffffff")
    for number, column in enumerate(columns):
        page.paste(column, (MARGIN + number * (SIDE + MARGIN), 0))
    page.save(out / f"{name}.png", optimize=True)


def _column(shown: Shown, result: Result, row: Row, place: int) -> Image.Image:
    """The picture that the model saw, what it was asked and what it answered."""
    assert row.sights is not None
    seen = row.sights.images if row.sights.overlays is None else row.sights.overlays
    pixels = seen[result.shown.index(place)]
    if pixels.dtype != np.uint8:
        pixels = np.round(255 * pixels).astype(np.uint8)
    asked, answer = shown.asked(result, row, place), shown.answer(result, row, place)
    was = shown.asked(result, result.clean, place).split()
    lines = [(line, SOFT, was) for line in textwrap.wrap(asked, LETTERS)]
    colour = INK if right(row, place) else RED
    lines += [(line, colour, line.split()) for line in textwrap.wrap(f"-> {answer}", LETTERS)]
    column = Image.new("RGB", (SIDE, SIDE + 2 * MARGIN + LINE * len(lines) + MARGIN), "#ffffff")
    if row.sights.overlays is not None:  # of smooth maps, or the file would be large
        pixels = pixels & 0xFC
    picture = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    column.paste(picture, (0, MARGIN))
    pen, font = ImageDraw.Draw(column), ImageFont.load_default(12)
    for number, (line, colour, known) in enumerate(lines):
        x, y = 0.0, SIDE + 2 * MARGIN + LINE * number
        for word in line.split():
            pen.text((x, y), word, colour if word in known else RED, font)
            x += pen.textlength(f"{word} ", font)
    return column


if __name__ == "__main__":
    folder = Path(__file__).with_name("pictures") / "tasks"
    folder.mkdir(parents=True, exist_ok=True)
    for one in sys.argv[1:] or TASKS:
        draw(one, folder)
        print(one, flush=True)
