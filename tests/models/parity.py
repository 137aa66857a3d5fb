"""What comparisons with transformers need: inputs for both sides, and how far apart they are."""

import jax
import numpy as np
import torch
from flax import nnx

from mat_jax.formats import described, settings
from mat_jax.models import files
from mat_jax.records import Tokens


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


def from_hf(said):
    """The configuration that a config.json describes."""
    return described.from_hf(said, files.KINDS)


def to_hf(config):
    """The config.json of a configuration."""
    family = next(name for name, kind in files.KINDS.items() if isinstance(config, kind))
    return settings.write(config, described.TABLES[family])
