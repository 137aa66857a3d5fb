"""What a training in stages is, and how it is carried out."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mat_jax.train import experiment as experiments
from mat_jax.train.experiment import Experiment
from mat_jax.utils.files import write_text

ASKED = "stages.json"  # what made the folder


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One training of several: an experiment file, and settings as after `--set`.

    Attributes:
        config: the file. All stages but the first have a setting `model`, where they start.
        settings: `name=value` texts.
    """

    config: Path
    settings: tuple[str, ...] = ()

    def bound(self, model: Path | None) -> Experiment:
        """The experiment, which starts from this model.

        Raises:
            ValueError: a setting that the file does not have, `model` among them.
        """
        function = experiments.load(self.config)
        return function(**experiments.bind(function, [*self.settings, *start(model)]))


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Stages in order, and the folder of all that they write.

    Attributes:
        stages: one or more.
        out: has a folder for each stage, `1-NAME`, and the file that says what they are.
    """

    stages: tuple[Stage, ...]
    out: Path

    def workdir(self, number: int) -> Path:
        """Where stage `number` is; the first is 1."""
        return self.out / f"{number}-{self.stages[number - 1].config.stem}"

    def model(self, number: int) -> Path | None:
        """What stage `number` starts from; None for the first, which its file decides."""
        return None if number == 1 else self.workdir(number - 1) / "export"

    @property
    def export(self) -> Path:
        """The model that comes out."""
        return self.workdir(len(self.stages)) / "export"


def start(model: Path | None) -> tuple[str, ...]:
    """The setting that names the model a stage starts from."""
    return () if model is None else (f"model={model}",)


def carry_out(recipe: Recipe, options: Sequence[str] = ()) -> None:
    """Train the stages that are not done, in order; one that was stopped goes on.

    Args:
        recipe: the stages. More may be added to the end of those that a folder has.
        options: of `python -m mat_jax.train`, for all stages: `--mesh`, `--hosts` and such.

    Raises:
        ValueError: the folder has other stages, a file cannot be bound to its settings, or a
            training failed, whose own sentence stands above.
    """
    _same(recipe)
    for number, stage in enumerate(recipe.stages, 1):
        _check(stage, number)
    write_text(recipe.out / ASKED, json.dumps(_asked(recipe), indent=1) + "\n")
    for number, stage in enumerate(recipe.stages, 1):
        workdir, count = recipe.workdir(number), len(recipe.stages)
        if (workdir / "export" / "config.json").is_file():
            say(f"stage {number} of {count} is done: {workdir / 'export'}")
            continue
        say(f"stage {number} of {count}: {stage.config} in {workdir}")
        settings = (*stage.settings, *start(recipe.model(number)))
        chosen = ("--set", *settings) if settings else ()
        train("--config", str(stage.config), "--workdir", str(workdir), *options, *chosen)


def _asked(recipe: Recipe) -> list[list[str]]:
    return [[str(stage.config), *stage.settings] for stage in recipe.stages]


def _same(recipe: Recipe) -> None:
    """Refuse a folder that holds other stages than those asked for."""
    file = recipe.out / ASKED
    if not file.is_file():
        return
    before, now = json.loads(file.read_text(encoding="utf-8")), _asked(recipe)
    for number, (old, new) in enumerate(zip(before, now, strict=False), 1):
        if old != new:
            raise ValueError(
                f"stage {number} in {recipe.out} is {' '.join(old)}, and now {' '.join(new)} is "
                "asked for: give another --out, or what the folder has"
            )
    if len(now) < len(before):
        raise ValueError(
            f"{recipe.out} has {len(before)} stages, and {len(now)} are asked for: give another "
            "--out, or all of them"
        )


def _check(stage: Stage, number: int) -> None:
    """Refuse before the first stage what would stop a later one."""
    function = experiments.load(stage.config)
    experiments.bind(function, stage.settings)
    if number > 1 and "model" not in experiments.parameters(function):
        raise ValueError(
            f"{stage.config} has no setting `model`, so stage {number} cannot start from the one "
            "before: give its experiment() one, for models.Pretrained(model)"
        )
    if number > 1 and any(text.partition("=")[0] == "model" for text in stage.settings):
        raise ValueError(
            f"stage {number} starts from the one before, so leave out its setting `model`"
        )


def train(*arguments: str) -> None:
    """`python -m mat_jax.train`, a process of its own, so that its memory is given back.

    Raises:
        ValueError: it failed.
    """
    done = subprocess.run([sys.executable, "-m", "mat_jax.train", *arguments])
    if done.returncode:
        raise ValueError(
            f"python -m mat_jax.train {' '.join(arguments)} ended with status {done.returncode}: "
            "see its sentence above; the same command goes on from there"
        )


def say(text: str) -> None:
    """A line about what begins."""
    print(text, file=sys.stderr, flush=True)
