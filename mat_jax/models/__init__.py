"""Encoders and their files: CLIP, ALIGN, BERT, tokenizers."""

from mat_jax.models.align import ALIGN, ALIGNConfig
from mat_jax.models.bert import BertConfig, BertMLM
from mat_jax.models.clip import CLIP, CLIPConfig
from mat_jax.models.efficientnet import EfficientNetConfig
from mat_jax.models.files import load, save
from mat_jax.models.specs import Fresh, Pretrained
from mat_jax.models.tokenizer import Tokenizer

__all__ = [
    "ALIGN",
    "ALIGNConfig",
    "CLIP",
    "BertConfig",
    "BertMLM",
    "CLIPConfig",
    "EfficientNetConfig",
    "Fresh",
    "Pretrained",
    "Tokenizer",
    "load",
    "save",
]
