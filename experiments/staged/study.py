"""Training in stages against training at full size all along, on the embedded world.

python -m experiments.staged.study --out runs/staged
python -m experiments.staged.study --redraw

Every arm is trained from nothing with each seed, its operations are counted, and its model is
measured clean, under PGD and under SGA. `experiments/staged/results` gets a file of each training
and the page that is drawn of them; `--redraw` draws it again and trains nothing. What is finished
is not done again.
"""

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax

from experiments.staged.flops import step_flops
from experiments.staged.stages import Recipe, Stage, carry_out, say
from experiments.staged.table import page
from mat_jax.utils.command_line import Parser, answered
from mat_jax.utils.files import writable, write_text

CONFIG = Path("experiments/staged/scenes.py")
RESULTS = Path(__file__).resolve().parent / "results"
ATTACKS, EPS, STEPS, LIMIT = "none,pgd,sga", "4/255", 10, 250
FULL = ("image_size=64", "pgd_steps=3", "words=1")
SMALL = ("image_size=32", "pgd_steps=2", "words=0")

# Arm -> its stages. `short` is what the operations of `staged` buy without stages.
ARMS: Mapping[str, Sequence[Sequence[str]]] = {
    "unstaged": ((*FULL, "steps=600"),),
    "staged": ((*SMALL, "steps=600"), (*FULL, "steps=120")),
    "short": ((*FULL, "steps=230"),),
}


def recipe(arm: str, seed: int, out: Path) -> Recipe:
    """The stages of one training."""
    settings = [(*one, f"seed={seed}") for one in ARMS[arm]]
    stages = tuple(Stage(config=CONFIG, settings=one) for one in settings)
    return Recipe(stages=stages, out=out / f"{arm}-{seed}")


def operations(arm: str) -> list[tuple[int, float]]:
    """Of each stage the updates, and the operations of one: those of all seeds are the same.

    A later stage is counted on weights that were just drawn: only shapes matter.
    """
    found = [Stage(config=CONFIG, settings=tuple(one)).bound(None) for one in ARMS[arm]]
    return [(experiment.steps, step_flops(experiment)) for experiment in found]


def carried_out(arm: str, seed: int, out: Path, results: Path) -> None:
    """Train, count and measure what has no result yet."""
    file = results / f"{arm}-{seed}.json"
    if file.is_file():
        return
    trained = recipe(arm, seed, out)
    begun = time.perf_counter()
    carry_out(trained)
    minutes = (time.perf_counter() - begun) / 60
    report = trained.out / "report"
    command = (
        *("mat_jax.evaluate", "--model", str(trained.export), "--data", "scenes"),
        *("--attacks", ATTACKS, "--suite", "none", "--eps", EPS, "--steps", str(STEPS)),
        *("--limit", str(LIMIT), "--batch-size", "50", "--checks", "0", "--out", str(report)),
    )
    done = subprocess.run([sys.executable, "-m", *command], stdout=subprocess.DEVNULL)
    if done.returncode:
        raise ValueError(f"python -m {' '.join(command)} failed: see its sentence above")
    (model,) = json.loads((report / "results.json").read_text())["models"]
    counted = operations(arm)
    content = {
        "arm": arm,
        "seed": seed,
        "stages": [list(stage.settings) for stage in trained.stages],
        "updates": [steps for steps, _ in counted],
        "flops_per_update": [flops for _, flops in counted],
        "flops": sum(steps * flops for steps, flops in counted),
        "training_minutes": round(minutes, 2),
        "command": f"python -m {' '.join(command)}",
        "protocol": {"data": "scenes/test", "images": LIMIT, "eps": EPS, "steps": STEPS},
        "attacks": {
            row["attack"]: {kind: row["figures"][kind]["value"] for kind in ("tr@1", "ir@1")}
            for row in model["rows"]
        },
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "device": jax.devices()[0].device_kind,
            "jax": jax.__version__,
        },
    }
    write_text(file, json.dumps(content, indent=1) + "\n")


def parser() -> Parser:
    """The command line."""
    line = Parser(
        prog="python -m experiments.staged.study",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    line.add_argument("--seeds", type=int, default=3, help="trainings of each arm")
    line.add_argument("--arms", default=",".join(ARMS), help=f"of {', '.join(ARMS)}")
    line.add_argument("--out", type=Path, default=Path("runs/staged"), help="the trainings' folder")
    line.add_argument("--results", type=Path, default=RESULTS, help="the folder of the figures")
    line.add_argument("--redraw", action="store_true", help="draw the page, and train nothing")
    return line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; a mistake is one sentence and status 2."""
    return answered(lambda: _run(arguments), stopped="the same command goes on")


def _run(arguments: Sequence[str] | None) -> str:
    given = parser().parse_args(arguments)
    if not given.redraw:
        arms = [name.strip() for name in given.arms.split(",")]
        for name in arms:
            if name not in ARMS:
                raise ValueError(f"no arm {name!r}: choose from {', '.join(ARMS)}")
        if given.seeds < 1:
            raise ValueError(f"--seeds is {given.seeds}: give at least 1")
        writable(given.out)
        writable(given.results)
        for seed in range(given.seeds):
            for name in arms:
                say(f"{name}, seed {seed}")
                carried_out(name, seed, given.out, given.results)
    files = sorted(given.results.glob("*-*.json"))
    if not files:
        raise ValueError(f"there are no results in {given.results}: leave out --redraw first")
    text = page([json.loads(file.read_text(encoding="utf-8")) for file in files], list(ARMS))
    write_text(given.results / "README.md", text)
    return f"{text}\npage: {given.results / 'README.md'}"


if __name__ == "__main__":
    sys.exit(main())
