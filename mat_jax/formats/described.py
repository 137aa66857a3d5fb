"""Which model some files hold, and how its tensors are named in them.

`kinds` are the configurations that families have, by the name that transformers gives a family.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mat_jax.formats import configs, folders, layouts, originals, settings
from mat_jax.formats.rules import Layout

Kinds = Mapping[str, type[Any]]
LAYOUTS = {
    "clip": layouts.CLIP_HF,
    "albef": layouts.ALBEF_ORIGINAL,
    "blip": layouts.BLIP_HF,
    "align": layouts.ALIGN_HF,
    "bert": layouts.BERT_MLM_HF,
}
TABLES = {
    "clip": configs.CLIP,
    "albef": configs.ALBEF,
    "blip": configs.BLIP,
    "align": configs.ALIGN,
    "bert": configs.BERT,
}


def described(
    folder: Path, tensors: Mapping[str, np.ndarray], source: Path, kinds: Kinds
) -> tuple[Any, Layout]:
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
            sizes = originals.clip(shapes, said)
            return settings.built(kinds["clip"], sizes), layouts.CLIP_OPENAI
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise ValueError(f"{source} holds no whole CLIP that is known here: {error}") from error
    if "visual_encoder.cls_token" in tensors and not path.exists():
        return original(tensors, kinds)
    said = folders.read_settings(path)
    try:
        return from_hf(said, kinds), LAYOUTS[said["model_type"]]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def from_hf(said: Mapping[str, Any], kinds: Kinds) -> Any:
    """The configuration that a config.json describes."""
    family = said.get("model_type")
    if family not in TABLES:
        raise ValueError(f"model_type={family!r}; expected one of {', '.join(TABLES)}")
    return settings.read(said, TABLES[family], kinds[family])


def original(
    tensors: Mapping[str, np.ndarray], kinds: Kinds, *, head: int = 64
) -> tuple[Any, Layout]:
    """What ALBEF's, TCL's and BLIP's checkpoints, as published, are: BLIP has no segments.

    `head` is the width of an attention head, of which tensors say nothing.
    """
    if any(name.endswith(".token_type_embeddings.weight") for name in tensors):
        sizes = originals.albef(tensors, head=head)
        return settings.built(kinds["albef"], sizes), layouts.ALBEF_ORIGINAL
    sizes = originals.blip(tensors, head=head)
    return settings.built(kinds["blip"], sizes), layouts.BLIP_ORIGINAL
