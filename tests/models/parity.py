"""What comparisons with transformers need: inputs for both sides, and how far apart they are."""

import jax
import numpy as np
import torch
from flax import nnx

from mat_jax.models import files
from mat_jax.models.formats import detection, folders, settings
from mat_jax.types.arrays import Tokens


def pixels(size: int, batch: int = 3) -> np.ndarray:
    return np.random.default_rng(0).random((batch, size, size, 3), dtype=np.float32)


def torch_ids(tokens: Tokens) -> dict[str, torch.Tensor]:
    return {
        "input_ids": torch.as_tensor(tokens.ids, dtype=torch.long),
        "attention_mask": torch.as_tensor(tokens.mask, dtype=torch.long),
    }


def run(function, model, *inputs):
    """`function(model, *inputs)`, compiled, with the weights as arguments."""
    graph, state = nnx.split(model)
    return jax.jit(lambda state, *inputs: function(nnx.merge(graph, state), *inputs))(
        state, *inputs
    )


def largest(ours, theirs) -> float:
    return float(np.abs(np.asarray(ours) - theirs.detach().numpy()).max())


def relative(ours, theirs) -> float:
    theirs = theirs.numpy()
    return float(np.linalg.norm(np.asarray(ours) - theirs) / np.linalg.norm(theirs))


def to_hf(config):
    """The config.json of a configuration."""
    return settings.write(config, detection.family_of(config).table)


def loaded(folder, config):
    """The model of a configuration with the weights in a folder, which needs no tokenizer."""
    source = folders.weights(folder)
    layout = detection.family_of(config).layout
    arrays = files.fitted(folders.read_tensors(source), config, layout, source=str(source))
    return files.assemble(config, arrays)
