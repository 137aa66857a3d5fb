"""The settings in config.json of each family, as transformers writes them and as we do."""

import typing
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from mat_jax.models.formats.settings import Fixed, Row, Table, at
from mat_jax.models.formats.sizes import Activation


def _rows(theirs: str, ours: str, names: Mapping[str, str] | Iterable[str]) -> tuple[Row, ...]:
    """Rows of these names (theirs: ours, or the same on both sides) at the end of two paths."""
    pairs = names.items() if isinstance(names, Mapping) else ((name, name) for name in names)
    return tuple(Row(f"{theirs}{there}", f"{ours}{here}") for there, here in pairs)


def _tower(theirs: str, ours: str, hidden: int = 3072) -> tuple[Row, ...]:
    """The sizes that any transformer has."""
    sizes = {"hidden_size": "width", "num_hidden_layers": "layers", "num_attention_heads": "heads"}
    return (
        *_rows(theirs, ours, sizes),
        Row(f"{theirs}intermediate_size", f"{ours}hidden", hidden),
    )


def _bert(theirs: str, ours: str) -> tuple[Row, ...]:
    names = {
        "vocab_size": "vocab_size",
        "max_position_embeddings": "length",
        "layer_norm_eps": "eps",
        "pad_token_id": "pad",
    }
    return _tower(theirs, ours) + _rows(theirs, ours, names)


def _only_bert(theirs: str) -> tuple[Fixed, ...]:
    return (
        Fixed(f"{theirs}hidden_act", ("gelu",), "a BERT"),
        Fixed(f"{theirs}position_embedding_type", ("absolute",), "a BERT"),
        Fixed(f"{theirs}tie_word_embeddings", (True,), "a BERT"),
    )


def _clip_of_2021(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Early configurations hold what counts in `*_config_dict`."""
    text, vision = (
        {**(settings.get(f"{tower}_config") or {}), **(settings.get(f"{tower}_config_dict") or {})}
        for tower in ("text", "vision")
    )
    if text.get("eos_token_id") == 2:  # they mean the largest id
        last = text.get("vocab_size", 49408) - 1
        text |= {"bos_token_id": last - 1, "eos_token_id": last, "pad_token_id": last}
    return {**settings, "text_config": text, "vision_config": vision}


def _blip_of_2022(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    text = dict(settings.get("text_config") or {})
    if (text.get("hidden_size", 768), text.get("num_attention_heads")) == (768, 8):
        warnings.warn(
            "num_attention_heads=8 is an error of early BLIP configurations; going on with 12, as "
            "the model was trained",
            stacklevel=2,
        )
        text["num_attention_heads"] = 12
    return {**settings, "text_config": text}


def _starts_with_dec(config: Any, settings: Mapping[str, Any]) -> None:
    bos = at(settings, "text_config.bos_token_id", 30522)
    if config.task != "retrieval" and bos != config.dec:
        raise ValueError(
            f"bos_token_id={bos} is not the last id but one; expected {config.dec}, [DEC]"
        )


def _square(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    vision = settings.get("vision_config") or {}
    size = vision.get("image_size")
    if not isinstance(size, list):
        return settings
    if size[0] != size[-1]:
        raise ValueError(f"image_size={size} is not square; expected one number")
    return {**settings, "vision_config": {**vision, "image_size": size[0]}}


def _projects_to_the_last_map(config: Any, settings: Mapping[str, Any]) -> None:
    projection = at(settings, "projection_dim", 640)
    if projection != config.embed:
        raise ValueError(
            f"projection_dim={projection} does not fit vision_config, whose last map has "
            f"{config.embed} channels; expected them to be equal"
        )


_GELUS = {name: name for name in typing.get_args(Activation)}
CLIP = Table(
    rows=(
        *_tower("vision_config.", "vision."),
        *_tower("text_config.", "text.", hidden=2048),
        Row("vision_config.image_size", "image_size"),
        Row("vision_config.patch_size", "patch_size", 32),
        Row("text_config.max_position_embeddings", "text.length"),
        Row("text_config.vocab_size", "text.vocab_size"),
        Row("text_config.bos_token_id", "bos", 49406),
        Row("text_config.eos_token_id", "eos", 49407),
        Row("text_config.pad_token_id", "text.pad", 1),
        Row("text_config.hidden_act", "text_act", names=_GELUS),
        Row("vision_config.hidden_act", "vision_act", names=_GELUS),
        Row("text_config.layer_norm_eps", "text.eps", 1e-5),
        Row("vision_config.layer_norm_eps", "vision.eps", 1e-5),
        Row("projection_dim", "embed"),
    ),
    constants={
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "text_config.model_type": "clip_text_model",
        "vision_config.model_type": "clip_vision_model",
    },
    derived={f"{tower}_config.projection_dim": "embed" for tower in ("text", "vision")},
    repair=_clip_of_2021,
)

BERT = Table(
    rows=(*_bert("", ""), Row("type_vocab_size", "segments")),
    fixed=_only_bert(""),
    constants={"architectures": ["BertForMaskedLM"], "model_type": "bert"},
)

# Ours, in the manner of transformers, which knows no ALBEF.
_VIT = ("width", "layers", "heads", "hidden", "eps")
ALBEF = Table(
    rows=(
        *_rows("", "", ("image_size", "patch_size", "first_fusion", "embed", "task")),
        Row("decoder_layers", "decoder_layers"),
        *_rows("vision.", "vision.", _VIT),
        *_rows("text.", "text.", (*_VIT, "vocab_size", "length", "segments", "pad")),
    ),
    constants={"model_type": "albef"},
)

BLIP = Table(
    rows=(
        *_tower("vision_config.", "vision."),
        Row("vision_config.layer_norm_eps", "vision.eps", 1e-5),
        Row("vision_config.image_size", "image_size"),
        Row("vision_config.patch_size", "patch_size"),
        *_bert("text_config.", "text."),
        Row("text_config.sep_token_id", "eos"),
        Row("image_text_hidden_size", "embed"),
        Row("logit_scale_init_value", "log_scale"),
        Row("match_start", "match_start"),
        Row(
            "architectures",
            "task",
            names={
                "retrieval": ["BlipForImageTextRetrieval"],
                "captioning": ["BlipForConditionalGeneration"],
                "answering": ["BlipForQuestionAnswering"],
            },
        ),
    ),
    fixed=(Fixed("vision_config.hidden_act", ("gelu",), "a BLIP"), *_only_bert("text_config.")),
    constants={
        "model_type": "blip",
        "text_config.architectures": ["BlipTextModel"],
        "text_config.model_type": "blip_text_model",
        "vision_config.model_type": "blip_vision_model",
    },
    derived={"text_config.encoder_hidden_size": "vision.width", "text_config.bos_token_id": "dec"},
    repair=_blip_of_2022,
    check=_starts_with_dec,
)

_EFFICIENT_NET = ("width_coefficient", "depth_coefficient", "depth_divisor", "in_channels")
_EFFICIENT_NET += ("out_channels", "kernel_sizes", "strides", "num_block_repeats", "expand_ratios")
_EFFICIENT_NET += ("squeeze_expansion_ratio", "batch_norm_eps", "depthwise_padding")
ALIGN = Table(
    rows=(
        Row("vision_config.image_size", "image_size", 600),
        *_rows("vision_config.", "vision.", _EFFICIENT_NET),
        *_bert("text_config.", "text."),
        Row("text_config.type_vocab_size", "text.segments"),
    ),
    fixed=(
        Fixed("vision_config.hidden_act", ("swish", "silu"), "an EfficientNet"),
        Fixed("vision_config.pooling_type", ("mean",), "an EfficientNet"),
        *_only_bert("text_config."),
    ),
    constants={
        "architectures": ["AlignModel"],
        "model_type": "align",
        "text_config.architectures": ["AlignTextModel"],
        "text_config.model_type": "align_text_model",
        "vision_config.architectures": ["AlignVisionModel"],
        "vision_config.model_type": "align_vision_model",
    },
    # The pooling window is `hidden_dim` places a side, which no map outgrows.
    derived={"projection_dim": "embed", "vision_config.hidden_dim": "embed"},
    repair=_square,
    check=_projects_to_the_last_map,
)
