"""What the study trains and measures, and how that is carried out."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.few_shot import sets
from mat_jax.utils.files import write_text

CONFIG = "experiments/few_shot/train.py"
ASKED = "asked.json"  # the commands that made what a folder holds
ATTACKS = ("pgd_ce", "mmcoa_text", "mmcoa", "mmcoa_joint")  # images, prompts, both apart, both


@dataclass(frozen=True, kw_only=True)
class Study:
    """One command: trainings on one set, measured on that set and on others.

    Attributes:
        model: where all start from.
        mlm: proposes the words of prompts.
        train: the set that is trained on, as `sets.training_set` takes it.
        test: the sets that are measured; those that are not `train` are out of distribution.
        shots: images of each class; 0 is all of them.
        defenses: of `train.Defense`.
        seeds: trainings of each, from 0 on.
        eps: of the measurement, as text.
        steps: of its image attacks.
        limit: images measured of each set; None is all.
        settings: further settings of a training, as after `--set`.
        out: the folder of all that is written.
    """

    model: str
    mlm: str
    train: str
    test: Sequence[str]
    shots: Sequence[int]
    defenses: Sequence[str]
    seeds: int
    eps: str
    steps: int
    limit: int | None
    settings: Sequence[str]
    out: Path

    @property
    def trainings(self) -> list[tuple[str, int, int]]:
        """(defence, shots, seed), one seed of all before the next."""
        return [
            (defense, shots, seed)
            for seed in range(self.seeds)
            for shots in self.shots
            for defense in self.defenses
        ]

    def workdir(self, defense: str, shots: int, seed: int) -> Path:
        """Where a training is."""
        return self.out / "models" / f"{defense}-{shots or 'full'}-{seed}"

    def report(self, test: str) -> Path:
        """Where the measurement of a set is."""
        name = sets.short(test).replace(":", "-")
        return self.out / "sets" / name


def carry_out(study: Study) -> None:
    """Train and measure all that is not done.

    A folder is done if the same commands made it. After another one, `mat_jax.train` says which
    settings differ, and a set is measured anew.

    Raises:
        ValueError: a command failed; its own sentence stands above.
    """
    before = []
    for number, (defense, shots, seed) in enumerate(study.trainings, 1):
        workdir = study.workdir(defense, shots, seed)
        command = [
            *("--config", CONFIG, "--workdir", str(workdir), "--set"),
            *(f"source={study.train}", f"shots={shots}", f"defense={defense}", f"seed={seed}"),
            *(f"model={study.model}", f"mlm={study.mlm}", *study.settings),
        ]
        if not (workdir / "export" / "config.json").is_file() or asked(workdir) != [command]:
            say(f"training {number} of {len(study.trainings)}: {workdir.name}")
            run("mat_jax.train", *command)
            write_text(workdir / ASKED, json.dumps([command]) + "\n")
        before.append(command)
    models = [study.model, *(f"{study.workdir(*one)}/export" for one in study.trainings)]
    limit = () if study.limit is None else ("--limit", str(study.limit))
    for test in study.test:
        report = study.report(test)
        command = [
            *("--task", "zero_shot", "--model", ",".join(models), "--data", sets.tested(test)),
            *("--attacks", ",".join(ATTACKS), "--eps", study.eps, "--steps", str(study.steps)),
            *("--mlm", study.mlm, "--suite", "none", "--checks", "0", *limit),
            *("--out", str(report)),
        ]
        if not (report / "results.json").is_file() or asked(report) != [*before, command]:
            say(f"measuring {len(models)} models on {sets.short(test)}")
            run("mat_jax.evaluate", *command)
            write_text(report / ASKED, json.dumps([*before, command]) + "\n")


def asked(folder: Path) -> list[list[str]] | None:
    """The commands that made what a folder holds, if all of them ended."""
    try:
        return json.loads((folder / ASKED).read_text())
    except (OSError, ValueError):
        return None


def results(study: Study, test: str) -> list[dict[str, Any]]:
    """The models of a measurement, in the order of `carry_out`."""
    return json.loads((study.report(test) / "results.json").read_text())["models"]


def top(model: dict[str, Any], attack: str) -> float:
    """Top-1 of a model under an attack, in percent."""
    row = next(row for row in model["rows"] if row["attack"] == attack)
    return float(row["figures"]["top@1"]["value"])


def say(text: str) -> None:
    """A line about what begins."""
    print(text, file=sys.stderr, flush=True)


def run(module: str, *arguments: str) -> None:
    """A command of ours; a process of its own, so that its memory is given back.

    Raises:
        ValueError: it failed.
    """
    done = subprocess.run([sys.executable, "-m", module, *arguments], stdout=subprocess.DEVNULL)
    if done.returncode:
        raise ValueError(
            f"python -m {module} {' '.join(arguments)} ended with status {done.returncode}: see "
            "its sentence above; the same command goes on from there"
        )
