"""Where the curves of a run go besides `metrics.jsonl`: TensorBoard, W&B, Trackio, MLflow, yours.

None of them is needed: `metrics.jsonl` and `curves.html` hold the same. Each is an extra of its own
(`pip install 'mat-jax[trackers]'`), and is imported when it is asked for. What it says of itself,
its address for example, its own environment variables decide.
"""

import hashlib
import importlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

Figures = Mapping[str, float]
PROJECT = "mat_jax"
PACKAGES = {  # tracker -> the package that it is in
    "tensorboard": "tensorboardX",
    "wandb": "wandb",
    "trackio": "trackio",
    "mlflow": "mlflow",
}


@runtime_checkable
class Tracker(Protocol):
    """Takes the lines of `metrics.jsonl` as they are written."""

    def log(self, step: int, figures: Figures) -> None:
        """The figures of a step: loss, gradient norm, learning rate and what the defence tells."""
        ...

    def close(self) -> None:
        """The run ends or stops."""
        ...


class Calls:
    """A function of (step, figures) as a tracker."""

    def __init__(self, function: Callable[[int, Figures], object]) -> None:
        self._function = function

    def log(self, step: int, figures: Figures) -> None:
        """Call it."""
        self._function(step, figures)

    def close(self) -> None:
        """Nothing is left to do."""


class TensorBoard:
    """Event files in the run's folder: `tensorboard --logdir runs`."""

    def __init__(self, workdir: Path, settings: Mapping[str, Any]) -> None:
        self._writer = _module("tensorboard").SummaryWriter(str(workdir / "tensorboard"))
        rows = "\n".join(f"| {name} | {value} |" for name, value in settings.items())
        self._writer.add_text("settings", f"| setting | value |\n| --- | --- |\n{rows}", 0)

    def log(self, step: int, figures: Figures) -> None:
        """One scalar a figure."""
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


class WandB:
    """Weights & Biases; `WANDB_MODE=offline` writes into the run's folder and sends nothing."""

    def __init__(self, workdir: Path, settings: Mapping[str, Any]) -> None:
        self._run = _module("wandb").init(
            project=PROJECT,
            name=workdir.name,
            id=_id(workdir),
            resume="allow",  # a run that goes on is one curve
            dir=str(workdir),
            config=dict(settings),
        )

    def log(self, step: int, figures: Figures) -> None:
        """One line."""
        self._run.log(dict(figures), step=step)

    def close(self) -> None:
        """Send or write what is left."""
        self._run.finish()


class Trackio:
    """Trackio, which keeps its runs on this machine: `trackio show --project mat_jax`."""

    def __init__(self, workdir: Path, settings: Mapping[str, Any]) -> None:
        self._run = _module("trackio").init(
            project=PROJECT, name=_id(workdir), config=dict(settings), resume="allow", embed=False
        )

    def log(self, step: int, figures: Figures) -> None:
        """One line."""
        self._run.log(dict(figures), step=step)

    def close(self) -> None:
        """Write what is left."""
        self._run.finish()


class MLflow:
    """MLflow, by `MLFLOW_TRACKING_URI`; without one, a file `mlflow.db` in the run's folder."""

    def __init__(self, workdir: Path, settings: Mapping[str, Any]) -> None:
        self._mlflow = _module("mlflow")
        if "MLFLOW_TRACKING_URI" not in os.environ:
            self._mlflow.set_tracking_uri(f"sqlite:///{(workdir / 'mlflow.db').absolute()}")
        self._mlflow.set_experiment(PROJECT)
        self._mlflow.start_run(run_name=workdir.name)
        # A parameter of MLflow has at most 6,000 letters.
        self._mlflow.log_params({name: str(value)[:6000] for name, value in settings.items()})

    def log(self, step: int, figures: Figures) -> None:
        """One line."""
        self._mlflow.log_metrics(dict(figures), step=step)

    def close(self) -> None:
        """The run is over."""
        self._mlflow.end_run()


KINDS: Mapping[str, Callable[[Path, Mapping[str, Any]], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WandB,
    "trackio": Trackio,
    "mlflow": MLflow,
}
Given = str | Tracker | Callable[[int, Figures], object]


def require_trackers(given: Iterable[Given]) -> None:
    """Refuse what is no tracker, or is not installed, before anything starts.

    Raises:
        ValueError: an unknown name, or a package that is missing.
    """
    for one in given:
        if isinstance(one, str):
            if one not in KINDS:
                raise ValueError(f"no tracker {one!r}: choose from {', '.join(KINDS)}")
            _module(one)


def open_trackers(
    given: Sequence[Given], workdir: Path, settings: Mapping[str, Any]
) -> list[Tracker]:
    """Trackers by name, by a function of (step, figures), or as they are.

    Args:
        given: `"tensorboard"`, `print`, or a `Tracker` of one's own.
        workdir: of the run; its name is the run's.
        settings: of the experiment.

    Raises:
        ValueError: an unknown name, or a package that is missing.
    """
    require_trackers(given)
    found: list[Tracker] = []
    for one in given:
        if isinstance(one, str):
            found.append(KINDS[one](workdir, settings))
        else:
            found.append(one if isinstance(one, Tracker) else Calls(one))
    return found


def _module(name: str) -> ModuleType:
    """The package of a tracker.

    Raises:
        ValueError: it is not installed.
    """
    try:
        return importlib.import_module(PACKAGES[name])
    except ImportError:
        raise ValueError(
            f"{name} needs the package {PACKAGES[name]}, which is not installed: "
            "pip install 'mat-jax[trackers]', or leave it out"
        ) from None


def _id(workdir: Path) -> str:
    """A run's own name: two folders of one name are two runs, and one that goes on is the same."""
    digest = hashlib.sha256(str(workdir.absolute()).encode()).hexdigest()
    return f"{workdir.name}-{digest[:8]}"
