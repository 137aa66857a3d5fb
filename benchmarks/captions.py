"""What a captioner says of the embedded world, and how often it is true.

python benchmarks/captions.py --model scenes-captioner --limit 250

For greedy, beam-3 and nucleus decoding: the share of captions that the world's oracle reads and
finds true of the picture, the share it can read at all, how many captions differ, how many claims
(nouns) a caption makes, and the captions a second; then some captions of each. The world's own
captions stand first; some are careless, and not quite true. Those of another picture stand last:
what chance gives.
"""

import argparse
import time

import jax
import numpy as np

from mat_jax import data, models
from mat_jax.data.scenes import Scenes, lexicon, oracle
from mat_jax.models import generation

BATCH = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="scenes-captioner")
    parser.add_argument("--limit", type=int, default=250, help="pictures")
    given = parser.parse_args()
    model, tokenizer = models.load(given.model)
    world = data.load_scenes("test", limit=given.limit)
    pictures = np.stack([np.float32(world[i].image) / 255 for i in range(len(world))])
    own = [world.captions(i)[0] for i in range(len(world))]
    keys = jax.random.split(jax.random.key(0), len(world))
    ways = {
        "greedy": lambda at: generation.greedy(model, pictures[at]),
        "beam 3": lambda at: generation.beam_search(model, pictures[at]),
        "nucleus": lambda at: generation.nucleus(model, pictures[at], keys[at]),
    }
    print(f"{given.model}, {len(world)} pictures of {world.name}\n")
    print(f"{'':10}{'true %':>8}{'read %':>8}{'distinct':>10}{'nouns':>7}{'a second':>10}")
    shown = {"the world": own}
    show("the world", own, world, None)
    for name, write in ways.items():
        write(slice(BATCH))  # compile
        start = time.perf_counter()
        parts = [np.asarray(write(slice(at, at + BATCH))) for at in range(0, len(world), BATCH)]
        seconds = time.perf_counter() - start
        shown[name] = tokenizer.captions(np.concatenate(parts))
        show(name, shown[name], world, len(world) / seconds)
    show("another's", own[1:] + own[:1], world, None)
    for i in range(min(4, len(world))):
        print()
        for name, captions in shown.items():
            print(f"{i} {name:10} {captions[i]}")


def show(name: str, captions: list[str], world: Scenes, speed: float | None) -> None:
    """One row of the table."""
    readable = [oracle.read(caption) is not None for caption in captions]
    true = [world.oracle(i)(caption) for i, caption in enumerate(captions)]
    nouns = [sum(word in lexicon.NOUNS for word in caption.split()) for caption in captions]
    print(
        f"{name:10}{100 * np.mean(true):8.1f}{100 * np.mean(readable):8.1f}"
        f"{len(set(captions)):10}{np.mean(nouns):7.2f}" + (f"{speed:10.1f}" if speed else "")
    )


if __name__ == "__main__":
    main()
