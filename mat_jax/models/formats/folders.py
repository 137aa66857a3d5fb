"""Models in folders: where they are found, how their files are read, how a folder is written."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from mat_jax.models.formats import pickles
from mat_jax.utils.spelling import meant

WEIGHTS = "model.safetensors"
# What the weights in a folder may be called, in order of preference.
READABLE = (
    WEIGHTS,
    "pytorch_model.bin",
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.bin",
)
# Small models that the wheel leaves out (pyproject.toml).
IN_CHECKOUT = (
    "scenes-albef",
    "scenes-blip",
    "scenes-captioner",
    "scenes-entailment",
    "scenes-vqa",
)


def find(name: str | Path, shipped: Path) -> Path:
    """The folder or file of a model, fetched from the hub if it is named after a repository.

    In `shipped` are the folders that may be named without saying where they are.
    """
    path = Path(name).expanduser()
    if path.exists():
        return path
    if (shipped / str(name)).is_dir():
        return shipped / str(name)
    if str(name) in IN_CHECKOUT:
        raise FileNotFoundError(
            f"{str(name)!r} is shipped with a checkout of the repository and not with the wheel, "
            "which would be twice as large: clone it, and give the folder "
            f"mat_jax/models/shipped/{name}"
        )
    names = sorted(p.name for p in shipped.iterdir() if p.is_dir()) if shipped.is_dir() else []
    weights = path.suffix in (".pt", ".pth", ".bin", ".safetensors")
    if str(name).count("/") != 1 or str(name).startswith((".", "~", "/")) or weights:
        raise FileNotFoundError(
            f"there is no model {str(name)!r}; expected {', '.join(['a folder', *names])} or a hub "
            f"name like openai/clip-vit-base-patch16{meant(str(name), names)}"
        )
    import huggingface_hub  # here, because it is slow to import and seldom needed

    try:
        for weights in READABLE:  # the first that there is, and no other
            patterns = ["*.json", "*.txt", weights]
            fetched = Path(huggingface_hub.snapshot_download(str(name), allow_patterns=patterns))
            if (fetched / weights).exists():
                break
        return fetched
    except Exception as error:  # the hub's errors are many, their meaning to us is one
        raise FileNotFoundError(
            f"{str(name)!r} is no folder here and could not be fetched from the Hugging Face hub "
            f"({type(error).__name__}); check the name and the network, or give a folder: put "
            f"config.json, the files of the tokenizer and {WEIGHTS} into it, from "
            f"https://huggingface.co/{name}/tree/main where there is a network"
        ) from error


def weights(found: Path) -> Path:
    """The file of weights in a folder, or that file itself."""
    if found.is_file():
        return found
    for name in READABLE:
        if (found / name).exists():
            return found / name
    raise FileNotFoundError(
        f"{found} holds no {WEIGHTS}; save the model in that form (`save_pretrained` of "
        f"transformers does)"
    )


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a file by their names there."""
    if path.suffix != ".safetensors":
        return pickles.tensors(path)
    try:
        return safetensors.numpy.load_file(path)
    except (safetensors.SafetensorError, KeyError) as error:
        raise ValueError(
            f"{path} cannot be read ({error}); it is cut short or damaged, copy or export it again"
        ) from error


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray], dtype: str) -> None:
    """Tensors as a file of their names, numbers that are not whole as `dtype`."""
    halved = {
        name: tensor.astype(dtype) if np.issubdtype(tensor.dtype, np.floating) else tensor
        for name, tensor in tensors.items()
    }
    safetensors.numpy.save_file(halved, path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors lets nobody else read it


def read_settings(path: Path) -> dict[str, Any]:
    """What a config.json says."""
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path.parent} holds no config.json; expected a folder written by transformers or by "
            f"mat_jax"
        ) from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error}); export the model again") from error
    if not isinstance(settings, dict):
        raise ValueError(f"{path} is not JSON of settings by name; export the model again")
    return settings


def write_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Settings as transformers writes them."""
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


@contextmanager
def replaced(folder: str | Path) -> Iterator[Path]:
    """A new folder to write to, which takes the place of `folder` at the end, or of nothing.

    Raises:
        ValueError: `folder` holds a file that the new one does not, and that would be lost.
        OSError: the disk is full or may not be written to.
    """
    folder = Path(folder).absolute()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
            new = Path(scratch, "new")
            new.mkdir()
            yield new
            if folder.exists():
                strange = sorted(
                    {p.name for p in folder.iterdir()} - {p.name for p in new.iterdir()}
                )
                if strange:
                    raise ValueError(
                        f"{folder} holds {strange[0]}, which is not a file of this model and would "
                        f"be lost; choose another folder"
                    )
                folder.rename(Path(scratch, "old"))
            new.rename(folder)
    except (OSError, safetensors.SafetensorError) as error:
        raise OSError(
            f"the model could not be written to {folder} ({error}); free the disk or choose "
            f"another folder"
        ) from error
