"""Checkpoints as first published hold no settings: their sizes are read off their tensors.

Settings are returned by dotted path, as `settings.built` takes them.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mat_jax.models.formats.preprocessing import OPENAI

# What open_clip_config.json may say of a tower; anything else builds another kind of tower.
OPEN_CLIP_SIZES = {"width", "layers", "heads", "head_width", "mlp_ratio"}
OPEN_CLIP_SIZES |= {"image_size", "patch_size", "context_length", "vocab_size"}

# Scalars that only OpenAI's own archives hold beside the weights.
OPENAI_SIZES = {"input_resolution", "context_length", "vocab_size"}


def clip(
    shapes: Mapping[str, tuple[int, ...]], settings: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The sizes of a CLIP in OpenAI's layout.

    Args:
        shapes: of the tensors, by name.
        settings: open_clip_config.json. Without one the model is OpenAI's: its heads are 64
            wide, and its activation is the quick GELU, not the exact one. (Of bare weights that
            may not be OpenAI's `described` warns: with the other GELU features are off by 4e-3.)
    """
    model, pixels = ((settings or {}).get(part, {}) for part in ("model_cfg", "preprocess_cfg"))
    vision, text = model.get("vision_cfg", {}), model.get("text_cfg", {})
    strange = (vision.keys() | text.keys()) - OPEN_CLIP_SIZES
    if strange or tuple(pixels.get("mean", OPENAI.mean)) != OPENAI.mean:
        raise ValueError(
            f"{', '.join(sorted(strange)) or 'the mean of pixels'} makes it another model than "
            f"OpenAI's; expected one that differs in sizes and GELU alone"
        )
    act = "quick_gelu" if settings is None or model.get("quick_gelu", False) else "gelu"
    width, _, _, patch_size = shapes["visual.conv1.weight"]
    text_length, text_width = shapes["positional_embedding"]
    grid = round((shapes["visual.positional_embedding"][0] - 1) ** 0.5)
    # Tensors do not tell pixels that make no whole patch; a file that speaks of them may.
    size = vision.get("image_size")
    whole = isinstance(size, int) and size // patch_size == grid
    return {
        "image_size": size if whole else patch_size * grid,
        "patch_size": patch_size,
        "vision.width": width,
        "vision.layers": _count(shapes, "visual.transformer.resblocks.", ".ln_1.weight"),
        "vision.heads": width // vision.get("head_width", 64),
        "vision.hidden": shapes["visual.transformer.resblocks.0.mlp.c_fc.weight"][0],
        "text.width": text_width,
        "text.layers": _count(shapes, "transformer.resblocks.", ".ln_1.weight"),
        "text.heads": text.get("heads", text_width // 64),
        "text.hidden": shapes["transformer.resblocks.0.mlp.c_fc.weight"][0],
        "text.length": text_length,
        "text.vocab_size": shapes["token_embedding.weight"][0],
        "text.pad": shapes["token_embedding.weight"][0] - 1,  # the end of texts, as in transformers
        "embed": shapes["text_projection"][1],
        "vision_act": act,
        "text_act": act,
    }


def albef(tensors: Mapping[str, np.ndarray], *, head: int = 64) -> dict[str, Any]:
    """The sizes of an ALBEF or TCL; `head` is the width of an attention head."""
    bert = any(name.startswith("text_encoder.bert.") for name in tensors)
    text = "text_encoder.bert" if bert else "text_encoder"
    sizes = _vit_and_bert(tensors, text, head)
    fusion = _count(tensors, f"{text}.encoder.layer.", ".crossattention.self.key.weight")
    sizes["first_fusion"] = sizes["text.layers"] - fusion
    if "cls_head.0.weight" in tensors:
        return {"embed": 0} | sizes | {"task": "entailment"}
    layers = _count(tensors, "text_decoder.bert.encoder.layer.", ".output.dense.bias")
    if layers:
        return {"embed": 0} | sizes | {"task": "answering", "decoder_layers": layers}
    return sizes | {"task": "retrieval"}


def blip(tensors: Mapping[str, np.ndarray], *, head: int = 64) -> dict[str, Any]:
    """The sizes of a BLIP, and its temperature; `head` is the width of an attention head."""
    writes = any(name.startswith("text_decoder.") for name in tensors)
    reads = any(name.startswith("text_encoder.") for name in tensors)
    if writes and reads and "itm_head.weight" not in tensors:
        return _vit_and_bert(tensors, "text_encoder", head) | {"task": "answering"}
    if writes:
        return _vit_and_bert(tensors, "text_decoder.bert", head) | {"task": "captioning"}
    sizes = _vit_and_bert(tensors, "text_encoder", head)
    if "temp" in tensors:
        sizes["log_scale"] = -math.log(tensors["temp"])
    return sizes


def _vit_and_bert(tensors: Mapping[str, np.ndarray], text: str, head: int) -> dict[str, Any]:
    try:
        width, _, patch, _ = tensors["visual_encoder.patch_embed.proj.weight"].shape
        grid = round((tensors["visual_encoder.pos_embed"].shape[1] - 1) ** 0.5)
        vocab_size, text_width = tensors[f"{text}.embeddings.word_embeddings.weight"].shape
        sizes = {
            "image_size": grid * patch,
            "patch_size": patch,
            "vision.width": width,
            "vision.layers": _count(tensors, "visual_encoder.blocks.", ".mlp.fc1.bias"),
            "vision.heads": max(1, width // head),
            "vision.hidden": len(tensors["visual_encoder.blocks.0.mlp.fc1.bias"]),
            "text.vocab_size": vocab_size,
            "text.length": len(tensors[f"{text}.embeddings.position_embeddings.weight"]),
            "text.width": text_width,
            "text.layers": _count(tensors, f"{text}.encoder.layer.", ".output.dense.bias"),
            "text.heads": max(1, text_width // head),
            "text.hidden": len(tensors[f"{text}.encoder.layer.0.intermediate.dense.bias"]),
            "text.segments": len(
                tensors.get(f"{text}.embeddings.token_type_embeddings.weight", ())
            ),
        }
        shared = tensors.get("vision_proj.weight")  # not in models for entailment or captions
        return sizes if shared is None else sizes | {"embed": len(shared)}
    except KeyError as error:
        raise ValueError(
            f"the checkpoint has no {error}; expected one of ALBEF, TCL or BLIP as published"
        ) from error


def _count(names: Iterable[str], start: str, end: str) -> int:
    """How many names there are of the form `start N end`."""
    inside = (name for name in names if name.startswith(start) and name.endswith(end))
    return sum(name[len(start) : -len(end)].isdigit() for name in inside)
