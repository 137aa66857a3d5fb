"""Attacks on image-text models: `attack(model, batch, key, *, threat, preset) -> Adversarial`.

`official` is what the released programs do. Co-Attack's text attack and SGA's first pass leave
captions as the programs do, letter for letter (`benchmarks/photographs.py`, 200 of 200 captions of
Flickr8k). What may still differ are substitutes with a sign that cleaning deletes, and text that
changes on its way through BERT's ids to CLIP. `strict` is our own reading, and 2.5 and 4.5 % of
those captions are the same under it: it reads a word's own proposals, leaves a word out to weigh
it, keeps ten substitutes of each, and has its own list of function words.
"""

from mat_jax.attacks import cost, ensembles, objectives
from mat_jax.attacks.answers import answer_attack
from mat_jax.attacks.auto_attack import autoattack
from mat_jax.attacks.characters import leaf_attack
from mat_jax.attacks.classification import (
    apgd_ce_attack,
    apgd_dlr_attack,
    apgd_targeted_attack,
    fab_targeted_attack,
    pgd_ce_attack,
    square_margin_attack,
)
from mat_jax.attacks.coattack import co_attack
from mat_jax.attacks.compiled import compile_attack
from mat_jax.attacks.dra import dra_attack
from mat_jax.attacks.eight_bits import as_bytes
from mat_jax.attacks.exhaustive import exhaustive_attack
from mat_jax.attacks.fused import co_attack_fused, match_attack, verdict_attack
from mat_jax.attacks.image_ascent import attack_images
from mat_jax.attacks.image_objectives import away_from_captions
from mat_jax.attacks.images import (
    apgd_attack,
    apgd_margin_attack,
    fgsm_attack,
    no_attack,
    pgd_attack,
    square_attack,
)
from mat_jax.attacks.mmcoa import mmcoa_attack, mmcoa_joint_attack, mmcoa_text_attack
from mat_jax.attacks.optimizers.auto_pgd import apgd, apgd_targeted
from mat_jax.attacks.optimizers.boundary import fab
from mat_jax.attacks.optimizers.early_stopping import Gallery
from mat_jax.attacks.optimizers.projected_gradient import example_keys, fgsm, pgd
from mat_jax.attacks.optimizers.square_search import square
from mat_jax.attacks.optimizers.square_search_l2 import square_l2
from mat_jax.attacks.random_classification import apgd_ce_rand_attack, apgd_dlr_rand_attack
from mat_jax.attacks.registry import ATTACKS, Attack
from mat_jax.attacks.sa_aet import sa_aet_attack
from mat_jax.attacks.sep import bert_attack, sep_attack
from mat_jax.attacks.sga import sga_attack, sga_plain_attack
from mat_jax.attacks.threat import Preset, ThreatModel
from mat_jax.attacks.vlp import vlp_attack

__all__ = [
    "ATTACKS",
    "Attack",
    "Gallery",
    "Preset",
    "ThreatModel",
    "apgd",
    "apgd_attack",
    "apgd_ce_attack",
    "apgd_ce_rand_attack",
    "apgd_dlr_attack",
    "apgd_dlr_rand_attack",
    "apgd_margin_attack",
    "apgd_targeted",
    "as_bytes",
    "apgd_targeted_attack",
    "attack_images",
    "autoattack",
    "away_from_captions",
    "bert_attack",
    "co_attack",
    "co_attack_fused",
    "compile_attack",
    "cost",
    "dra_attack",
    "ensembles",
    "example_keys",
    "exhaustive_attack",
    "fab",
    "fab_targeted_attack",
    "fgsm",
    "fgsm_attack",
    "leaf_attack",
    "match_attack",
    "mmcoa_attack",
    "mmcoa_joint_attack",
    "mmcoa_text_attack",
    "no_attack",
    "objectives",
    "pgd",
    "pgd_attack",
    "pgd_ce_attack",
    "sa_aet_attack",
    "sep_attack",
    "sga_attack",
    "sga_plain_attack",
    "square",
    "square_attack",
    "square_l2",
    "square_margin_attack",
    "answer_attack",
    "verdict_attack",
    "vlp_attack",
]
