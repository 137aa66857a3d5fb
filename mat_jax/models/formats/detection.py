"""Which model some files hold, and how its tensors are named in them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mat_jax.models.formats import configs, folders, layouts, originals, settings, sizes
from mat_jax.models.formats.rules import Layout


class Family(NamedTuple):
    """How a family of models is written: its configuration, its config.json, its tensors."""

    config: type[Any]
    table: settings.Table
    layout: Layout


# By the names that transformers gives them.
FAMILIES = {
    "clip": Family(sizes.CLIPConfig, configs.CLIP, layouts.CLIP_HF),
    "albef": Family(sizes.ALBEFConfig, configs.ALBEF, layouts.ALBEF_ORIGINAL),
    "blip": Family(sizes.BLIPConfig, configs.BLIP, layouts.BLIP_HF),
    "align": Family(sizes.ALIGNConfig, configs.ALIGN, layouts.ALIGN_HF),
    "bert": Family(sizes.BertConfig, configs.BERT, layouts.BERT_MLM_HF),
}


def family_of(config: Any) -> Family:
    """The family whose configuration this is."""
    return next(family for family in FAMILIES.values() if isinstance(config, family.config))


def described(folder: Path, tensors: Mapping[str, np.ndarray], source: Path) -> tuple[Any, Layout]:
    """The configuration of the model in a folder, by config.json or by the tensors themselves.

    Raises:
        FileNotFoundError: neither says it.
        ValueError: there is no such model here.
    """
    path = folder / "config.json"
    if "visual.class_embedding" in tensors:
        beside = folder / "open_clip_config.json"
        try:
            shapes = {name: tensor.shape for name, tensor in tensors.items()}
            said = folders.read_settings(beside) if beside.exists() else None
            found = originals.clip(shapes, said)
            return settings.built(sizes.CLIPConfig, found), layouts.CLIP_OPENAI
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise ValueError(f"{source} holds no whole CLIP that is known here: {error}") from error
    if "visual_encoder.cls_token" in tensors and not path.exists():
        return original(tensors)
    said = folders.read_settings(path)
    try:
        return from_hf(said), FAMILIES[said["model_type"]].layout
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def from_hf(said: Mapping[str, Any]) -> Any:
    """The configuration that a config.json describes."""
    name = said.get("model_type")
    if name not in FAMILIES:
        raise ValueError(f"model_type={name!r}; expected one of {', '.join(FAMILIES)}")
    return settings.read(said, FAMILIES[name].table, FAMILIES[name].config)


def original(tensors: Mapping[str, np.ndarray], *, head: int = 64) -> tuple[Any, Layout]:
    """What ALBEF's, TCL's and BLIP's checkpoints, as published, are: BLIP has no segments.

    `head` is the width of an attention head, of which tensors say nothing.
    """
    if any(name.endswith(".token_type_embeddings.weight") for name in tensors):
        found = originals.albef(tensors, head=head)
        return settings.built(sizes.ALBEFConfig, found), layouts.ALBEF_ORIGINAL
    found = originals.blip(tensors, head=head)
    return settings.built(sizes.BLIPConfig, found), layouts.BLIP_ORIGINAL
