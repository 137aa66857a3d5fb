"""Models in folders, as transformers reads and writes them: config.json, safetensors, tokenizer."""

import dataclasses
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from flax import nnx

from mat_jax.models import align, clip
from mat_jax.models.align import ALIGN, ALIGNConfig
from mat_jax.models.bert import BertConfig, BertMLM
from mat_jax.models.clip import CLIP, CLIPConfig
from mat_jax.models.convert import ALIGN_HF, BERT_MLM_HF, CLIP_HF, Layout, to_ours, to_theirs
from mat_jax.models.tokenizer import Tokenizer
from mat_jax.models.vision import resize_positions

SHIPPED = Path(__file__).parent / "shipped"
WEIGHTS = "model.safetensors"

Model = CLIP | ALIGN | BertMLM
Config = CLIPConfig | ALIGNConfig | BertConfig


@dataclass(frozen=True)
class Family:
    """What belongs together: a configuration, the model it builds, the names in its files."""

    config: type[Any]
    model: type[Any]
    layout: Layout


FAMILIES = {
    "clip": Family(CLIPConfig, CLIP, CLIP_HF),
    "align": Family(ALIGNConfig, ALIGN, ALIGN_HF),
    "bert": Family(BertConfig, BertMLM, BERT_MLM_HF),
}


def load(
    name: str | Path, *, image_size: int | None = None, text_length: int | None = None
) -> tuple[Any, Tokenizer]:
    """Read a model and its tokenizer.

    Args:
        name: a folder, the name of a model shipped with the package (`scenes-clip`), or the name
            of a repository on the Hugging Face hub (`openai/clip-vit-base-patch16`).
        image_size: pixels along a side, if not the size the model was trained with; its position
            embeddings are interpolated once, here.
        text_length: ids of a caption, if fewer than the checkpoint's tokenizer says. It is what
            text encoders spend their time on: captions seldom need CLIP's 77 or BERT's 512.

    Raises:
        FileNotFoundError: no such folder, or no such file in it.
        ValueError: a file is broken, or is of another model than its config.json.
    """
    folder = find(name)
    settings = _read_config(folder / "config.json")
    family = FAMILIES.get(settings.get("model_type", ""))
    if family is None:
        raise ValueError(
            f"{folder / 'config.json'} says model_type={settings.get('model_type')!r}; expected "
            f"one of {', '.join(FAMILIES)}"
        )
    try:
        config = family.config.from_hf(settings)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{folder / 'config.json'}: {error}") from error
    most = config.text_length if isinstance(config, CLIPConfig) else config.length
    tokenizer = Tokenizer.from_dir(folder, min(most, text_length or most))
    end = config.eos if isinstance(config, CLIPConfig) else tokenizer.text_format.end
    if tokenizer.vocab_size > config.vocab_size or tokenizer.text_format.end != end:
        raise ValueError(
            f"the tokenizer in {folder} has {tokenizer.vocab_size} ids and ends captions with "
            f"{tokenizer.text_format.end}, its config.json says {config.vocab_size} and {end}; "
            f"expected both to be of one checkpoint"
        )
    arrays = read_arrays(folder, config)
    if image_size is not None and image_size != getattr(config, "image_size", image_size):
        config = dataclasses.replace(config, image_size=image_size)
        if "vision.pos" in arrays:  # convolutions have no positions
            grid = image_size // config.patch_size
            arrays["vision.pos"] = resize_positions(arrays["vision.pos"], grid)
    model = assemble(config, arrays)
    if hasattr(model, "text_format"):
        model.text_format = tokenizer.text_format
    return model, tokenizer


def save(model: Model, tokenizer: Tokenizer, folder: str | Path) -> None:
    """Write a folder that transformers and `load` read. It appears whole or not at all.

    Raises:
        ValueError: the folder holds files that are not a model's, which would be lost.
        OSError: the disk is full or may not be written to.
    """
    folder = Path(folder).absolute()
    tensors = to_theirs(_arrays(model), _family(model.config).layout)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
            new = Path(scratch, "new")
            tokenizer.save(new)
            _write_json(new / "config.json", model.config.to_hf() | {"dtype": "float32"})
            if not isinstance(model.config, BertConfig):
                _write_json(new / "preprocessor_config.json", _preprocessor(model.config))
            safetensors.numpy.save_file(tensors, new / WEIGHTS, metadata={"format": "pt"})
            (new / WEIGHTS).chmod(0o644)  # safetensors lets nobody else read it
            _replace(folder, new, aside=Path(scratch, "old"))
    except (OSError, safetensors.SafetensorError) as error:
        raise OSError(
            f"the model could not be written to {folder} ({error}); free the disk or choose "
            f"another folder"
        ) from error


def find(name: str | Path) -> Path:
    """The folder of a model, fetched from the hub if it is named after a repository there."""
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if (SHIPPED / str(name)).is_dir():
        return SHIPPED / str(name)
    shipped = sorted(p.name for p in SHIPPED.iterdir() if p.is_dir()) if SHIPPED.is_dir() else []
    known = f"a folder, {', '.join(shipped)}" if shipped else "a folder"
    if str(name).count("/") != 1 or str(name).startswith((".", "~", "/")):
        raise FileNotFoundError(
            f"there is no model {str(name)!r}; expected {known} or a hub name like "
            f"openai/clip-vit-base-patch16"
        )
    import huggingface_hub  # here, because it is slow to import and seldom needed

    try:
        fetched = huggingface_hub.snapshot_download(
            str(name), allow_patterns=["*.json", "*.txt", WEIGHTS]
        )
    except Exception as error:  # the hub's errors are many, their meaning to us is one
        raise FileNotFoundError(
            f"{str(name)!r} is no folder here and could not be fetched from the Hugging Face hub "
            f"({type(error).__name__}); check the name and the network, or give a folder"
        ) from error
    return Path(fetched)


def read_arrays(folder: Path, config: Config) -> dict[str, np.ndarray]:
    """The weights in a folder (path in the model: array), all of them and nothing else."""
    path = folder / WEIGHTS
    if not path.exists():
        raise FileNotFoundError(
            f"{folder} holds no {WEIGHTS}; save the model in that form (`save_pretrained` of "
            f"transformers does)"
        )
    try:
        tensors = safetensors.numpy.load_file(path)
    except (safetensors.SafetensorError, KeyError) as error:
        raise ValueError(
            f"{path} cannot be read ({error}); it is cut short or damaged, copy or export it again"
        ) from error
    state = nnx.state(_abstract(config))
    shapes = {_dotted(path): leaf.shape for path, leaf in nnx.to_flat_state(state)}
    return to_ours(tensors, _family(config).layout, shapes, source=str(path))


def assemble(config: Config, arrays: Mapping[str, np.ndarray]) -> Any:
    """A model of a configuration, with these arrays for weights, as float32."""
    graph, state = nnx.split(_abstract(config))
    leaves = [
        (path, leaf.replace(jnp.asarray(arrays[_dotted(path)], jnp.float32)))
        for path, leaf in nnx.to_flat_state(state)
    ]
    return nnx.merge(graph, nnx.from_flat_state(leaves))


def _abstract(config: Config) -> Any:
    """The model without its weights, which would take time and memory to draw."""
    return nnx.eval_shape(lambda: _family(config).model(config, nnx.Rngs(0)))


def _dotted(path: tuple[Any, ...]) -> str:
    return ".".join(map(str, path))


def _family(config: Config) -> Family:
    return next(family for family in FAMILIES.values() if isinstance(config, family.config))


def _arrays(model: Model) -> dict[str, np.ndarray]:
    return {_dotted(p): np.asarray(v[...]) for p, v in nnx.to_flat_state(nnx.state(model))}


def _read_config(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path.parent} holds no config.json; expected a folder written by transformers or by "
            f"mat_jax"
        ) from None
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}); export the model again") from error
    if not isinstance(settings, dict):
        raise ValueError(f"{path} is not JSON of settings by name; export the model again")
    return settings


def _replace(folder: Path, new: Path, *, aside: Path) -> None:
    """Put `new` in the place of `folder`, which moves aside, unless it holds something else."""
    if folder.exists():
        strange = sorted({p.name for p in folder.iterdir()} - {p.name for p in new.iterdir()})
        if strange:
            raise ValueError(
                f"{folder} holds {strange[0]}, which is not a file of this model and would be "
                f"lost; choose another folder"
            )
        folder.rename(aside)
    new.rename(folder)


def _write_json(path: Path, settings: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _preprocessor(config: CLIPConfig | ALIGNConfig) -> dict[str, Any]:
    """How transformers is to prepare images: as `data.resize` does, then mean and deviation."""
    ours = clip if isinstance(config, CLIPConfig) else align
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": config.image_size},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": config.image_size, "width": config.image_size},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": ours.PIXEL_MEAN,
        "image_std": ours.PIXEL_STD,
        "do_convert_rgb": True,
    }
