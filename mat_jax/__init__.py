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
    from mat_jax import data as data
    from mat_jax import defenses as defenses
    from mat_jax import models as models
    from mat_jax import optimizers as optimizers
    from mat_jax.evaluation import Evaluation as Evaluation
    from mat_jax.experiment import Experiment as Experiment
    from mat_jax.lora import LoRA as LoRA
    from mat_jax.run import fit as fit

# Which module each name is in; a module of the package is its own.
_MODULES = {
    "Evaluation": "mat_jax.evaluation",
    "Experiment": "mat_jax.experiment",
    "LoRA": "mat_jax.lora",
    "attacks": "mat_jax.attacks",
    "data": "mat_jax.data",
    "defenses": "mat_jax.defenses",
    "fit": "mat_jax.run",
    "models": "mat_jax.models",
    "optimizers": "mat_jax.optimizers",
}

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
    if name not in _MODULES:
        raise AttributeError(f"mat_jax has no {name!r}; it has {', '.join(__all__)}")
    module = importlib.import_module(_MODULES[name])
    return module if module.__name__ == f"mat_jax.{name}" else vars(module)[name]


def __dir__() -> list[str]:
    return [*globals(), *__all__]
