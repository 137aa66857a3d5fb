"""Encoders and their files: CLIP, BERT, tokenizers."""

from mat_jax.models.bert import BertConfig, BertMLM
from mat_jax.models.clip import CLIP, CLIPConfig
from mat_jax.models.files import load, save
from mat_jax.models.kinds import require_encoders, require_language_model
from mat_jax.models.specs import Fresh, Pretrained
from mat_jax.models.tokenizer import Tokenizer

__all__ = [
    "CLIP",
    "BertConfig",
    "BertMLM",
    "CLIPConfig",
    "Fresh",
    "Pretrained",
    "Tokenizer",
    "load",
    "require_encoders",
    "require_language_model",
    "save",
]
