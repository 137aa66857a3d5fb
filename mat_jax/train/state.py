"""What a training step reads and writes: named weights, optimizer state, step and key."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PyTree

Weights = dict[str, jax.Array]

# Statistics of batch normalisations: part of the model, but measured, not learnt.
MEASURED = ("running_mean", "running_var")


class State(NamedTuple):
    """Everything that changes during a run, and the key it all hangs on.

    `trained` and `frozen` are flat: `{"vision.blocks.0.attention.q.kernel": array, ...}`, so that
    a mask or a partition in an Optax transformation is one dictionary comprehension.
    """

    step: jax.Array
    key: jax.Array
    trained: Weights
    frozen: Weights
    optimizer: Any


@dataclass(frozen=True)
class Layout:
    """How named weights make a model again; the hashable, array-free part of it."""

    treedef: Any
    names: tuple[str, ...]

    def model(self, weights: Weights) -> Any:
        """The model with these weights; works under a trace."""
        return jax.tree.unflatten(self.treedef, [weights[name] for name in self.names])


def path_name(path: tuple[Any, ...]) -> str:
    """`vision.blocks.0.kernel` from a key path of `jax.tree_util`."""
    parts = (getattr(k, "name", getattr(k, "key", getattr(k, "idx", None))) for k in path)
    return ".".join(str(part) for part in parts if part not in (None, "value", "raw_value"))


def flatten(model: PyTree) -> tuple[Layout, Weights]:
    """A model, or any tree of arrays, as its layout and its named arrays."""
    leaves, treedef = jax.tree_util.tree_flatten_with_path(model)
    weights = {path_name(path): jnp.asarray(leaf) for path, leaf in leaves}
    if len(weights) != len(leaves):
        raise ValueError(
            "two weights of the model have the same name: rename one of its attributes"
        )
    return Layout(treedef, tuple(weights)), weights


def create(
    weights: Weights,
    optimizer: optax.GradientTransformation,
    trains: Callable[[tuple[str, ...]], bool],
    seed: int,
) -> State:
    """The state before the first step. Weights that do not train carry no optimizer state.

    Only floating weights train, of those the ones that `trains` says, and no statistics.
    """
    chosen = {
        name
        for name, leaf in weights.items()
        if jnp.issubdtype(leaf.dtype, jnp.floating)
        and not name.endswith(MEASURED)
        and trains(tuple(name.split(".")))
    }
    if not chosen:
        raise ValueError("the defence trains none of the model's weights: check its `trains`")

    @jax.jit  # one program, not one for each shape
    def begin(weights: Weights) -> tuple[Weights, Weights, Any]:
        # Copies: the step donates its state, and the caller may keep the model (as a reference).
        trained = {name: jnp.copy(leaf) for name, leaf in weights.items() if name in chosen}
        frozen = {name: jnp.copy(leaf) for name, leaf in weights.items() if name not in chosen}
        return trained, frozen, optimizer.init(trained)

    trained, frozen, memory = begin(weights)
    return State(
        step=jnp.zeros((), jnp.int32),
        key=jax.random.key_data(jax.random.key(seed)),
        trained=trained,
        frozen=frozen,
        optimizer=memory,
    )


def original(weights: Weights, state: State) -> Weights:
    """What the frozen original has and the state has not: its weights of those that train.

    All others stay as they are, so a step finds them among its frozen ones and no second copy is
    kept: of FARE's original the text tower, with LoRA everything.

    Args:
        weights: of the model that training starts from.
        state: of that training.
    """
    return {name: leaf for name, leaf in weights.items() if name in state.trained}
