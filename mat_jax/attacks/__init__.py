"""Attacks on image-text models: `attack(model, batch, key, *, threat, preset) -> Adversarial`."""

from mat_jax.attacks import cost, losses, worst_case
from mat_jax.attacks.apgd import apgd, apgd_targeted
from mat_jax.attacks.autoattack import autoattack
from mat_jax.attacks.characters import leaf
from mat_jax.attacks.classifies import Classifies, ClassifiesAtRandom
from mat_jax.attacks.classify import (
    apgd_ce_attack,
    apgd_ce_rand_attack,
    apgd_dlr_attack,
    apgd_dlr_rand_attack,
    apgd_targeted_attack,
    fab_targeted_attack,
    pgd_ce_attack,
    square_margin_attack,
)
from mat_jax.attacks.co_attack import co_attack
from mat_jax.attacks.compiled import compiled
from mat_jax.attacks.dra import dra
from mat_jax.attacks.early import Gallery
from mat_jax.attacks.exhaustive import exhaustive
from mat_jax.attacks.fab import fab
from mat_jax.attacks.fused import co_attack_fused, match_attack
from mat_jax.attacks.image import (
    apgd_attack,
    apgd_margin_attack,
    fgsm_attack,
    none,
    pgd_attack,
    square_attack,
)
from mat_jax.attacks.mmcoa import mmcoa, mmcoa_joint, mmcoa_text
from mat_jax.attacks.pgd import example_keys, fgsm, pgd
from mat_jax.attacks.sa_aet import sa_aet
from mat_jax.attacks.sep import bert_attack, sep
from mat_jax.attacks.sga import sga, sga_plain
from mat_jax.attacks.square import square
from mat_jax.attacks.square_l2 import square_l2
from mat_jax.attacks.suite import SUITE, Attack
from mat_jax.attacks.threat import ThreatModel
from mat_jax.attacks.vlp_attack import vlp_attack

__all__ = [
    "SUITE",
    "Attack",
    "Classifies",
    "ClassifiesAtRandom",
    "Gallery",
    "ThreatModel",
    "apgd",
    "apgd_attack",
    "apgd_ce_attack",
    "apgd_ce_rand_attack",
    "apgd_dlr_attack",
    "apgd_dlr_rand_attack",
    "apgd_margin_attack",
    "apgd_targeted",
    "apgd_targeted_attack",
    "autoattack",
    "bert_attack",
    "co_attack",
    "co_attack_fused",
    "compiled",
    "cost",
    "dra",
    "example_keys",
    "exhaustive",
    "fab",
    "fab_targeted_attack",
    "fgsm",
    "fgsm_attack",
    "leaf",
    "losses",
    "match_attack",
    "mmcoa",
    "mmcoa_joint",
    "mmcoa_text",
    "none",
    "pgd",
    "pgd_attack",
    "pgd_ce_attack",
    "sa_aet",
    "sep",
    "sga",
    "sga_plain",
    "square",
    "square_attack",
    "square_l2",
    "square_margin_attack",
    "vlp_attack",
    "worst_case",
]
