"""How long checkpoints hold up the training: steps with and without, in turn.

python -m benchmarks.checkpoints --width 256 --layers 6 --batch 16 --steps 20 --every 10 --rounds 3

A save returns when the state is copied, and is written beside the steps that follow. `held` is how
long it keeps the loop. `slower` is what remains in the whole: on a CPU the writing takes processor
time from the steps, on an accelerator it does not. With checkpoints `--usual` steps apart, as an
experiment has them, the share of both is `usual`.
"""

import argparse
import contextlib
import json
import tempfile
import time
from pathlib import Path
from statistics import median

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.clock import machine
from mat_jax import defenses, models
from mat_jax.train import mesh, state
from mat_jax.train.checkpoint import Checkpoints
from mat_jax.train.step import compile_step
from mat_jax.types.arrays import Batch, Tokens


def main() -> None:
    """Measure and print."""
    line = argparse.ArgumentParser(description=__doc__)
    for name, value in (
        ("width", 256),
        ("layers", 6),
        ("batch", 16),
        ("steps", 20),
        ("every", 10),
        ("rounds", 3),
        ("usual", 200),
    ):
        line.add_argument(f"--{name}", type=int, default=value)
    line.add_argument("--json", type=Path)
    given = line.parse_args()
    tokenizer = models.Tokenizer.train_clip(["red beside blue"], 600, 24)
    config = models.CLIPConfig(
        image_size=64,
        patch_size=16,
        vision=models.ViTConfig(width=given.width, layers=given.layers, heads=4),
        text=models.BertConfig(width=given.width, layers=given.layers, heads=4),
        embed=given.width,
    )
    model, tokenizer = models.Fresh(config, tokenizer).build(0)
    tokens = tokenizer(["red beside blue"] * given.batch)
    batch = Batch(
        ids=jnp.arange(given.batch, dtype=jnp.int32),
        images=jnp.asarray(np.random.default_rng(0).random((given.batch, 64, 64, 3), np.float32)),
        tokens=Tokens(*(jnp.asarray(x)[:, None] for x in tokens)),
        present=jnp.ones((given.batch, 1), bool),
        words=None,
        labels=None,
        partner_images=None,
        answers=None,
    )
    defense, optimizer = defenses.FineTune(), optax.adamw(1e-5)
    layout, weights = state.flatten(model)
    now = state.create(weights, optimizer, defense.trains, 0)
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(now))
    step = compile_step(layout, defense, optimizer, mesh.make(1), now)
    now, _ = step(now, None, batch)
    held, seconds = [], {"without": [], "with": []}
    number = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(Checkpoints(Path(folder) / "c", every=1, keep=2)) as checkpoints,
    ):
        for turn in range(2 * given.rounds + 1):
            name = ("with", "without")[turn % 2]
            start = time.perf_counter()
            for index in range(given.steps):
                now, metrics = step(now, None, batch)
                number += 1
                if name == "with" and index % given.every == 0:
                    jax.block_until_ready(metrics)
                    before = time.perf_counter()
                    checkpoints.save(number, now, {"at": number})
                    held.append(time.perf_counter() - before)
            jax.block_until_ready(now)
            if turn:  # the first turn warms up
                seconds[name].append((time.perf_counter() - start) / given.steps)
            checkpoints.wait()
    plain, saving = median(seconds["without"]), median(seconds["with"])
    extra = max(saving - plain, 0.0) * given.every
    found = {
        "machine": machine(),
        "checkpoint_mb": size / 1e6,
        "step_s": plain,
        "held_s": median(held[given.steps // given.every :]),
        "slower_percent": 100 * (saving / plain - 1),
        "held_percent": 100 * median(held) / (given.every * plain),
        "usual_percent": 100 * extra / (given.usual * plain),
    }
    text = json.dumps(found, indent=1)
    print(text)
    if given.json:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
