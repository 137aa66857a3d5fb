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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jax

from experiments.staged.flops import step_flops
from experiments.staged.stages import Recipe, Stage, carry_out, say
from experiments.staged.table import KINDS, page
from mat_jax.train import experiment as experiments
from mat_jax.utils.command_line import Parser, answered
from mat_jax.utils.files import writable, write_text

CONFIG = Path("experiments/staged/scenes.py")
RESULTS = Path(__file__).resolve().parent / "results"
EPS, STEPS, LIMIT = "4/255", 10, 100
# Attacks that are measured -> words of a caption that they may change, and the names of the rows.
MEASURED = ((0, {"none": "none", "pgd": "pgd", "sga": "sga_pixels"}), (1, {"sga": "sga"}))
FULL = ("image_size=64", "pgd_steps=3")
SMALL = ("image_size=32", "pgd_steps=1")

# Arm -> its stages. `short` is what the operations of `staged` buy without stages.
ARMS: Mapping[str, Sequence[Sequence[str]]] = {
    "unstaged": ((*FULL, "steps=400"),),
    "staged": ((*SMALL, "steps=440"), (*FULL, "steps=78")),
    "short": ((*FULL, "steps=157"),),
}


@dataclass(frozen=True)
class Training:
    """One arm with one seed."""

    arm: str
    seed: int

    @property
    def name(self) -> str:
        """`staged-0`: its folder, and its file without the ending."""
        return f"{self.arm}-{self.seed}"

    def recipe(self, out: Path) -> Recipe:
        """Its stages."""
        settings = [(*one, f"seed={self.seed}") for one in ARMS[self.arm]]
        stages = tuple(Stage(config=CONFIG, settings=one) for one in settings)
        return Recipe(stages=stages, out=out / self.name)


@cache
def per_update(settings: tuple[str, ...]) -> float:
    """Operations of one update of a stage, on weights just drawn: only shapes matter."""
    return step_flops(Stage(config=CONFIG, settings=settings).bound(None))


def operations(arm: str) -> tuple[list[int], list[float]]:
    """Of each stage the updates, and the operations of one."""
    function = experiments.load(CONFIG)
    steps = [experiments.bind(function, one)["steps"] for one in ARMS[arm]]
    shapes = [tuple(x for x in one if not x.startswith("steps=")) for one in ARMS[arm]]
    return steps, [per_update(one) for one in shapes]


def carried_out(trainings: Sequence[Training], out: Path, results: Path) -> None:
    """Train what has no result yet, measure all of that by one command, and save it.

    Raises:
        ValueError: a command failed; its own sentence stands above.
    """
    todo = [one for one in trainings if not (results / f"{one.name}.json").is_file()]
    if not todo:
        return
    for number, one in enumerate(todo, 1):
        say(f"training {number} of {len(todo)}: {one.name}")
        carry_out(one.recipe(out))
    say(f"measuring {len(todo)} models")
    found: list[dict[str, dict[str, float]]] = [{} for _ in todo]
    for words, names in MEASURED:
        report = out / f"report-{words}"
        evaluate(
            *("--data", "scenes", "--attacks", ",".join(names), "--suite", "none"),
            *("--eps", EPS, "--steps", str(STEPS), "--words", str(words)),
            *("--limit", str(LIMIT), "--batch-size", "50", "--checks", "0", "--out", str(report)),
            *("--model", ",".join(str(one.recipe(out).export) for one in todo)),
        )
        measured = json.loads((report / "results.json").read_text())["models"]
        for own, model in zip(found, measured, strict=True):
            for row in model["rows"]:
                if row["attack"] in names:
                    figures = {kind: row["figures"][kind]["value"] for kind in KINDS}
                    own[names[row["attack"]]] = figures
    for one, own in zip(todo, found, strict=True):
        text = json.dumps(_content(one, own), indent=1)
        write_text(results / f"{one.name}.json", text + "\n")


def evaluate(*arguments: str) -> None:
    """`python -m mat_jax.evaluate`, a process of its own.

    Raises:
        ValueError: it failed.
    """
    command = ("-m", "mat_jax.evaluate", *arguments)
    if subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL).returncode:
        raise ValueError(f"python {' '.join(command)} failed: see its sentence above")


def _content(one: Training, figures: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """What is saved of a training."""
    updates, each = operations(one.arm)
    return {
        "arm": one.arm,
        "seed": one.seed,
        "stages": [[*stage, f"seed={one.seed}"] for stage in ARMS[one.arm]],
        "updates": updates,
        "flops_per_update": each,
        "flops": sum(n * flops for n, flops in zip(updates, each, strict=True)),
        "protocol": {"data": "scenes/test", "images": LIMIT, "eps": EPS, "steps": STEPS},
        "attacks": dict(figures),
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "device": jax.devices()[0].device_kind,
            "jax": jax.__version__,
        },
    }


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
        trainings = [Training(name, seed) for seed in range(given.seeds) for name in arms]
        carried_out(trainings, given.out, given.results)
    files = sorted(given.results.glob("*-*.json"))
    if not files:
        raise ValueError(f"there are no results in {given.results}: leave out --redraw first")
    text = page([json.loads(file.read_text(encoding="utf-8")) for file in files], list(ARMS))
    write_text(given.results / "README.md", text)
    return f"{text}\npage: {given.results / 'README.md'}"


if __name__ == "__main__":
    sys.exit(main())
