"""A run of a study, before it is carried out: which experiment, with what settings and seed."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from mat_jax.train import experiment as experiments

STUDY = Path(__file__).resolve().parent
RUNS = STUDY / "runs"
RESULTS = STUDY / "results"
Task = Literal["retrieval", "zero_shot", "grounding", "captioning", "entailment", "vqa"]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training and its evaluation, or of an untrained model the evaluation alone.

    Attributes:
        study: the study it belongs to. Other studies may use it too; it is run once.
        name: of the run in the study, the same for all seeds.
        title: what tables call it.
        config: the experiment file; its `experiment` has a setting `seed`, and an evaluation.
        settings: as after `--set`: ("defense=mat", "eps=6/255").
        seed: of the training; the evaluation's is always the experiment's own.
        training: what it trains, where several runs measure the same training; None is `name`.
        trained: False measures the model as the experiment starts from it.
        ingredients: runs that train what it measures, each with its seed: the mean of their weights
            (`mat_jax.models.soup`), or of one run its model; itself it trains nothing.
        manifest: arguments of `python -m mat_jax.augment` without `--out`, which make the data
            in `folder`; empty where the data are there anyway.
        folder: of that data.
        task: what is measured; grounding by `grounded`, captioning by `captioned`.
        minutes: a first guess of what it takes, until one like it was run.
    """

    study: str
    name: str
    title: str
    config: Path
    settings: tuple[str, ...] = ()
    seed: int = 0
    training: str | None = None
    trained: bool = True
    ingredients: tuple["Run", ...] = ()
    manifest: tuple[str, ...] = ()
    folder: Path | None = None
    task: Task = "retrieval"
    minutes: float = 10.0

    @property
    def key(self) -> str:
        """`main/clip-mat`: the run without its seed."""
        return f"{self.study}/{self.name}"

    @property
    def file(self) -> str:
        """`main/clip-mat-0`: where its result is, in its folder."""
        return f"{self.key}-{self.seed}"

    @property
    def workdir(self) -> str:
        """`main/clip-mat-0`: where its training is, in its folder."""
        return f"{self.study}/{self.training or self.name}-{self.seed}"

    def bound(self) -> dict[str, Any]:
        """All settings of the experiment, as a JSON file gives them back."""
        bound = experiments.bind(_function(self.config), (*self.settings, f"seed={self.seed}"))
        return json.loads(json.dumps(bound, default=str))

    @property
    def trainings(self) -> tuple["Run", ...]:
        """The runs whose weights it measures: its ingredients, with its seed, or itself."""
        if not self.trained:
            return ()
        return tuple(replace(one, seed=self.seed) for one in self.ingredients) or (self,)

    @property
    def mixed(self) -> tuple[str, ...]:
        """The names of its ingredients, as results keep them."""
        return tuple(one.key for one in self.ingredients)

    @property
    def command(self) -> str:
        """What does the same by hand, data first, measuring before and after where `train` can."""
        if self.ingredients or (self.trained and self.task != "retrieval"):
            return f"python -m experiments.study --only {self.key} --seeds {self.seed + 1}"
        if not self.trained:
            return f"python -m experiments.study --only {self.key}"
        chosen = " ".join((*self.settings, f"seed={self.seed}"))
        train = f"python -m mat_jax.train --config {shown(self.config)} --set {chosen}"
        if not self.manifest:
            return train
        return f"python -m mat_jax.augment {' '.join(self.manifest)} --out {self.folder} && {train}"


def shown(path: Path) -> str:
    """A path from the repository's root, where it is in it."""
    root = STUDY.parents[1]
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


@cache
def _function(config: Path) -> Callable[..., Any]:
    return experiments.load(config)
