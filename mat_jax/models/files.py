"""Models in folders, as transformers reads and writes them: config.json, safetensors, tokenizer.

Read are also torch's checkpoints, and the layouts that models were first published in.
"""

import dataclasses
import functools
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from mat_jax.models.albef import ALBEF
from mat_jax.models.align import ALIGN
from mat_jax.models.answering import ALBEFAnswerer, BLIPAnswerer
from mat_jax.models.bert import BertMLM
from mat_jax.models.blip import BLIP, BLIPCaptioner
from mat_jax.models.clip import CLIP
from mat_jax.models.formats import folders, settings
from mat_jax.models.formats.detection import described, family_of, from_hf
from mat_jax.models.formats.positions import resize_positions
from mat_jax.models.formats.published import SIZES
from mat_jax.models.formats.rules import Layout, to_ours, to_theirs
from mat_jax.models.formats.sizes import (
    ALBEFConfig,
    ALIGNConfig,
    BertConfig,
    BLIPConfig,
    CLIPConfig,
    grid_side,
)
from mat_jax.models.formats.tokenizer import Tokenizer
from mat_jax.models.layers import compute_in
from mat_jax.models.preprocessing import Preprocessed

SHIPPED = Path(__file__).parent / "shipped"

Model = CLIP | ALBEF | BLIP | BLIPCaptioner | ALBEFAnswerer | BLIPAnswerer | ALIGN | BertMLM
Config = CLIPConfig | ALBEFConfig | BLIPConfig | ALIGNConfig | BertConfig


def _albef(config: ALBEFConfig, rngs: nnx.Rngs) -> ALBEF | ALBEFAnswerer:
    return (ALBEFAnswerer if config.task == "answering" else ALBEF)(config, rngs)


def _blip(config: BLIPConfig, rngs: nnx.Rngs) -> BLIP | BLIPCaptioner | BLIPAnswerer:
    kinds = {"retrieval": BLIP, "captioning": BLIPCaptioner, "answering": BLIPAnswerer}
    return kinds[config.task](config, rngs)


# What is built from each configuration, by its task where it has one.
MODELS: dict[type[Any], Any] = {
    CLIPConfig: CLIP,
    ALBEFConfig: _albef,
    BLIPConfig: _blip,
    ALIGNConfig: ALIGN,
    BertConfig: BertMLM,
}


def located(name: str | Path) -> Path:
    """Where the files of a model are, so that a wrong name is refused before any work.

    Raises:
        FileNotFoundError: there is no such model.
    """
    return folders.find(name, SHIPPED)


def load(
    name: str | Path,
    *,
    image_size: int | None = None,
    dtype: str | None = None,
    text_length: int | None = None,
    tokenizer: str | Path | None = None,
    activation: str | None = None,
) -> tuple[Any, Tokenizer]:
    """Read a model and its tokenizer.

    Warns of a bare checkpoint in OpenAI's layout that does not say which GELU it was trained with.

    Args:
        name: a folder, the name of a model shipped with the package (`scenes-clip`), the name of
            a repository on the Hugging Face hub (`openai/clip-vit-base-patch16`), or a file of
            weights (`ViT-B-16.pt`). A CLIP in OpenAI's layout is taken for OpenAI's own, unless
            open_clip_config.json lies beside it, or `activation`, says otherwise.
        image_size: pixels along a side, if not the size the model was trained with; its position
            embeddings are interpolated once, here. Pixels on the right and below that make no
            whole patch are not seen, as in transformers.
        dtype: "bfloat16" to let towers compute in it; weights, normalisations, softmax and
            embeddings are float32 either way.
        text_length: ids of a caption, if fewer than the checkpoint's tokenizer says. It is what
            text encoders spend their time on: captions seldom need CLIP's 77 or BERT's 512.
        tokenizer: folder of the tokenizer, if it is not with the weights.
        activation: of both towers of a CLIP: "gelu", the exact one, with which open_clip trains
            (LAION's models, for example), or "quick_gelu", OpenAI's. None takes what the files
            say; anything else goes before it.

    Raises:
        FileNotFoundError: no such folder, or no such file in it.
        ValueError: a file is broken, or is of another model than its config.json; an activation
            is given that is not known, or for another model than a CLIP.
    """
    found = located(name)
    folder = found if found.is_dir() else found.parent
    source = folders.weights(found)
    tensors = folders.read_tensors(source)
    config, layout = described(folder, tensors, source, activation=activation)
    most = abstract(config).text_format.length
    reads = Tokenizer.from_dir(tokenizer or folder, min(most, text_length or most))
    size = config.vocab_size if isinstance(config, BertConfig) else config.text.vocab_size
    end = config.eos if isinstance(config, CLIPConfig) else reads.text_format.end
    if reads.vocab_size > size or reads.text_format.end != end:
        raise ValueError(
            f"the tokenizer in {tokenizer or folder} has {reads.vocab_size} ids and ends captions "
            f"with {reads.text_format.end}, the model in {source} expects {size} and {end}; "
            f"expected both to be of one checkpoint"
        )
    arrays = fitted(tensors, config, layout, source=str(source))
    sees = not isinstance(config, BertConfig)
    if image_size is not None and sees and image_size != config.image_size:
        config = dataclasses.replace(config, image_size=image_size)
        if "vision.pos" in arrays:  # convolutions have no positions
            grid = grid_side(image_size, config.patch_size)
            pos = np.asarray(arrays["vision.pos"], np.float32)
            arrays["vision.pos"] = resize_positions(pos, grid)
    model = assemble(config, arrays)
    compute_in(model, dtype or "float32")
    if not isinstance(model, BertMLM):
        model.pixels = model.pixels.said_in(folder)
    model.text_format = reads.text_format
    return model, reads


def save(model: Model, tokenizer: Tokenizer, folder: str | Path, *, dtype: str = "float32") -> None:
    """Write a folder that transformers and `load` read. It appears whole or not at all.

    Warns where images go through a function first (`preprocessed`), which no file can hold.

    Args:
        model: whose weights are written.
        tokenizer: the model's own.
        folder: made if need be; an earlier model in it is replaced.
        dtype: of the weights in the file; "float16" halves it, and `load` reads either.

    Raises:
        ValueError: the folder holds files that are not a model's, which would be lost.
        OSError: the disk is full or may not be written to.
    """
    if isinstance(model, Preprocessed):
        warnings.warn(
            f"{folder} holds the model without the function that its images go through: give the "
            "loaded model to models.preprocessed again",
            stacklevel=2,
        )
    family = family_of(model.config)
    tensors = to_theirs(_arrays(model), family.layout)
    with folders.replaced(folder) as new:
        tokenizer.save(new)
        said = settings.write(model.config, family.table) | {"dtype": dtype}
        folders.write_settings(new / "config.json", said)
        if not isinstance(model, BertMLM):
            prepared = model.pixels.settings(model.config.image_size)
            folders.write_settings(new / "preprocessor_config.json", prepared)
        folders.write_tensors(new / folders.WEIGHTS, tensors, dtype)


def fitted(
    tensors: Mapping[str, np.ndarray], config: Config, layout: Layout, *, source: str
) -> dict[str, np.ndarray]:
    """The weights of a model of this configuration (path: array) from a file's tensors."""
    state = nnx.state(abstract(config))
    shapes = {_dotted(path): leaf.shape for path, leaf in nnx.to_flat_state(state)}
    return to_ours(tensors, layout, shapes, source=source)


def assemble(config: Config, arrays: Mapping[str, np.ndarray]) -> Any:
    """A model of a configuration, with these arrays for weights, as float32."""
    graph, state = nnx.split(abstract(config))
    # Copied, because arrays may be mapped to a file, which may be written to. Halves become whole
    # before the device sees them: it would compile a program for each shape.
    leaves = [
        (path, leaf.replace(jnp.array(np.asarray(arrays[_dotted(path)], np.float32))))
        for path, leaf in nnx.to_flat_state(state)
    ]
    return nnx.merge(graph, nnx.from_flat_state(leaves))


def build(config: Config, seed: int) -> Any:
    """A model of a configuration with random weights."""
    return MODELS[type(config)](config, nnx.Rngs(seed))


def sizes(name: str | Path) -> Any:
    """The configuration of a model that need not be here: what is published goes by its name.

    Raises:
        FileNotFoundError: it is neither here, nor published under a name that is known.
    """
    if str(name) in SIZES and not Path(name).exists():
        return SIZES[str(name)]
    found = located(name)
    folder = found if found.is_dir() else found.parent
    if found.is_dir() and (found / "config.json").exists():
        return from_hf(folders.read_settings(found / "config.json"))
    source = folders.weights(found)
    return described(folder, folders.read_tensors(source), source)[0]


@functools.cache
def abstract(config: Config) -> Any:
    """The model without its weights, which would take time and memory to draw.

    It is one object for all who ask for it, so it is only looked at.
    """
    return nnx.eval_shape(lambda: build(config, 0))


def _dotted(path: tuple[Any, ...]) -> str:
    return ".".join(map(str, path))


def _arrays(model: Model) -> dict[str, np.ndarray]:
    return {_dotted(p): np.asarray(v[...]) for p, v in nnx.to_flat_state(nnx.state(model))}
