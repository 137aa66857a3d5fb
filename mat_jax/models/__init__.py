"""Encoders and their files: CLIP, ALBEF, BLIP, ALIGN, BERT, tokenizers."""

from mat_jax.formats.tokenizer import Tokenizer
from mat_jax.models.albef import ALBEF, ALBEFConfig
from mat_jax.models.align import ALIGN, ALIGNConfig
from mat_jax.models.bert import BertMLM
from mat_jax.models.blip import BLIP, BLIPCaptioner, BLIPConfig
from mat_jax.models.clip import CLIP, CLIPConfig
from mat_jax.models.efficientnet import EfficientNetConfig
from mat_jax.models.files import load, save
from mat_jax.models.grad_cam import grad_cam
from mat_jax.models.sizes import BertConfig, ViTConfig
from mat_jax.models.specs import Fresh, Pretrained, require_encoders, require_language_model

__all__ = [
    "ALBEF",
    "ALBEFConfig",
    "BLIP",
    "BLIPCaptioner",
    "BLIPConfig",
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
    "ViTConfig",
    "grad_cam",
    "load",
    "require_encoders",
    "require_language_model",
    "save",
]
