"""Encoders and their files: CLIP, BERT, tokenizers."""

from mat_jax.models.bert import BertConfig, BertMLM
from mat_jax.models.clip import CLIP, CLIPConfig
from mat_jax.models.files import load, save
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
    "save",
]
