"""Draws docs/pictures/NAME.png: what attacks on a retrieval model do to one scene.

python docs/attack_pictures.py [NAME ...]     # all that change pictures or words, if none is named

Each is crafted on the shipped `scenes-clip` (`scenes-albef` where a model must fuse) at 6/255, 10
steps and one word, in a batch of eight scenes. From left to right: the clean picture, the attacked
one, and their difference, so that grey is none and black or white the whole radius. Below stand the
first caption, with what was put in in red, and its cosine before and after.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mat_jax import Evaluation, data, models
from mat_jax.attacks import ATTACKS
from mat_jax.cli.crafting import bench_of, crafted
from mat_jax.evaluate.tasks.registry import task_named

SIDE, MARGIN, LINES = 128, 8, 54
INK, SOFT, RED = "#1f2328", "#59616b", "#c2410c"
COUNT, ROW, EPS = 8, 3, 6 / 255


def named() -> list[str]:
    """The attacks that are drawn: those made for retrieval, but for none."""
    return [one for one in ATTACKS if one != "none" and task_named("retrieval").allows(one)]


def draw(name: str, out: Path) -> None:
    """The picture of one attack."""
    model, tokenizer = models.load("scenes-albef" if ATTACKS[name].fuses else "scenes-clip")
    evaluation = Evaluation(
        data=data.load_scenes("test", limit=COUNT),
        attacks=(name,),
        eps=EPS,
        steps=10,
        mlm="scenes-bert",
        batch_size=COUNT,
        shown=COUNT,
    )
    bench = bench_of(evaluation, model, tokenizer, quiet=True)
    made = crafted(bench, name)
    own = int(np.flatnonzero(made.owner == ROW)[0])
    cosines = float(made.cosines_before[ROW, own]), float(made.cosines_after[ROW, own])
    page = _page(made.clean[ROW], made.adversarial[ROW], made.before[own], made.after[own], cosines)
    page.save(out / f"{name}.png", optimize=True)


def _page(
    clean: np.ndarray, moved: np.ndarray, before: str, after: str, cosines: tuple[float, float]
) -> Image.Image:
    width = 3 * SIDE + 4 * MARGIN
    page = Image.new("RGB", (width, SIDE + 2 * MARGIN + LINES), "#ffffff")
    pen = ImageDraw.Draw(page)
    difference = 0.5 + (moved / 255 - clean / 255) / (2 * EPS)
    grey = np.round(255 * np.clip(difference, 0, 1)).astype(np.uint8)
    for place, pixels in enumerate((clean, moved, grey)):
        shown = Image.fromarray(pixels)
        shown = shown.resize((SIDE, SIDE), Image.Resampling.NEAREST)
        page.paste(shown, (MARGIN + place * (SIDE + MARGIN), MARGIN))
    font = ImageFont.load_default(12)
    x, y = MARGIN, SIDE + 2 * MARGIN
    was = before.split()
    for word in after.split():
        length = pen.textlength(f"{word} ", font)
        if x + length > width - MARGIN:
            x, y = MARGIN, y + 15
        pen.text((x, y), word, INK if word in was else RED, font)
        x += length
    told = f"cosine {cosines[0]:.2f} clean, {cosines[1]:.2f} attacked"
    pen.text((MARGIN, SIDE + 2 * MARGIN + 34), told, SOFT, font)
    return page


if __name__ == "__main__":
    folder = Path(__file__).with_name("pictures")
    folder.mkdir(exist_ok=True)
    for one in sys.argv[1:] or named():
        draw(one, folder)
        print(one, flush=True)
