"""Draws docs/attack.png: scenes before and after an attack, and what two models make of them.

python docs/attack_picture.py --defended runs/quickstart/export

The attack is SGA at 6/255 with one word, crafted on each model by itself. Under each picture stands
its first caption, with the changed word in red. Beside it stands whether the picture finds a
caption of its own among those of 100 scenes. All of them are attacked.
"""

import argparse
from pathlib import Path

import jax
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mat_jax import attacks, data, models
from mat_jax.evaluate.tasks.cosine_ranks import retrieval_ranks
from mat_jax.models.features import encode_images, encode_texts

SIDE, MARGIN, TEXT = 190, 18, 15
INK, SOFT, RED, BLUE = "#1f2328", "#59616b", "#c2410c", "#0b5cad"
SCENES, SHOWN = 100, (3, 17)


def attacked(name: str) -> tuple[np.ndarray, list[list[str]], np.ndarray, np.ndarray]:
    """Pictures, captions, and the ranks of text retrieval before and after, on 100 scenes."""
    model, tokenizer = models.load(name)
    scenes = data.load_scenes("test", limit=SCENES)
    corpus = data.Corpus.prepare(scenes, tokenizer, image_size=64)
    corpus = corpus.with_words(data.Substitutes().build(corpus, tokenizer))
    threat = attacks.ThreatModel(eps=6 / 255, steps=10)
    attack = attacks.compile_attack(attacks.sga_attack, model, threat=threat)
    owner = np.repeat(np.arange(SCENES), [len(texts) for texts in corpus.texts])
    pictures, captions = [], []
    for first in range(0, SCENES, 50):
        rows = range(first, first + 50)
        adv = jax.device_get(attack(corpus.batch(rows), jax.random.key(0)))
        pictures.append(adv.images)
        captions += [
            [
                corpus.adversarial_caption(row, m, adv.choice[b, m].tolist())
                for m in range(len(corpus.captions(row)))
            ]
            for b, row in enumerate(rows)
        ]
    images = np.concatenate(pictures)
    clean = np.stack([corpus.image(i) for i in range(SCENES)]) / np.float32(255)
    before, after = (
        retrieval_ranks(
            encode_images(model, pixels).unit,
            encode_texts(model, tokenizer, [text for own in texts for text in own]).unit,
            owner,
        )["tr"]
        for pixels, texts in ((clean, corpus.texts), (images, captions))
    )
    return images, captions, before, after


def draw(results: dict[str, tuple], out: Path) -> None:
    """One row a scene: clean, and each model's adversarial picture with its caption and verdict."""
    scenes = data.load_scenes("test", limit=SCENES)
    font, small = ImageFont.load_default(TEXT), ImageFont.load_default(TEXT - 2)
    width = MARGIN + (1 + len(results)) * (SIDE + 130 + MARGIN)
    height = MARGIN + 34 + len(SHOWN) * (SIDE + 74)
    page = Image.new("RGB", (width, height), "#ffffff")
    pen = ImageDraw.Draw(page)
    for column, name in enumerate(("clean", *(f"attacked, {one}" for one in results))):
        pen.text((MARGIN + column * (SIDE + 130 + MARGIN), MARGIN), name, INK, font)
    for line, row in enumerate(SHOWN):
        top = MARGIN + 34 + line * (SIDE + 74)
        caption = data.clean_caption(scenes.captions(row)[0])
        cells: list[tuple[np.ndarray, str, tuple[int, int] | None]]
        cells = [(scenes[row].image, caption, None)]
        for images, captions, before, after in results.values():
            pixels = np.round(255 * np.asarray(images[row])).astype(np.uint8)
            cells.append((pixels, captions[row][0], (int(before[row]), int(after[row]))))
        for column, (pixels, text, ranks) in enumerate(cells):
            left = MARGIN + column * (SIDE + 130 + MARGIN)
            picture = Image.fromarray(np.asarray(pixels)).resize(
                (SIDE, SIDE), Image.Resampling.NEAREST
            )
            page.paste(picture, (left, top))
            _caption(pen, (left, top + SIDE + 6), text, caption, small)
            if ranks is not None:
                good = ranks[1] == 1
                told = [
                    "its caption is",
                    f"at rank {ranks[0]} clean,",
                    f"at rank {ranks[1]} attacked",
                ]
                for place, words in enumerate(told):
                    colour = SOFT if place < 2 else BLUE if good else RED
                    pen.text((left + SIDE + 8, top + 6 + 20 * place), words, colour, small)
    page.save(out)


def _caption(pen: ImageDraw.ImageDraw, at: tuple[int, int], text: str, clean: str, font) -> None:
    """The words of a caption in two or three lines, those that were put in in red."""
    x, y = at
    for word, old in zip(text.split(), clean.split(), strict=False):
        length = pen.textlength(f"{word} ", font)
        if x + length > at[0] + SIDE + 120:
            x, y = at[0], y + 18
        pen.text((x, y), word, INK if word == old else RED, font)
        x += length


if __name__ == "__main__":
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--defended", default="runs/quickstart/export")
    line.add_argument("--out", type=Path, default=Path(__file__).with_name("attack.png"))
    given = line.parse_args()
    draw(
        {"undefended CLIP": attacked("scenes-clip"), "after MAT": attacked(given.defended)},
        given.out,
    )
