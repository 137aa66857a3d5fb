"""MAT's figure 5: the pictures that captions find under attack, framed blue if right, else red."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from experiments.study import studies
from experiments.study.saved import SHOWN, Saved, Shelf
from experiments.study.tables import protocol
from mat_jax import data
from mat_jax.utils.files import writing

BLUE, RED, PAPER = (37, 99, 235), (220, 38, 38), (255, 255, 255)
SIDE, FRAME, GAP = 96, 5, 8


def neighbours(shelf: Shelf, results: Path) -> str:
    """For some captions of the gallery, evenly spaced and not chosen, what two defences find.

    The five nearest pictures of each caption under SGA, whose gallery is all attacked; pictures are
    shown as they were before.
    """
    runs = [run for run in studies.every()["neighbours"] if run.key in shelf]
    first = [shelf.of(run.key)[0] for run in runs]
    if len(first) < 2 or not all(one.content["neighbours"] for one in first):
        return ""
    gallery = first[0].content["protocol"]["gallery"]
    if gallery != "scenes/test":
        return ""
    scenes = data.load_scenes("test", limit=first[0].content["protocol"]["images"])
    parts = [
        protocol(Shelf({run.key: shelf.of(run.key)[:1] for run in runs}), runs),
        "The first caption of some test scenes, after SGA's attack on the model that reads it, and "
        "the five nearest pictures of the attacked gallery (by cosine). Blue: the caption's own "
        "picture; red: another. Left alone, the picture that is looked for.",
    ]
    for number, told in enumerate(first[0].content["neighbours"]):
        parts.append(f"> {told['caption']}")
        for run, one in zip(runs, first, strict=True):
            own = one.content["neighbours"][number]
            file = results / "figures" / f"found-{run.name}-{number}.png"
            with writing(file) as stream:
                strip(scenes, one, number).save(stream, "PNG", optimize=True)
            right = own["image"] in own[SHOWN][:1]
            parts.append(
                f"{run.title} reads “{own['attacked']}” and is {'right' if right else 'wrong'}:\n\n"
                f"![{run.title}: five nearest pictures](figures/{file.name})"
            )
    return "\n\n".join(parts)


def strip(gallery: Any, one: Saved, number: int) -> Image.Image:
    """The picture that is looked for, a gap, and the five that are found, in their frames."""
    own = one.content["neighbours"][number]
    places = [own["image"], *own[SHOWN]]
    width = FRAME * 2 + SIDE
    sheet = Image.new("RGB", (len(places) * (width + GAP) + 2 * GAP, width), PAPER)
    for n, place in enumerate(places):
        picture = Image.fromarray(np.asarray(gallery[place].image)).resize(
            (SIDE, SIDE), Image.Resampling.NEAREST
        )
        colour = PAPER if n == 0 else BLUE if place == own["image"] else RED
        framed = Image.new("RGB", (width, width), colour)
        framed.paste(picture, (FRAME, FRAME))
        sheet.paste(framed, (n * (width + GAP) + (2 * GAP if n else 0), 0))
    return sheet
