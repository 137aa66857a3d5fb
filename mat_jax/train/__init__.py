"""Training: an experiment, its run, and the one compiled step."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mat_jax.train import optimizers as optimizers
    from mat_jax.train.curves import write_curves as write_curves
    from mat_jax.train.experiment import Experiment as Experiment
    from mat_jax.train.experiment import quickstart as quickstart
    from mat_jax.train.lora import LoRA as LoRA
    from mat_jax.train.run import fit as fit

# On first use: a run needs Orbax, which is slow to import, and an experiment does not.
_MODULES = {
    "Experiment": "experiment",
    "LoRA": "lora",
    "fit": "run",
    "quickstart": "experiment",
    "write_curves": "curves",
}

__all__ = ["Experiment", "LoRA", "fit", "optimizers", "quickstart", "write_curves"]


def __getattr__(name: str):
    if name == "optimizers":
        return importlib.import_module("mat_jax.train.optimizers")
    if name not in _MODULES:
        raise AttributeError(f"mat_jax.train has no {name!r}; it has {', '.join(__all__)}")
    return vars(importlib.import_module(f"mat_jax.train.{_MODULES[name]}"))[name]
