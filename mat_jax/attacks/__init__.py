"""Attacks on image-text models: `attack(model, batch, key, *, threat, preset) -> Adversarial`."""

from mat_jax.attacks import losses
from mat_jax.attacks.apgd import apgd, apgd_targeted
from mat_jax.attacks.co_attack import co_attack
from mat_jax.attacks.compiled import compiled
from mat_jax.attacks.image import apgd_attack, fgsm_attack, none, pgd_attack, square_attack
from mat_jax.attacks.pgd import example_keys, fgsm, pgd
from mat_jax.attacks.sep import bert_attack, sep
from mat_jax.attacks.sga import sga
from mat_jax.attacks.square import square
from mat_jax.attacks.suite import SUITE, Attack
from mat_jax.attacks.threat import ThreatModel

__all__ = [
    "SUITE",
    "Attack",
    "ThreatModel",
    "apgd",
    "apgd_attack",
    "apgd_targeted",
    "bert_attack",
    "co_attack",
    "compiled",
    "example_keys",
    "fgsm",
    "fgsm_attack",
    "losses",
    "none",
    "pgd",
    "pgd_attack",
    "sep",
    "sga",
    "square",
    "square_attack",
]
