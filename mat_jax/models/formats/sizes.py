"""The settings that a model is built from: sizes of towers, and of the families made of them."""

import typing
from dataclasses import dataclass, replace
from typing import Any, Literal

Activation = Literal["quick_gelu", "gelu"]


def complete(config: Any) -> None:
    """Fill in `hidden`, and refuse heads that the width does not divide into."""
    if not (config.width and config.layers and config.heads):
        raise ValueError(
            f"width={config.width}, layers={config.layers} and heads={config.heads} make no tower; "
            "expected 1 or more of each"
        )
    if not config.hidden:
        object.__setattr__(config, "hidden", 4 * config.width)
    if config.width % config.heads:
        raise ValueError(
            f"width={config.width} does not divide into heads={config.heads} heads; choose a "
            f"number of heads that divides the width"
        )


def one_of(config: Any, name: str, *allowed: str) -> None:
    """Refuse what is none of the `allowed`."""
    if getattr(config, name) not in allowed:
        raise ValueError(
            f"{name}={getattr(config, name)!r} is not known; expected {' or '.join(allowed)}"
        )


def grid_side(image_size: int, patch_size: int) -> int:
    """How many whole patches stand along a side of an image.

    What is left over, on the right and below, no patch covers: a convolution without padding whose
    stride is its kernel's size never reads it (`Patches`).
    """
    if patch_size < 1:
        raise ValueError(f"patch_size={patch_size} is no size; expected at least 1 pixel")
    if patch_size > image_size:
        raise ValueError(
            f"image_size={image_size} holds no patch of patch_size={patch_size}; choose an image "
            f"size of at least {patch_size}"
        )
    return image_size // patch_size


@dataclass(frozen=True)
class ViTConfig:
    """The sizes of an image tower; the defaults are ViT-B's, with DeiT's eps.

    `hidden`, the width of the feed-forward layers, defaults to four times the width.
    """

    width: int = 768
    layers: int = 12
    heads: int = 12
    hidden: int = 0
    eps: float = 1e-6

    def __post_init__(self) -> None:
        complete(self)


@dataclass(frozen=True)
class BertConfig:
    """The sizes of a text tower; the defaults are `bert-base-uncased`'s.

    `length` is how many positions there are; texts may be shorter. `hidden` defaults to four
    times the width.
    """

    vocab_size: int = 30522
    length: int = 512
    width: int = 768
    layers: int = 12
    heads: int = 12
    hidden: int = 0
    segments: int = 2
    eps: float = 1e-12
    pad: int = 0

    def __post_init__(self) -> None:
        complete(self)


@dataclass(frozen=True)
class CLIPConfig:
    """The sizes of a CLIP; the defaults are ViT-B/16's, its vocabulary ends with `bos` and `eos`.

    The eps of every published CLIP is 1e-5, in both towers. `vision_act` and `text_act` are what
    the feed-forward layers of each tower compute with: OpenAI's CLIPs have the quick GELU in both.
    """

    image_size: int = 224
    patch_size: int = 16
    vision: ViTConfig = ViTConfig(eps=1e-5)
    text: BertConfig = BertConfig(49408, 77, 512, 12, 8, eps=1e-5, pad=49407)
    embed: int = 512
    vision_act: Activation = "quick_gelu"
    text_act: Activation = "quick_gelu"
    bos: int = -2
    eos: int = -1

    def __post_init__(self) -> None:
        grid_side(self.image_size, self.patch_size)
        for name in ("vision_act", "text_act"):
            one_of(self, name, *typing.get_args(Activation))
        for name in ("bos", "eos"):  # below 0 they count from the end of the vocabulary
            object.__setattr__(self, name, getattr(self, name) % self.text.vocab_size)


@dataclass(frozen=True)
class ALBEFConfig:
    """The sizes of an ALBEF; the defaults are those of the published checkpoints.

    `first_fusion` is the first block of the text tower that reads the image. A model for
    `retrieval` compares, in a space of `embed` dimensions, and matches. One for `entailment` has
    the head that says contradiction, neutral or entailment. One for `answering` has a decoder of
    `decoder_layers` blocks, which reads the question and writes the answer. As published neither
    has such a space, `embed=0`; it keeps the one of a model for retrieval that it was made of.
    """

    image_size: int = 384
    patch_size: int = 16
    vision: ViTConfig = ViTConfig()
    text: BertConfig = BertConfig()
    first_fusion: int = 6
    embed: int = 256
    task: Literal["retrieval", "entailment", "answering"] = "retrieval"
    decoder_layers: int = 6

    def __post_init__(self) -> None:
        grid_side(self.image_size, self.patch_size)
        one_of(self, "task", "retrieval", "entailment", "answering")
        if self.embed < 0 or (self.task == "retrieval" and not self.embed):
            raise ValueError(
                f"embed={self.embed} is no space to compare in; expected 1 or more, or 0 for a "
                "model of entailment or of answers without one"
            )
        if not 0 < self.first_fusion < self.text.layers:
            raise ValueError(
                f"first_fusion={self.first_fusion} leaves no block before or after it; expected 1 "
                f"to {self.text.layers - 1}"
            )
        if self.decoder_layers < 1:
            raise ValueError(
                f"decoder_layers={self.decoder_layers} writes no answer; expected 1 or more"
            )

    @property
    def decoder(self) -> BertConfig:
        """The sizes of the tower that writes answers."""
        return replace(self.text, layers=self.decoder_layers)


@dataclass(frozen=True)
class BLIPConfig:
    """The sizes of a BLIP; the defaults are those of the published ViT-B checkpoints.

    The last two ids are `[DEC]`, with which a caption or an answer to be written starts, and
    `[ENC]`, with which a text to be matched, or a question, does. `match_start="cls"` leaves
    `[CLS]` there: transformers does, training did not. `eos` ends it. `log_scale` is the logarithm
    of what cosines are multiplied by; no file of transformers' layout says what it was after
    training.
    """

    image_size: int = 384
    patch_size: int = 16
    vision: ViTConfig = ViTConfig()
    text: BertConfig = BertConfig(vocab_size=30524, segments=0)
    embed: int = 256
    eos: int = 102
    log_scale: float = 2.6592
    match_start: Literal["enc", "cls"] = "enc"
    task: Literal["retrieval", "captioning", "answering"] = "retrieval"

    def __post_init__(self) -> None:
        grid_side(self.image_size, self.patch_size)
        one_of(self, "task", "retrieval", "captioning", "answering")
        one_of(self, "match_start", "enc", "cls")

    @property
    def dec(self) -> int:
        """The id of `[DEC]`."""
        return self.text.vocab_size - 2

    @property
    def enc(self) -> int:
        """The id of `[ENC]`."""
        return self.text.vocab_size - 1


@dataclass(frozen=True)
class EfficientNetConfig:
    """The sizes of an EfficientNet, under the names of transformers; the defaults are B7's.

    A tuple has a number for each stage: its channels are to be multiplied by `width_coefficient`
    and its blocks by `depth_coefficient`. `squeeze_expansion_ratio` is a share of the channels
    that come into a block. Blocks numbered in `depthwise_padding` are `Conv`'s `symmetric` ones.
    """

    width_coefficient: float = 2.0
    depth_coefficient: float = 3.1
    depth_divisor: int = 8
    in_channels: tuple[int, ...] = (32, 16, 24, 40, 80, 112, 192)
    out_channels: tuple[int, ...] = (16, 24, 40, 80, 112, 192, 320)
    kernel_sizes: tuple[int, ...] = (3, 3, 5, 3, 5, 5, 3)
    strides: tuple[int, ...] = (1, 2, 2, 2, 1, 2, 1)
    num_block_repeats: tuple[int, ...] = (1, 2, 2, 3, 3, 4, 1)
    expand_ratios: tuple[int, ...] = (1, 6, 6, 6, 6, 6, 6)
    squeeze_expansion_ratio: float = 0.25
    batch_norm_eps: float = 1e-3
    depthwise_padding: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        stages = len(self.in_channels)
        rest = ("out_channels", "kernel_sizes", "strides", "num_block_repeats", "expand_ratios")
        for name in rest:
            if len(getattr(self, name)) != stages:
                raise ValueError(
                    f"{name} has {len(getattr(self, name))} numbers and in_channels {stages}; "
                    f"expected one for each stage"
                )

    def channels(self, count: int) -> int:
        """`width_coefficient * count` as a multiple of the divisor, at most 10 % too small."""
        exact, unit = self.width_coefficient * count, self.depth_divisor
        nearest = max(unit, int(exact + unit / 2) // unit * unit)
        return nearest + unit if nearest < 0.9 * exact else nearest


@dataclass(frozen=True)
class ALIGNConfig:
    """The sizes of an ALIGN; the defaults are `kakaobrain/align-base`'s."""

    image_size: int = 289
    vision: EfficientNetConfig = EfficientNetConfig()
    text: BertConfig = BertConfig()

    @property
    def embed(self) -> int:
        """Width of the shared space, which is that of the image tower's last map."""
        return self.vision.channels(self.vision.out_channels[-1])
