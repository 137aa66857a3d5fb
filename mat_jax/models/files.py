"""Models in folders, as transformers reads and writes them: config.json, safetensors, tokenizer.

Read are also torch's checkpoints, and the layouts that models were first published in.
"""

import dataclasses
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from flax import nnx

from mat_jax.models import align, clip, pickles
from mat_jax.models.albef import ALBEF, ALBEFConfig
from mat_jax.models.align import ALIGN, ALIGNConfig
from mat_jax.models.bert import BertConfig, BertMLM
from mat_jax.models.blip import BLIP, BLIPCaptioner, BLIPConfig, blip
from mat_jax.models.clip import CLIP, CLIPConfig
from mat_jax.models.convert import (
    ALIGN_HF,
    BERT_MLM_HF,
    CLIP_HF,
    CLIP_OPENAI,
    Layout,
    to_ours,
    to_theirs,
)
from mat_jax.models.layouts import ALBEF_ORIGINAL, BLIP_HF, BLIP_ORIGINAL
from mat_jax.models.nn import compute_in
from mat_jax.models.tokenizer import Tokenizer
from mat_jax.models.vision import resize_positions

SHIPPED = Path(__file__).parent / "shipped"
WEIGHTS = "model.safetensors"
# What the weights in a folder may be called, in order of preference.
READABLE = (
    WEIGHTS,
    "pytorch_model.bin",
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.bin",
)

Model = CLIP | ALBEF | BLIP | BLIPCaptioner | ALIGN | BertMLM
Config = CLIPConfig | ALBEFConfig | BLIPConfig | ALIGNConfig | BertConfig


@dataclass(frozen=True)
class Family:
    """What belongs together: a configuration, the model it builds, the names in its files."""

    config: type[Any]
    model: Callable[[Any, nnx.Rngs], Any]
    layout: Layout


FAMILIES = {
    "clip": Family(CLIPConfig, CLIP, CLIP_HF),
    "albef": Family(ALBEFConfig, ALBEF, ALBEF_ORIGINAL),
    "blip": Family(BLIPConfig, blip, BLIP_HF),
    "align": Family(ALIGNConfig, ALIGN, ALIGN_HF),
    "bert": Family(BertConfig, BertMLM, BERT_MLM_HF),
}


def original(tensors: Mapping[str, np.ndarray]) -> tuple[Config, Layout]:
    """What ALBEF's, TCL's and BLIP's checkpoints, as published, are: BLIP has no segments."""
    if any(name.endswith(".token_type_embeddings.weight") for name in tensors):
        return ALBEFConfig.from_tensors(tensors), ALBEF_ORIGINAL
    return BLIPConfig.from_tensors(tensors), BLIP_ORIGINAL


def load(
    name: str | Path,
    *,
    image_size: int | None = None,
    dtype: str | None = None,
    text_length: int | None = None,
    tokenizer: str | Path | None = None,
) -> tuple[Any, Tokenizer]:
    """Read a model and its tokenizer.

    Args:
        name: a folder, the name of a model shipped with the package (`scenes-clip`), the name of
            a repository on the Hugging Face hub (`openai/clip-vit-base-patch16`), or a file of
            weights (`ViT-B-16.pt`). A CLIP in OpenAI's layout is taken for OpenAI's own, unless
            open_clip_config.json lies beside it and says otherwise.
        image_size: pixels along a side, if not the size the model was trained with; its position
            embeddings are interpolated once, here.
        dtype: "bfloat16" to compute in it, in half the time on most accelerators; weights,
            normalisations, softmax and embeddings are float32 either way.
        text_length: ids of a caption, if fewer than the checkpoint's tokenizer says. It is what
            text encoders spend their time on: captions seldom need CLIP's 77 or BERT's 512.
        tokenizer: folder of the tokenizer, if it is not with the weights.

    Raises:
        FileNotFoundError: no such folder, or no such file in it.
        ValueError: a file is broken, or is of another model than its config.json.
    """
    found = find(name)
    folder = found if found.is_dir() else found.parent
    source = _weights(found)
    tensors = read_tensors(source)
    config, layout = _described(folder, tensors, source)
    most = config.text_length if isinstance(config, CLIPConfig) else config.length
    reads = Tokenizer.from_dir(tokenizer or folder, min(most, text_length or most))
    end = config.eos if isinstance(config, CLIPConfig) else reads.text_format.end
    if reads.vocab_size > config.vocab_size or reads.text_format.end != end:
        raise ValueError(
            f"the tokenizer in {tokenizer or folder} has {reads.vocab_size} ids and ends captions "
            f"with {reads.text_format.end}, the model in {source} expects {config.vocab_size} and "
            f"{end}; expected both to be of one checkpoint"
        )
    arrays = fitted(tensors, config, layout, source=str(source))
    if image_size is not None and image_size != getattr(config, "image_size", image_size):
        config = dataclasses.replace(config, image_size=image_size)
        if "vision.pos" in arrays:  # convolutions have no positions
            grid = image_size // config.patch_size
            pos = np.asarray(arrays["vision.pos"], np.float32)
            arrays["vision.pos"] = resize_positions(pos, grid)
    model = assemble(config, arrays)
    compute_in(model, dtype or "float32")
    if hasattr(model, "text_format"):
        model.text_format = reads.text_format
    return model, reads


def save(model: Model, tokenizer: Tokenizer, folder: str | Path, *, dtype: str = "float32") -> None:
    """Write a folder that transformers and `load` read. It appears whole or not at all.

    Args:
        model: whose weights are written.
        tokenizer: the model's own.
        folder: made if need be; an earlier model in it is replaced.
        dtype: of the weights in the file; "float16" halves it, and `load` reads either.

    Raises:
        ValueError: the folder holds files that are not a model's, which would be lost.
        OSError: the disk is full or may not be written to.
    """
    folder = Path(folder).absolute()
    tensors = to_theirs(_arrays(model), _family(model.config).layout)
    tensors = {
        name: tensor.astype(dtype) if np.issubdtype(tensor.dtype, np.floating) else tensor
        for name, tensor in tensors.items()
    }
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
            new = Path(scratch, "new")
            tokenizer.save(new)
            _write_json(new / "config.json", model.config.to_hf() | {"dtype": dtype})
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
    """The folder or file of a model, fetched from the hub if it is named after a repository."""
    path = Path(name).expanduser()
    if path.exists():
        return path
    if (SHIPPED / str(name)).is_dir():
        return SHIPPED / str(name)
    shipped = sorted(p.name for p in SHIPPED.iterdir() if p.is_dir()) if SHIPPED.is_dir() else []
    known = f"a folder, {', '.join(shipped)}" if shipped else "a folder"
    weights = path.suffix in (".pt", ".pth", ".bin", ".safetensors")
    if str(name).count("/") != 1 or str(name).startswith((".", "~", "/")) or weights:
        raise FileNotFoundError(
            f"there is no model {str(name)!r}; expected {known} or a hub name like "
            f"openai/clip-vit-base-patch16"
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
            f"({type(error).__name__}); check the name and the network, or give a folder"
        ) from error


def read_arrays(folder: Path, config: Config) -> dict[str, np.ndarray]:
    """The weights in a folder (path in the model: array), all of them and nothing else."""
    source = _weights(folder)
    return fitted(read_tensors(source), config, _family(config).layout, source=str(source))


def fitted(
    tensors: Mapping[str, np.ndarray], config: Config, layout: Layout, *, source: str
) -> dict[str, np.ndarray]:
    """The weights of a model of this configuration (path: array) from a file's tensors."""
    state = nnx.state(_abstract(config))
    shapes = {_dotted(path): leaf.shape for path, leaf in nnx.to_flat_state(state)}
    return to_ours(tensors, layout, shapes, source=source)


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


def _weights(found: Path) -> Path:
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


def _described(folder: Path, tensors: Mapping[str, np.ndarray], source: Path) -> tuple[Any, Layout]:
    """The model that config.json describes, or the tensors themselves, and how they are named."""
    if "visual.class_embedding" in tensors:
        beside = folder / "open_clip_config.json"
        try:
            shapes = {name: tensor.shape for name, tensor in tensors.items()}
            settings = _read_config(beside) if beside.exists() else None
            return CLIPConfig.from_openai(shapes, settings), CLIP_OPENAI
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise ValueError(f"{source} holds no whole CLIP that is known here: {error}") from error
    if "visual_encoder.cls_token" in tensors and not (folder / "config.json").exists():
        return original(tensors)
    settings = _read_config(folder / "config.json")
    family = FAMILIES.get(settings.get("model_type", ""))
    if family is None:
        raise ValueError(
            f"{folder / 'config.json'} says model_type={settings.get('model_type')!r}; expected "
            f"one of {', '.join(FAMILIES)}"
        )
    try:
        return family.config.from_hf(settings), family.layout
    except (TypeError, ValueError) as error:
        raise ValueError(f"{folder / 'config.json'}: {error}") from error


def assemble(config: Config, arrays: Mapping[str, np.ndarray]) -> Any:
    """A model of a configuration, with these arrays for weights, as float32."""
    graph, state = nnx.split(_abstract(config))
    # Copied, because arrays may be mapped to a file, which may be written to.
    leaves = [
        (path, leaf.replace(jnp.array(arrays[_dotted(path)], jnp.float32)))
        for path, leaf in nnx.to_flat_state(state)
    ]
    return nnx.merge(graph, nnx.from_flat_state(leaves))


def build(config: Config, seed: int) -> Any:
    """A model of a configuration with random weights."""
    return _family(config).model(config, nnx.Rngs(seed))


def _abstract(config: Config) -> Any:
    """The model without its weights, which would take time and memory to draw."""
    return nnx.eval_shape(lambda: build(config, 0))


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


def _preprocessor(config: Config) -> dict[str, Any]:
    """How transformers is to prepare images: to a square, then mean and deviation.

    CLIP and ALIGN cut the square out as `data.resize` does; ALBEF and BLIP press the image into it.
    """
    size = config.image_size  # type: ignore[missing-attribute]  # BERT is not asked
    square = {"height": size, "width": size}
    shape: dict[str, Any] = {"image_processor_type": "BlipImageProcessor", "size": square}
    if isinstance(config, CLIPConfig | ALIGNConfig):
        shape = {
            "image_processor_type": "CLIPImageProcessor",
            "size": {"shortest_edge": size},
            "do_center_crop": True,
            "crop_size": square,
        }
    ours = align if isinstance(config, ALIGNConfig) else clip
    return shape | {
        "do_resize": True,
        "resample": 3,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": ours.PIXEL_MEAN,
        "image_std": ours.PIXEL_STD,
        "do_convert_rgb": True,
    }
