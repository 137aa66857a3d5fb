"""Attacks on image-text models: `attack(model, batch, key, *, threat, preset) -> Adversarial`.

`official` is what the released programs do. Co-Attack's text attack and SGA's first pass leave
captions as the programs do, letter for letter (`benchmarks/photographs.py`, 200 of 200 captions of
Flickr8k). What may still differ are substitutes with a sign that cleaning deletes, and text that
changes on its way through BERT's ids to CLIP. `strict` is our own reading, and 2.5 and 4.5 % of
those captions are the same under it: it reads a word's own proposals, leaves a word out to weigh
it, keeps ten substitutes of each, and has its own list of function words.
"""

from mat_jax.attacks import cost, losses, worst_case
from mat_jax.attacks.apgd import apgd, apgd_targeted
from mat_jax.attacks.characters import leaf
from mat_jax.attacks.co_attack import co_attack
from mat_jax.attacks.compiled import compiled
from mat_jax.attacks.dra import dra
from mat_jax.attacks.early import Gallery
from mat_jax.attacks.exhaustive import exhaustive
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
from mat_jax.attacks.suite import SUITE, Attack
from mat_jax.attacks.threat import ThreatModel
from mat_jax.attacks.vlp_attack import vlp_attack

__all__ = [
    "SUITE",
    "Attack",
    "Gallery",
    "ThreatModel",
    "apgd",
    "apgd_attack",
    "apgd_margin_attack",
    "apgd_targeted",
    "bert_attack",
    "co_attack",
    "co_attack_fused",
    "compiled",
    "cost",
    "dra",
    "example_keys",
    "exhaustive",
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
    "sa_aet",
    "sep",
    "sga",
    "sga_plain",
    "square",
    "square_attack",
    "vlp_attack",
    "worst_case",
]
