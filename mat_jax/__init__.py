"""Multimodal adversarial training of vision-language models, in JAX.

import mat_jax
from mat_jax import attacks, data, defenses, models

model, tokenizer = models.load("scenes-clip")
trained = mat_jax.fit(mat_jax.Experiment(model=..., data=..., defense=defenses.MAT(), ...))
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mat_jax import attacks as attacks
    from mat_jax import augment as augment
    from mat_jax import data as data
    from mat_jax import defenses as defenses
    from mat_jax import evaluate as evaluate
    from mat_jax import models as models
    from mat_jax import train as train
    from mat_jax import types as types
    from mat_jax.evaluate import Evaluation as Evaluation
    from mat_jax.models import load as load
    from mat_jax.models import save as save
    from mat_jax.train import Experiment as Experiment
    from mat_jax.train import LoRA as LoRA
    from mat_jax.train import fit as fit
    from mat_jax.train import optimizers as optimizers

# Where each name is; on first use, so that `import mat_jax` is quick and starts nothing.
_FACE = {
    "Evaluation": "evaluate",
    "Experiment": "train",
    "LoRA": "train",
    "fit": "train",
    "load": "models",
    "optimizers": "train",
    "save": "models",
}
_PACKAGES = ("attacks", "augment", "data", "defenses", "evaluate", "models", "train", "types")

__all__ = [*_FACE, *_PACKAGES]


def __getattr__(name: str):
    if name in _FACE:
        return getattr(importlib.import_module(f"mat_jax.{_FACE[name]}"), name)
    if name in _PACKAGES:
        return importlib.import_module(f"mat_jax.{name}")
    raise AttributeError(f"mat_jax has no {name!r}; it has {', '.join(__all__)}")
