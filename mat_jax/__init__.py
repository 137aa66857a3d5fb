"""Multimodal adversarial training of vision-language models, in JAX.

import mat_jax
from mat_jax import attacks, data, defenses, models

model, tokenizer = models.load("scenes-clip")
trained = mat_jax.fit(mat_jax.Experiment(model=..., data=..., defense=defenses.MAT(), ...))
"""

import importlib
from typing import TYPE_CHECKING

from mat_jax.experiment import Evaluation as Evaluation
from mat_jax.experiment import Experiment as Experiment
from mat_jax.lora import LoRA as LoRA

if TYPE_CHECKING:
    from mat_jax import attacks as attacks
    from mat_jax import data as data
    from mat_jax import defenses as defenses
    from mat_jax import models as models
    from mat_jax import optimizers as optimizers
    from mat_jax.run import fit as fit

__all__ = [
    "Evaluation",
    "Experiment",
    "LoRA",
    "attacks",
    "data",
    "defenses",
    "fit",
    "models",
    "optimizers",
]


def __getattr__(name: str):
    # On first use, so that `import mat_jax` is quick and starts nothing.
    if name == "fit":
        return importlib.import_module("mat_jax.run").fit
    if name in __all__:
        return importlib.import_module(f"mat_jax.{name}")
    raise AttributeError(f"mat_jax has no {name!r}; it has {', '.join(__all__)}")
