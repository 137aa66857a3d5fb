"""CLIP (Radford et al., 2021): an image and a text tower meeting in one space."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from mat_jax.data.words import TextFormat
from mat_jax.models.nn import Dense, gelu, quick_gelu
from mat_jax.models.text import TextTower
from mat_jax.models.vision import VisionTower, normalised
from mat_jax.records import ImageFeatures, TextFeatures, Tokens

# Mean and standard deviation of the pixels OpenAI trained on; every CLIP uses them.
PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)

# What open_clip_config.json may say of a tower; anything else builds another kind of tower.
OPEN_CLIP_SIZES = {"width", "layers", "heads", "head_width", "mlp_ratio"}
OPEN_CLIP_SIZES |= {"image_size", "patch_size", "context_length", "vocab_size"}


@dataclass(frozen=True)
class CLIPConfig:
    """The sizes of a CLIP; the defaults are ViT-B/16's.

    `*_hidden` (feed-forward widths) default to four times the width, `bos` and `eos` to the two
    largest ids, `pad` to `eos`, as in every published vocabulary.
    """

    image_size: int = 224
    patch_size: int = 16
    vision_width: int = 768
    vision_layers: int = 12
    vision_heads: int = 12
    vision_hidden: int = 0
    text_width: int = 512
    text_layers: int = 12
    text_heads: int = 8
    text_hidden: int = 0
    text_length: int = 77
    vocab_size: int = 49408
    embed: int = 512
    quick_gelu: bool = True
    eps: float = 1e-5
    bos: int = -1
    eos: int = -1
    pad: int = -1

    def __post_init__(self) -> None:
        def fill(name: str, value: int) -> None:
            if getattr(self, name) in (0, -1):
                object.__setattr__(self, name, value)

        fill("vision_hidden", 4 * self.vision_width)
        fill("text_hidden", 4 * self.text_width)
        fill("bos", self.vocab_size - 2)
        fill("eos", self.vocab_size - 1)
        fill("pad", self.eos)
        for tower in ("vision", "text"):
            width, heads = getattr(self, f"{tower}_width"), getattr(self, f"{tower}_heads")
            if width % heads:
                raise ValueError(
                    f"{tower}_width={width} does not divide into {tower}_heads={heads} heads; "
                    f"choose a number of heads that divides the width"
                )
        if self.image_size % self.patch_size:
            raise ValueError(
                f"image_size={self.image_size} is not a multiple of patch_size={self.patch_size}; "
                f"choose an image size that is"
            )

    @classmethod
    def from_hf(cls, settings: Mapping[str, Any]) -> "CLIPConfig":
        """Read a transformers config.json; a setting it leaves out has transformers' default."""
        # Configurations of 2021 and 2022 hold what counts in `*_config_dict`.
        text = {**(settings.get("text_config") or {}), **(settings.get("text_config_dict") or {})}
        vision = {
            **(settings.get("vision_config") or {}),
            **(settings.get("vision_config_dict") or {}),
        }
        act = _same(text, vision, "hidden_act", "quick_gelu")
        if act not in ("quick_gelu", "gelu"):
            raise ValueError(f"hidden_act={act!r} is not a CLIP's; expected quick_gelu or gelu")
        vocab_size = text.get("vocab_size", 49408)
        bos, eos = text.get("bos_token_id", 49406), text.get("eos_token_id", 49407)
        pad = text.get("pad_token_id", 1)
        if eos == 2:  # Early published configurations say 2 and mean the largest id.
            bos, eos, pad = vocab_size - 2, vocab_size - 1, vocab_size - 1
        return cls(
            image_size=vision.get("image_size", 224),
            patch_size=vision.get("patch_size", 32),
            vision_width=vision.get("hidden_size", 768),
            vision_layers=vision.get("num_hidden_layers", 12),
            vision_heads=vision.get("num_attention_heads", 12),
            vision_hidden=vision.get("intermediate_size", 3072),
            text_width=text.get("hidden_size", 512),
            text_layers=text.get("num_hidden_layers", 12),
            text_heads=text.get("num_attention_heads", 8),
            text_hidden=text.get("intermediate_size", 2048),
            text_length=text.get("max_position_embeddings", 77),
            vocab_size=vocab_size,
            embed=settings.get("projection_dim", 512),
            quick_gelu=act == "quick_gelu",
            eps=_same(text, vision, "layer_norm_eps", 1e-5),
            bos=bos,
            eos=eos,
            pad=pad,
        )

    @classmethod
    def from_openai(
        cls, shapes: Mapping[str, tuple[int, ...]], settings: Mapping[str, Any] | None
    ) -> "CLIPConfig":
        """Read the sizes off the tensors of OpenAI's layout.

        Args:
            shapes: of the tensors, by name.
            settings: open_clip_config.json. Without one the model is OpenAI's: its heads are 64
                wide, and its activation is the quick GELU, not the exact one.
        """
        model, pixels = ((settings or {}).get(part, {}) for part in ("model_cfg", "preprocess_cfg"))
        vision, text = model.get("vision_cfg", {}), model.get("text_cfg", {})
        strange = (vision.keys() | text.keys()) - OPEN_CLIP_SIZES
        if strange or tuple(pixels.get("mean", PIXEL_MEAN)) != PIXEL_MEAN:
            raise ValueError(
                f"{', '.join(sorted(strange)) or 'the mean of pixels'} makes it another model than "
                f"OpenAI's; expected one that differs in sizes and GELU alone"
            )
        width, _, _, patch_size = shapes["visual.conv1.weight"]
        text_length, text_width = shapes["positional_embedding"]
        layers = {
            tower: sum(
                name.startswith(f"{tower}.resblocks") and name.endswith("ln_1.weight")
                for name in shapes
            )
            for tower in ("visual.transformer", "transformer")
        }
        return cls(
            image_size=patch_size * round((shapes["visual.positional_embedding"][0] - 1) ** 0.5),
            patch_size=patch_size,
            vision_width=width,
            vision_layers=layers["visual.transformer"],
            vision_heads=width // vision.get("head_width", 64),
            vision_hidden=shapes["visual.transformer.resblocks.0.mlp.c_fc.weight"][0],
            text_width=text_width,
            text_layers=layers["transformer"],
            text_heads=text.get("heads", text_width // 64),
            text_hidden=shapes["transformer.resblocks.0.mlp.c_fc.weight"][0],
            text_length=text_length,
            vocab_size=shapes["token_embedding.weight"][0],
            embed=shapes["text_projection"][1],
            quick_gelu=settings is None or model.get("quick_gelu", False),
        )

    def to_hf(self) -> dict[str, Any]:
        """The config.json that makes transformers build the same model."""
        shared = {
            "hidden_act": "quick_gelu" if self.quick_gelu else "gelu",
            "layer_norm_eps": self.eps,
            "projection_dim": self.embed,
        }
        return {
            "architectures": ["CLIPModel"],
            "model_type": "clip",
            "projection_dim": self.embed,
            "text_config": shared
            | {
                "model_type": "clip_text_model",
                "hidden_size": self.text_width,
                "num_hidden_layers": self.text_layers,
                "num_attention_heads": self.text_heads,
                "intermediate_size": self.text_hidden,
                "max_position_embeddings": self.text_length,
                "vocab_size": self.vocab_size,
                "bos_token_id": self.bos,
                "eos_token_id": self.eos,
                "pad_token_id": self.pad,
            },
            "vision_config": shared
            | {
                "model_type": "clip_vision_model",
                "image_size": self.image_size,
                "patch_size": self.patch_size,
                "hidden_size": self.vision_width,
                "num_hidden_layers": self.vision_layers,
                "num_attention_heads": self.vision_heads,
                "intermediate_size": self.vision_hidden,
            },
        }


def _same(text: Mapping[str, Any], vision: Mapping[str, Any], name: str, default: Any) -> Any:
    """A setting that both towers have, and of which this CLIP keeps one value."""
    found = text.get(name, default), vision.get(name, default)
    if found[0] != found[1]:
        raise ValueError(
            f"{name} is {found[0]!r} in text_config and {found[1]!r} in vision_config; expected "
            f"one value for both towers"
        )
    return found[0]


class CLIP(nnx.Module):
    """`similarity = exp(logit_scale) * cos(image embed, text embed)`."""

    def __init__(self, config: CLIPConfig, rngs: nnx.Rngs):
        act = quick_gelu if config.quick_gelu else gelu
        self.config = config
        self.text_format = TextFormat(config.bos, config.eos, config.pad, config.text_length)
        self.vision = VisionTower(
            style="clip",
            image_size=config.image_size,
            patch_size=config.patch_size,
            width=config.vision_width,
            layers=config.vision_layers,
            heads=config.vision_heads,
            hidden=config.vision_hidden,
            act=act,
            eps=config.eps,
            rngs=rngs,
        )
        self.text = TextTower(
            style="causal",
            vocab_size=config.vocab_size,
            length=config.text_length,
            width=config.text_width,
            layers=config.text_layers,
            heads=config.text_heads,
            hidden=config.text_hidden,
            act=act,
            eps=config.eps,
            rngs=rngs,
        )
        wide, narrow, embed = config.vision_width, config.text_width, config.embed
        self.vision_proj = Dense(wide, embed, std=wide**-0.5, bias=False, rngs=rngs)
        self.text_proj = Dense(narrow, embed, std=narrow**-0.5, bias=False, rngs=rngs)
        # Stored as a logarithm; starts at a temperature of 0.07, as the paper has it.
        self.logit_scale = nnx.Param(jnp.asarray(np.log(1 / 0.07), jnp.float32))

    def encode_image(self, images: Float[Array | np.ndarray, "batch h w 3"]) -> ImageFeatures:
        """Features of images in [0, 1], each of `config.image_size` squared pixels.

        `tokens` are the class token and the patches as the last block leaves them; `embed` is the
        class token normalised and projected.
        """
        pixels = normalised(images, self.config.image_size, PIXEL_MEAN, PIXEL_STD)
        tokens, pooled = self.vision(pixels)
        return ImageFeatures(tokens, self.vision_proj(pooled))

    def encode_text(
        self, tokens: Tokens, shift: Float[Array, "batch length width"] | None = None
    ) -> TextFeatures:
        """Features of texts `[batch, length]`; any length up to `config.text_length` will do.

        `tokens` are normalised; `embed` is the token at the first `eos`, projected.
        """
        ids, mask = jnp.asarray(tokens.ids), jnp.asarray(tokens.mask)
        end = jnp.argmax(ids == self.config.eos, axis=1)
        hidden, pooled = self.text(ids, mask, end, shift=shift)
        return TextFeatures(hidden, self.text_proj(pooled), mask)

    @property
    def scale(self) -> Float[Array, ""]:
        """What cosines are multiplied by to become logits."""
        return jnp.exp(self.logit_scale[...])
