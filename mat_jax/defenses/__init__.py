"""Defences: the inner maximisation, the outer loss, and which weights train."""

from mat_jax.defenses.fare import FARE as FARE
from mat_jax.defenses.fine_tune import FineTune as FineTune
from mat_jax.defenses.masked_words import MaskedWords as MaskedWords
from mat_jax.defenses.mat import MAT as MAT
from mat_jax.defenses.tecoa_itr import TeCoAITR as TeCoAITR
