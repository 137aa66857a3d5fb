"""Defences: the inner maximisation, the outer loss, and which weights train."""

from mat_jax.defenses.base import PGD as PGD
from mat_jax.defenses.base import Defense as Defense
from mat_jax.defenses.class_prompts import Prompts as Prompts
from mat_jax.defenses.fare import FARE as FARE
from mat_jax.defenses.fine_tune import FineTune as FineTune
from mat_jax.defenses.image_defense import ImageDefense as ImageDefense
from mat_jax.defenses.inner.strategy import Strategy as Strategy
from mat_jax.defenses.leaf import FARELEAF as FARELEAF
from mat_jax.defenses.leaf import LEAF as LEAF
from mat_jax.defenses.losses.contrastive import Sigmoid as Sigmoid
from mat_jax.defenses.losses.pair_loss import Pairs as Pairs
from mat_jax.defenses.masked_words import MaskedWords as MaskedWords
from mat_jax.defenses.mat import MAT as MAT
from mat_jax.defenses.mat_plus import MATPlus as MATPlus
from mat_jax.defenses.mava import MAVA as MAVA
from mat_jax.defenses.mmcoa import MMCoA as MMCoA
from mat_jax.defenses.pmg_aft import PMGAFT as PMGAFT
from mat_jax.defenses.qt_aft import QTAFT as QTAFT
from mat_jax.defenses.sim_clip import SimCLIP as SimCLIP
from mat_jax.defenses.tecoa import TeCoA as TeCoA
from mat_jax.defenses.tecoa_itr import TeCoAITR as TeCoAITR
from mat_jax.defenses.tga_zsr import TGAZSR as TGAZSR
