"""Which model some files hold, and how its tensors are named in them."""

import typing
import warnings
from collections.abc import Mapping
from dataclasses import replace
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


def described(
    folder: Path,
    tensors: Mapping[str, np.ndarray],
    source: Path,
    *,
    activation: str | None = None,
) -> tuple[Any, Layout]:
    """The configuration of the model in a folder, by config.json or by the tensors themselves.

    Warns where nothing says which activation a CLIP was trained with.

    Args:
        folder: where the files that speak of the model lie.
        tensors: its weights.
        source: their file, for messages.
        activation: of both towers of a CLIP, whatever the files say.

    Raises:
        FileNotFoundError: neither says it.
        ValueError: there is no such model here, or an activation is given for another than a CLIP.
    """
    config, layout = _described(folder, tensors, source, warn=activation is None)
    if activation is None:
        return config, layout
    if not isinstance(config, sizes.CLIPConfig):
        raise ValueError(
            f"activation={activation!r} is a CLIP's to choose, and {source} holds a "
            f"{type(config).__name__.removesuffix('Config')}; leave it out"
        )
    acts = {name: name for name in typing.get_args(sizes.Activation)}
    if activation not in acts:
        raise ValueError(f"activation={activation!r} is not known; expected {' or '.join(acts)}")
    act = acts[activation]
    return replace(config, vision_act=act, text_act=act), layout


def _described(
    folder: Path, tensors: Mapping[str, np.ndarray], source: Path, *, warn: bool
) -> tuple[Any, Layout]:
    path = folder / "config.json"
    if "visual.class_embedding" in tensors:
        beside = folder / "open_clip_config.json"
        try:
            shapes = {name: tensor.shape for name, tensor in tensors.items()}
            said = folders.read_settings(beside) if beside.exists() else None
            config = settings.built(sizes.CLIPConfig, originals.clip(shapes, said))
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise ValueError(f"{source} holds no whole CLIP that is known here: {error}") from error
        if warn and said is None and not originals.OPENAI_SIZES & tensors.keys():
            warnings.warn(
                f"{source} does not say which GELU it was trained with; going on with OpenAI's, "
                f"the quick one: give activation='gelu' (mat_jax.convert: --activation gelu) if "
                f"it is open_clip's, else activation='quick_gelu'",
                stacklevel=4,
            )
        return config, layouts.CLIP_OPENAI
    if "visual_encoder.cls_token" in tensors and not path.exists():
        return original(tensors)
    said = folders.read_settings(path)
    try:
        return from_hf(said), FAMILIES[said["model_type"]].layout
    except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())[:300]}") from error


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
