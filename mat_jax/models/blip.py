"""BLIP (Li et al., 2022): an image tower, and a BERT all of whose blocks can read the image."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from mat_jax.data.words import TextFormat
from mat_jax.models.albef import original_sizes
from mat_jax.models.bert import BertConfig, MLMHead, bert_tower
from mat_jax.models.clip import PIXEL_MEAN, PIXEL_STD
from mat_jax.models.nn import Dense, Keys
from mat_jax.models.vision import ViTConfig, normalised
from mat_jax.records import ImageFeatures, TextFeatures, Tokens

Task = Literal["retrieval", "captioning"]
# What transformers calls a model of each task, and the tokens BLIP adds at the end of BERT's.
CLASSES: dict[Task, str] = {
    "retrieval": "BlipForImageTextRetrieval",
    "captioning": "BlipForConditionalGeneration",
}
SPECIALS = ("[DEC]", "[ENC]")
# The sizes of the image tower, there and here.
VISION = {
    "hidden_size": "width",
    "num_hidden_layers": "layers",
    "num_attention_heads": "heads",
    "intermediate_size": "hidden",
    "layer_norm_eps": "eps",
}


@dataclass(frozen=True)
class BLIPConfig:
    """The sizes of a BLIP; the defaults are those of the published ViT-B checkpoints.

    The last two ids are `[DEC]`, with which a caption to be written starts, and `[ENC]`, with
    which a text to be matched does. `match_start="cls"` leaves `[CLS]` there: transformers does,
    training did not. `eos` ends a caption. `log_scale` is the logarithm of what cosines are
    multiplied by; no file of transformers' layout says what it was after training.
    """

    image_size: int = 384
    patch_size: int = 16
    vision: ViTConfig = ViTConfig()
    text: BertConfig = BertConfig(vocab_size=30524, segments=0)
    embed: int = 256
    eos: int = 102
    log_scale: float = 2.6592
    match_start: Literal["enc", "cls"] = "enc"
    task: Task = "retrieval"

    def __post_init__(self) -> None:
        for name, allowed in (("task", tuple(CLASSES)), ("match_start", ("enc", "cls"))):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} is not a BLIP's; expected "
                    f"{' or '.join(allowed)}"
                )

    @property
    def vocab_size(self) -> int:
        """Number of token ids."""
        return self.text.vocab_size

    @property
    def dec(self) -> int:
        """The id of `[DEC]`."""
        return self.vocab_size - 2

    @property
    def enc(self) -> int:
        """The id of `[ENC]`."""
        return self.vocab_size - 1

    @property
    def length(self) -> int:
        """Ids of a caption, by the protocol of the paper's code."""
        return min(self.text.length, 35 if self.task == "retrieval" else 40)

    @classmethod
    def from_hf(cls, settings: Mapping[str, Any]) -> "BLIPConfig":
        """Read a transformers config.json; a setting it leaves out has transformers' default."""
        vision: dict[str, Any] = {"layer_norm_eps": 1e-5, **(settings.get("vision_config") or {})}
        text = {"vocab_size": 30524, **(settings.get("text_config") or {}), "type_vocab_size": 0}
        if (text.get("hidden_size", 768), text.get("num_attention_heads")) == (768, 8):
            warnings.warn(
                "num_attention_heads=8 is an error of early BLIP configurations; going on with 12, "
                "as the model was trained",
                stacklevel=2,
            )
            text["num_attention_heads"] = 12
        act = vision.get("hidden_act", "gelu")
        if act != "gelu":
            raise ValueError(f"hidden_act={act!r} is not a BLIP's; expected 'gelu'")
        name = (settings.get("architectures") or [CLASSES["retrieval"]])[0]
        tasks = {theirs: ours for ours, theirs in CLASSES.items()}
        if name not in tasks:
            raise ValueError(f"architectures={name!r} is not known; expected {' or '.join(tasks)}")
        config = cls(
            image_size=vision.get("image_size", 384),
            patch_size=vision.get("patch_size", 16),
            vision=ViTConfig(**{VISION[name]: vision[name] for name in VISION if name in vision}),
            text=BertConfig.from_hf(text),
            embed=settings.get("image_text_hidden_size", 256),
            eos=text.get("sep_token_id", 102),
            log_scale=settings.get("logit_scale_init_value", 2.6592),
            match_start=settings.get("match_start", "enc"),
            task=tasks[name],
        )
        bos = text.get("bos_token_id", 30522)
        if config.task == "captioning" and bos != config.dec:
            raise ValueError(
                f"bos_token_id={bos} is not the last id but one; expected {config.dec}, [DEC]"
            )
        return config

    def to_hf(self) -> dict[str, Any]:
        """The config.json that makes transformers build the same model."""
        return {
            "architectures": [CLASSES[self.task]],
            "model_type": "blip",
            "image_text_hidden_size": self.embed,
            "logit_scale_init_value": self.log_scale,
            "match_start": self.match_start,
            "text_config": self.text.to_hf()
            | {
                "architectures": ["BlipTextModel"],
                "model_type": "blip_text_model",
                "encoder_hidden_size": self.vision.width,
                "bos_token_id": self.dec,
                "sep_token_id": self.eos,
            },
            "vision_config": {
                "model_type": "blip_vision_model",
                "hidden_act": "gelu",
                "image_size": self.image_size,
                "patch_size": self.patch_size,
                **{theirs: getattr(self.vision, ours) for theirs, ours in VISION.items()},
            },
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray], *, head: int = 64) -> "BLIPConfig":
        """Read the sizes off an original checkpoint; `head` is the width of an attention head."""
        if any(name.startswith("text_decoder.") for name in tensors):
            return cls(task="captioning", **original_sizes(tensors, "text_decoder.bert", head=head))
        scale = -math.log(tensors["temp"]) if "temp" in tensors else cls.log_scale
        sizes = original_sizes(tensors, "text_encoder", head=head)
        return cls(embed=len(tensors["vision_proj.weight"]), log_scale=scale, **sizes)


def blip(config: BLIPConfig, rngs: nnx.Rngs) -> "BLIP | BLIPCaptioner":
    """The model for a configuration's task."""
    return (BLIP if config.task == "retrieval" else BLIPCaptioner)(config, rngs)


class BLIP(nnx.Module):
    """Retrieval: `similarity = scale * cos(image embed, text embed)`, and a match of both fused."""

    def __init__(self, config: BLIPConfig, rngs: nnx.Rngs):
        wide, narrow = config.vision.width, config.text.width
        self.config = config
        # Files say nothing of the start: BERT's, until `load` puts the tokenizer's here.
        self.text_format = TextFormat(101, config.eos, config.text.pad, config.length)
        self.vision = config.vision.tower(config.image_size, config.patch_size, rngs)
        self.text = bert_tower(config.text, rngs, cross_width=wide)
        self.vision_proj = Dense(wide, config.embed, std=wide**-0.5, rngs=rngs)
        self.text_proj = Dense(narrow, config.embed, std=narrow**-0.5, rngs=rngs)
        self.itm_head = Dense(narrow, 2, std=0.02, rngs=rngs)

    def encode_image(self, images: Float[Array | np.ndarray, "batch h w 3"]) -> ImageFeatures:
        """Features of images in [0, 1], each of `config.image_size` squared pixels.

        `tokens` are normalised; `embed` is the class token, projected.
        """
        pixels = normalised(images, self.config.image_size, PIXEL_MEAN, PIXEL_STD)
        tokens, first = self.vision(pixels)
        return ImageFeatures(tokens, self.vision_proj(first))

    def encode_text(
        self, tokens: Tokens, shift: Float[Array, "batch length width"] | None = None
    ) -> TextFeatures:
        """Features of texts `[batch, length]` without an image; `embed` is the first token's."""
        ids, mask = jnp.asarray(tokens.ids), jnp.asarray(tokens.mask)
        start = jnp.zeros(len(ids), jnp.int32)
        hidden, first = self.text(ids, mask, start, shift=shift)
        return TextFeatures(hidden, self.text_proj(first), mask, ids)

    def image_keys(self, image: ImageFeatures) -> list[Keys]:
        """What fusion reads of images, block by block: computed once for any number of texts."""
        return self.text.image_keys(image.tokens)

    def fuse(
        self,
        image: ImageFeatures,
        text: TextFeatures,
        keys: Sequence[Keys] | None = None,
    ) -> Float[Array, "batch length width"]:
        """Tokens of each text read with its image; n texts an image, first image first.

        The text is read anew, from its ids and with another first one (`config.match_start`): of
        what `encode_text` computed nothing can be used. `keys` are `image_keys(image)`, if they
        are at hand.
        """
        if text.ids is None:
            raise ValueError("these features carry no ids; expected those of BLIP.encode_text")
        keys = self.image_keys(image) if keys is None else keys
        start = self.config.match_start
        ids = text.ids if start == "cls" else text.ids.at[:, 0].set(self.config.enc)
        return self.text.fuse(self.text.embed(ids), text.mask[:, None], keys)

    def match_logits(self, fused: Float[Array, "batch length width"]) -> Float[Array, "batch 2"]:
        """Logits of "do not belong together" and "belong together"."""
        return self.itm_head(fused[:, 0])

    @property
    def scale(self) -> Float[Array, ""]:
        """What cosines are multiplied by to become logits."""
        return jnp.asarray(math.exp(self.config.log_scale), jnp.float32)


class BLIPCaptioner(nnx.Module):
    """Captioning: the text tower predicts the next word from the image and the words so far.

    `mat_jax.models.captioning` writes captions with it.
    """

    def __init__(self, config: BLIPConfig, rngs: nnx.Rngs):
        self.config = config
        self.text_format = TextFormat(101, config.eos, config.text.pad, config.length)
        self.vision = config.vision.tower(config.image_size, config.patch_size, rngs)
        self.decoder = bert_tower(config.text, rngs, cross_width=config.vision.width)
        self.mlm = MLMHead(config.vocab_size, config.text.width, eps=config.text.eps, rngs=rngs)

    def encode_image(self, images: Float[Array | np.ndarray, "batch h w 3"]) -> ImageFeatures:
        """Features as `BLIP` has them; there is no projection, `embed` is the class token."""
        pixels = normalised(images, self.config.image_size, PIXEL_MEAN, PIXEL_STD)
        return ImageFeatures(*self.vision(pixels))

    def image_keys(self, image: ImageFeatures) -> list[Keys]:
        """What the decoder reads of images, block by block."""
        return self.decoder.image_keys(image.tokens)

    def caption_logits(
        self, image: ImageFeatures, tokens: Tokens
    ) -> Float[Array, "batch length vocab"]:
        """Logits of the id after each id of a caption, whose first becomes `[DEC]`."""
        ids, mask = jnp.asarray(tokens.ids), jnp.asarray(tokens.mask)
        place = jnp.arange(ids.shape[1])
        readable = (place[None, :] <= place[:, None])[None] & mask[:, None]
        x = self.decoder.embed(ids.at[:, 0].set(self.config.dec))
        x = self.decoder.fuse(x, readable, self.image_keys(image))
        return self.mlm(x, self.decoder.tok[...])
