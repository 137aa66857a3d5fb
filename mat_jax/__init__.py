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
    from mat_jax.evaluate.config import Evaluation as Evaluation
    from mat_jax.models.files import load as load
    from mat_jax.models.files import save as save
    from mat_jax.train import optimizers as optimizers
    from mat_jax.train.experiment import Experiment as Experiment
    from mat_jax.train.lora import LoRA as LoRA
    from mat_jax.train.run import fit as fit
    from mat_jax.utils.cache import keep_programs as keep_programs

# Which module each name is in; a module stands for itself.
_MODULES = {
    "Evaluation": "mat_jax.evaluate.config",
    "Experiment": "mat_jax.train.experiment",
    "LoRA": "mat_jax.train.lora",
    "attacks": "mat_jax.attacks",
    "augment": "mat_jax.augment",
    "data": "mat_jax.data",
    "defenses": "mat_jax.defenses",
    "evaluate": "mat_jax.evaluate",
    "fit": "mat_jax.train.run",
    "keep_programs": "mat_jax.utils.cache",
    "load": "mat_jax.models.files",
    "models": "mat_jax.models",
    "optimizers": "mat_jax.train.optimizers",
    "save": "mat_jax.models.files",
    "train": "mat_jax.train",
    "types": "mat_jax.types",
}

__all__ = [
    "Evaluation",
    "Experiment",
    "LoRA",
    "attacks",
    "augment",
    "data",
    "defenses",
    "evaluate",
    "fit",
    "keep_programs",
    "load",
    "models",
    "optimizers",
    "save",
    "train",
    "types",
]


def __getattr__(name: str):
    # On first use, so that `import mat_jax` is quick and starts nothing.
    if name not in _MODULES:
        raise AttributeError(f"mat_jax has no {name!r}; it has {', '.join(__all__)}")
    module = importlib.import_module(_MODULES[name])
    return module if module.__name__.endswith(f".{name}") else vars(module)[name]


def __dir__() -> list[str]:
    return [*globals(), *__all__]
