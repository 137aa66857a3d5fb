"""ALBEF (Li et al., 2021): an image tower, and a BERT whose second half reads the image.

TCL (Yang et al., 2022) is the same model, trained with more losses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from mat_jax.data.words import TextFormat
from mat_jax.models.bert import BertConfig, bert_tower
from mat_jax.models.clip import PIXEL_MEAN, PIXEL_STD
from mat_jax.models.nn import Dense, Keys
from mat_jax.models.vision import ViTConfig, normalised
from mat_jax.records import ImageFeatures, TextFeatures, Tokens


@dataclass(frozen=True)
class ALBEFConfig:
    """The sizes of an ALBEF; the defaults are those of the published checkpoints.

    `first_fusion` is the first block of the text tower that reads the image. A model for
    `entailment` has the head that says contradiction, neutral or entailment; one for `retrieval`
    has all the others.
    """

    image_size: int = 384
    patch_size: int = 16
    vision: ViTConfig = ViTConfig()
    text: BertConfig = BertConfig()
    first_fusion: int = 6
    embed: int = 256
    task: Literal["retrieval", "entailment"] = "retrieval"

    def __post_init__(self) -> None:
        if not 0 < self.first_fusion < self.text.layers:
            raise ValueError(
                f"first_fusion={self.first_fusion} leaves no block before or after it; expected 1 "
                f"to {self.text.layers - 1}"
            )
        if self.task not in ("retrieval", "entailment"):
            raise ValueError(
                f"task={self.task!r} is not an ALBEF's; expected retrieval or entailment"
            )

    @property
    def vocab_size(self) -> int:
        """Number of token ids."""
        return self.text.vocab_size

    @property
    def length(self) -> int:
        """Ids of a caption, by the protocol of the paper's code."""
        return min(self.text.length, 30)

    @classmethod
    def from_hf(cls, settings: Mapping[str, Any]) -> "ALBEFConfig":
        """Read the config.json that `to_hf` writes; transformers knows no ALBEF."""
        known = {f.name: settings[f.name] for f in fields(cls) if f.name in settings}
        for name, kind in (("vision", ViTConfig), ("text", BertConfig)):
            if name in known:
                known[name] = kind(**known[name])
        return cls(**known)

    def to_hf(self) -> dict[str, Any]:
        """The config.json of a folder; ours, in the manner of transformers."""
        return {"model_type": "albef", **asdict(self)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray], *, head: int = 64) -> "ALBEFConfig":
        """Read the sizes off an original checkpoint; `head` is the width of an attention head."""
        bert = any(name.startswith("text_encoder.bert.") for name in tensors)
        text = "text_encoder.bert" if bert else "text_encoder"
        fusion = count_layers(tensors, f"{text}.encoder.layer.", ".crossattention.self.key.weight")
        sizes = original_sizes(tensors, text, head=head)
        sizes["first_fusion"] = sizes["text"].layers - fusion
        if "cls_head.0.weight" in tensors:
            return cls(task="entailment", **sizes)
        return cls(embed=len(tensors["vision_proj.weight"]), **sizes)


def original_sizes(
    tensors: Mapping[str, np.ndarray], text: str, *, head: int = 64
) -> dict[str, Any]:
    """What ALBEF's and BLIP's original checkpoints, which hold no config.json, say by shapes."""
    try:
        width, _, patch, _ = tensors["visual_encoder.patch_embed.proj.weight"].shape
        grid = round((tensors["visual_encoder.pos_embed"].shape[1] - 1) ** 0.5)
        vocab_size, text_width = tensors[f"{text}.embeddings.word_embeddings.weight"].shape
        segments = tensors.get(f"{text}.embeddings.token_type_embeddings.weight", ())
        bert = BertConfig(
            vocab_size=vocab_size,
            length=len(tensors[f"{text}.embeddings.position_embeddings.weight"]),
            width=text_width,
            layers=count_layers(tensors, f"{text}.encoder.layer.", ".output.dense.bias"),
            heads=max(1, text_width // head),
            hidden=len(tensors[f"{text}.encoder.layer.0.intermediate.dense.bias"]),
            segments=len(segments),
        )
        vit = ViTConfig(
            width=width,
            layers=count_layers(tensors, "visual_encoder.blocks.", ".mlp.fc1.bias"),
            heads=max(1, width // head),
            hidden=len(tensors["visual_encoder.blocks.0.mlp.fc1.bias"]),
        )
    except KeyError as error:
        raise ValueError(
            f"the checkpoint has no {error}; expected one of ALBEF, TCL or BLIP as published"
        ) from error
    return {"image_size": grid * patch, "patch_size": patch, "vision": vit, "text": bert}


def count_layers(tensors: Mapping[str, np.ndarray], start: str, end: str) -> int:
    """How many names there are of the form `start N end`."""
    names = (name for name in tensors if name.startswith(start) and name.endswith(end))
    return sum(name[len(start) : -len(end)].isdigit() for name in names)


class ALBEF(nnx.Module):
    """`similarity = cos(image embed, text embed) / temp`, and a match of image and text fused."""

    def __init__(self, config: ALBEFConfig, rngs: nnx.Rngs):
        wide, narrow = config.vision.width, config.text.width
        self.config = config
        # Files say nothing of start and end: BERT's, until `load` puts the tokenizer's here.
        self.text_format = TextFormat(101, 102, config.text.pad, config.length)
        self.vision = config.vision.tower(config.image_size, config.patch_size, rngs)
        self.text = bert_tower(config.text, rngs, cross_width=wide, first_cross=config.first_fusion)
        if config.task == "retrieval":
            self.vision_proj = Dense(wide, config.embed, std=wide**-0.5, rngs=rngs)
            self.text_proj = Dense(narrow, config.embed, std=narrow**-0.5, rngs=rngs)
            self.itm_head = Dense(narrow, 2, std=0.02, rngs=rngs)
            self.temp = nnx.Param(jnp.asarray(0.07, jnp.float32))
        else:
            self.cls_hidden = Dense(narrow, narrow, std=0.02, rngs=rngs)
            self.cls_head = Dense(narrow, 3, std=0.02, rngs=rngs)

    def encode_image(self, images: Float[Array | np.ndarray, "batch h w 3"]) -> ImageFeatures:
        """Features of images in [0, 1], each of `config.image_size` squared pixels.

        `tokens` are normalised; `embed` is the class token, projected. A model for entailment has
        no space that images and texts share: there it is the class token itself.
        """
        pixels = normalised(images, self.config.image_size, PIXEL_MEAN, PIXEL_STD)
        tokens, first = self.vision(pixels)
        shared = self.config.task == "retrieval"
        return ImageFeatures(tokens, self.vision_proj(first) if shared else first)

    def encode_text(
        self, tokens: Tokens, shift: Float[Array, "batch length width"] | None = None
    ) -> TextFeatures:
        """Features of texts `[batch, length]` before fusion; `embed` as for images."""
        ids, mask = jnp.asarray(tokens.ids), jnp.asarray(tokens.mask)
        start = jnp.zeros(len(ids), jnp.int32)
        hidden, first = self.text(ids, mask, start, layers=self.config.first_fusion, shift=shift)
        shared = self.config.task == "retrieval"
        return TextFeatures(hidden, self.text_proj(first) if shared else first, mask)

    def image_keys(self, image: ImageFeatures) -> list[Keys]:
        """What fusion reads of images, block by block: computed once for any number of texts."""
        return self.text.image_keys(image.tokens)

    def fuse(
        self,
        image: ImageFeatures,
        text: TextFeatures,
        keys: Sequence[Keys] | None = None,
    ) -> Float[Array, "batch length width"]:
        """Tokens of each text after reading its image; n texts an image, first image first.

        Going on from `encode_text` loses nothing: it is how the model was trained. `keys` are
        `image_keys(image)`, if they are at hand.
        """
        keys = self.image_keys(image) if keys is None else keys
        return self.text.fuse(text.tokens, text.mask[:, None], keys, self.config.first_fusion)

    def match_logits(self, fused: Float[Array, "batch length width"]) -> Float[Array, "batch 2"]:
        """Logits of "do not belong together" and "belong together"."""
        return self.itm_head(fused[:, 0])

    def classify(self, fused: Float[Array, "batch length width"]) -> Float[Array, "batch 3"]:
        """Logits of contradiction, neutral and entailment: does the text follow from the image?"""
        return self.cls_head(jax.nn.relu(self.cls_hidden(fused[:, 0])))

    @property
    def scale(self) -> Float[Array, ""]:
        """What cosines are multiplied by to become logits."""
        return 1 / self.temp[...]
