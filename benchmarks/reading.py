"""How fast pictures are read for training, and how many cores keep up with a step.

python -m benchmarks.reading --pictures 256 --readers 1,2 --repeats 3

JPEGs of 640 x 480 pixels, each read once, come as training batches of 224 x 224: decoded, resized,
with their captions. `readers` are the threads that decode: as many as there are cores, if nobody
says. `scaling` is the speed of several over that of one: near their number, they do not wait for
each other, and worker processes would bring nothing. The last lines set the cores against steps of
MAT at their best, from docs/plans.json.
"""

import argparse
import json
import math
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from benchmarks.clock import machine, warn_if_busy
from mat_jax import data, models
from mat_jax.data import pixels

ROOT = Path(__file__).resolve().parents[1]
BATCH = 32


def draw(folder: Path, count: int) -> Path:
    """Photographs of a kind: drawn scenes, enlarged, with a camera's noise; and their file."""
    random, rows = np.random.default_rng(0), []
    for number, example in enumerate(data.load_scenes("train", limit=count)):
        picture = np.asarray(Image.fromarray(example.image).resize((640, 480)), np.float32)
        noisy = np.clip(picture + random.normal(0, 8, picture.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{number}.jpg", quality=90)
        rows.append({"image": f"{number}.jpg", "caption": list(example.captions)})
    (folder / "train.json").write_text(json.dumps(rows))
    return folder / "train.json"


def read(file: Path, tokenizer: models.Tokenizer, readers: int) -> tuple[float, float]:
    """Seconds of an image, of the clock and of the processor, all read for the first time."""
    source = data.retrieval_json(file, images=file.parent)
    corpus = data.Corpus.prepare(source, tokenizer, image_size=224)
    pixels.READERS = readers
    batches = data.training_batches(corpus, batch_size=BATCH, seed=0, threads=1, ahead=1)
    count = len(corpus) // BATCH
    wall, worked = time.perf_counter(), time.process_time()
    for _ in range(count):
        next(batches)
    images = count * BATCH
    return (time.perf_counter() - wall) / images, (time.process_time() - worked) / images


def main() -> None:
    """Measure and print."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--pictures", type=int, default=256)
    line.add_argument("--readers", default="1,2")
    line.add_argument("--repeats", type=int, default=3)
    line.add_argument("--json", type=Path)
    given = line.parse_args()
    warn_if_busy()
    readers = [int(one) for one in given.readers.split(",")]
    _, tokenizer = models.load("scenes-clip")
    taken: dict[int, list[tuple[float, float]]] = {count: [] for count in readers}
    with tempfile.TemporaryDirectory() as folder:
        file = draw(Path(folder), given.pictures)
        for _ in range(given.repeats):
            for count in readers:
                taken[count].append(read(file, tokenizer, count))
    one = median(wall for wall, _ in taken[readers[0]])
    worked = median(work for _, work in taken[readers[0]])
    for count in readers:
        wall = median(wall for wall, _ in taken[count])
        print(f"{count} readers: {1 / wall:.0f} images a second, scaling {one / wall:.2f}")
    print(f"one core: {1 / worked:.0f} images a second")
    for name, found in json.loads((ROOT / "docs/plans.json").read_text()).items():
        if "H100" in name and "error" not in found:
            plan = found[0]
            rate = plan["batch_size"] / plan["at_best"]
            print(f"{name}: {rate:.0f} images a second at best, {math.ceil(rate * worked)} cores")
    if given.json:
        found = {"machine": machine(), "seconds": taken}
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
