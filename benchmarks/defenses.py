"""What each defence costs: training images per second, beside the passes counted beforehand.

python benchmarks/defenses.py --size small --batch 32 --repeats 5 --json figures.json

All defences train the same CLIP with the settings of their papers (`mat_jax.defenses`' defaults)
on the same images, and take turns in one process. The passes of a step are those of
`defenses.cost.passes`: F forward, B backward to the pixels, U backward to the weights, each for
one image or caption. With a forward pass of an image and of a caption weighing as many operations
as they have, the cost over a step of plain fine-tuning, whose forward and backward make 1, is

    count = (w_image (F + B + 2 U) + w_text (F + B + 2 U)) / (3 (w_image + w_text)),

for MAT 1 + 2/3 of the images' share for each PGD step + 1/3 for the clean pair + 1/3 of the
captions' share for each caption that is scored. `measured / count` above 1 is time that passes
through the towers do not explain. The optimizer is plain SGD, so that a state is no more than
weights. Compiling all of them takes minutes, and with JAX_COMPILATION_CACHE_DIR=folder only the
first time.
"""

import argparse
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # mat_jax, installed or not

import clock  # noqa: E402
import flops  # noqa: E402
import jax  # noqa: E402
import numpy as np  # noqa: E402
import optax  # noqa: E402
import work  # noqa: E402
from flax import nnx  # noqa: E402

from mat_jax import defenses as d  # noqa: E402
from mat_jax import models  # noqa: E402
from mat_jax.data.substitutes.characters import CHARACTERS  # noqa: E402
from mat_jax.defenses.cost import passes  # noqa: E402
from mat_jax.train import mesh, sharding, state
from mat_jax.train.step import compile_step  # noqa: E402
from mat_jax.types.arrays import Batch  # noqa: E402
from tests.tools.narrow import host, some

CLASSES, PLACES = 50, 5  # class prompts; places of a word where LEAF may put a character
PLAIN = "fine-tuning"


def every(prompts: d.Prompts) -> dict[str, Any]:
    """The defences by their names in the table."""
    return {
        PLAIN: d.FineTune(),
        "TeCoA": d.TeCoA(prompts),
        "TeCoA-ITR": d.TeCoAITR(),
        "FARE": d.FARE(),
        "Sim-CLIP": d.SimCLIP(),
        "QT-AFT": d.QTAFT(),
        "PMG-AFT": d.PMGAFT(prompts),
        "TGA-ZSR": d.TGAZSR(prompts),
        "LEAF": d.LEAF(),
        "FARE + LEAF": d.FARELEAF(),
        "MMCoA": d.MMCoA(prompts),
        "MAVA": d.MAVA(),
        "MAVA, as released": d.MAVA(neighbours="trajectory", attack="nesterov"),
        "MAT": d.MAT(),
        "MAT, promising words": d.MAT(search="promising"),
        "MAT, image tower": d.MAT(part="vision"),
        "MAT, 4 replays": d.MAT(steps=0, replays=4),
        "MAT+": d.MATPlus(),
    }


class Training:
    """A defence's step, ready to be run. Each update starts where the one before ended."""

    def __init__(self, model: models.CLIP, defense: d.Defense[Any], batch: Batch):
        layout, weights = state.flatten(model)
        optimizer, devices = optax.sgd(1e-4), mesh.make(1)
        begin = state.create(weights, optimizer, defense.trains, seed=0)
        # Placed as a step leaves it, or the second step would be compiled anew.
        self.state = jax.device_put(begin, sharding.state_shardings(devices, begin))
        self.step = compile_step(layout, defense, optimizer, devices, self.state)
        self.reference = None
        if defense.needs_reference:
            self.reference = jax.device_put(weights, sharding.state_shardings(devices, weights))
        self.batch = jax.device_put(batch, mesh.batch_sharding(devices))

    def __call__(self) -> Any:
        self.state, metrics = self.step(self.state, self.reference, self.batch)
        return jax.block_until_ready(metrics)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Times and counts of all defences asked for."""
    config = work.SIZES[args.size]
    model = models.CLIP(config, nnx.Rngs(0))
    texts = tuple(f"class {i}" for i in range(CLASSES))
    tokens = work.batch(model, CLASSES, captions=1, seed=2).tokens
    prompts = d.Prompts(texts, jax.tree.map(lambda x: jax.device_put(x[:, 0]), tokens))
    wanted = None if args.only is None else [PLAIN, *named(args.only)]
    chosen = {n: one for n, one in every(prompts).items() if wanted is None or n in wanted}
    batches = {n: batch_for(one, model, args.batch) for n, one in chosen.items()}
    programs = {}
    for name, one in chosen.items():
        print(f"compiling {name}", file=sys.stderr)
        programs[name] = Training(model, one, batches[name])
        programs[name]()
    seconds = clock.take_turns(programs, args.repeats, warm=True)
    weights = (flops.vision(config, pooled=True).forward, flops.text(config, pooled=True).forward)
    rows = []
    for name, defense in chosen.items():
        updates = defense.replays
        found = passes(defense, batch_size=args.batch, open_words=open_words(batches[name]))
        rows.append(
            {
                "defense": name,
                "updates": updates,
                "seconds": seconds[name],
                "passes": {n: value / updates for n, value in found._asdict().items()},
                "count": found.relative(*weights) / updates,
            }
        )
    return {
        "settings": vars(args),
        "machine": clock.machine() | {"load_after": os.getloadavg()},
        "forward_gflop": {"image": weights[0] / 1e9, "caption": weights[1] / 1e9},
        "rows": rows,
    }


def named(only: str) -> list[str]:
    """The names in a list; some have commas, so semicolons part them."""
    return [name.strip() for name in only.split(";") if name.strip()]


def batch_for(defense: d.Defense[Any], model: models.CLIP, size: int) -> Batch:
    """The batch of `work`, as the defence's run would bring it: captions, labels, edits."""
    batch = work.batch(model, size, captions=some(defense.texts))
    batch = batch._replace(labels=host(np.arange(size, dtype=np.int32) % CLASSES))
    if isinstance(defense, d.LEAF | d.FARELEAF):
        assert batch.words is not None
        random, lengths = np.random.default_rng(0), batch.words.lengths
        shape = (*lengths.shape, PLACES * len(CHARACTERS))
        edits = random.integers(0, model.config.text.vocab_size - 2, (*shape, 2), np.int32)
        there = np.broadcast_to((lengths > 0)[..., None], shape).astype(np.int32)
        batch = batch._replace(
            words=batch.words._replace(substitutes=host(edits), substitute_lengths=host(there))
        )
    return jax.device_put(batch)


def open_words(batch: Batch) -> float:
    """Words with substitutes, of the caption that has most."""
    assert batch.words is not None
    return float(np.asarray(batch.words.substitute_lengths > 0).any(-1).sum(-1).max())


def table(figures: dict[str, Any]) -> str:
    """The figures as Markdown; images are those an update sees."""
    size = figures["settings"]["batch"]
    each = {row["defense"]: size * row["updates"] for row in figures["rows"]}
    medians = {row["defense"]: statistics.median(row["seconds"]) for row in figures["rows"]}
    plain = each[PLAIN] / medians[PLAIN]
    gflop = figures["forward_gflop"]
    lines = [
        f"Forward: an image {gflop['image']:.3g} GF, a caption {gflop['caption']:.3g} GF.",
        "",
        "| defence | s a step (spread) | images/s | of fine-tuning | image F, B, U "
        "| caption F, B, U | count | measured | measured / count |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in figures["rows"]:
        name, times, counted = row["defense"], row["seconds"], row["passes"]
        rate = each[name] / medians[name]
        images = (counted[f"image_{what}"] for what in ("forwards", "backwards", "updates"))
        captions = (counted[f"text_{what}"] for what in ("forwards", "backwards", "updates"))
        lines.append(
            f"| {name} | {medians[name]:.3f} ({min(times):.3f}-{max(times):.3f}) | {rate:.1f} | "
            f"{rate / plain:.2f} | {', '.join(f'{x:.3g}' for x in images)} | "
            f"{', '.join(f'{x:.3g}' for x in captions)} | {row['count']:.2f} | "
            f"{plain / rate:.2f} | {plain / rate / row['count']:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=list(work.SIZES), default="small")
    parser.add_argument("--batch", type=int, default=32, help="images a step")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--only",
        metavar="NAMES",
        help="some, beside fine-tuning: 'MAT; MAT, promising words; FARE'",
    )
    parser.add_argument("--json", metavar="FILE", help="write all figures here")
    args = parser.parse_args()
    for name in ("batch", "repeats"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} {getattr(args, name)} must be 1 or more")
    names = list(every(d.Prompts(("one", "two"))))
    for name in named(args.only or ""):
        if name not in names:
            parser.error(f"--only {name!r} is none of {'; '.join(names)}")
    clock.warn_if_busy()
    figures = measure(args)
    print(table(figures))
    if args.json:
        Path(args.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
