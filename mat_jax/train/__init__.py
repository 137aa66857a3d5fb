"""Training: an experiment, its run, and the one compiled step."""

from mat_jax.train import optimizers as optimizers
from mat_jax.train.experiment import Experiment as Experiment
from mat_jax.train.lora import LoRA as LoRA
from mat_jax.train.run import fit as fit
