"""Attacks on image-text models: `attack(model, batch, key, *, threat, preset) -> Adversarial`."""

from mat_jax.attacks.co_attack import co_attack
from mat_jax.attacks.compiled import compiled
from mat_jax.attacks.image import none, pgd_attack
from mat_jax.attacks.pgd import example_keys, pgd
from mat_jax.attacks.sep import bert_attack, sep
from mat_jax.attacks.sga import sga
from mat_jax.attacks.suite import SUITE, Attack
from mat_jax.attacks.threat import ThreatModel

__all__ = [
    "SUITE",
    "Attack",
    "ThreatModel",
    "bert_attack",
    "co_attack",
    "compiled",
    "example_keys",
    "none",
    "pgd",
    "pgd_attack",
    "sep",
    "sga",
]
