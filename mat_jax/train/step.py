"""The training step: text attack, image attack, loss and update in one compiled, donated call."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from mat_jax.defenses.base import Defense
from mat_jax.defenses.one_to_many import all_images, with_images
from mat_jax.models.layers import Dtype, compute_in
from mat_jax.models.memory import Memory, remember
from mat_jax.train import mesh as meshes
from mat_jax.train import sharding
from mat_jax.train.lora import Merging
from mat_jax.train.state import Layout, State, Weights
from mat_jax.types.arrays import Batch
from mat_jax.types.protocols import EncodesPairs

Metrics = dict[str, jax.Array]
Step = Callable[[State, Weights | None, Batch], tuple[State, Metrics]]

MAX_LOG_SCALE = 4.605170185988092  # ln 100: CLIP's clamp (Radford et al. 2021, section 2.5)
MIN_TEMP = 0.001  # ALBEF's clamp
VIEWS = 2**31 - 1  # folds the key of `extend`; no example and no turn of `perturb` has it


def compile_step(
    layout: Layout | Merging,
    defense: Defense[Any],
    optimizer: optax.GradientTransformation,
    mesh: Mesh,
    state: State,
    schedule: Callable[[Any], Any] | None = None,
    *,
    guarded: bool = False,
    memory: Memory | None = None,
    dtype: Dtype | None = None,
) -> Step:
    """One update, compiled once: `step(state, reference, batch) -> (state, metrics)`.

    `reference` has the original's weights of those that train, or of all (see `state.original`).

    A defence that has `extend(batch, key'')` is first asked for more of the batch, views of its
    images for example. Then comes the inner maximisation
    `batch' = defense.perturb(model, reference, batch, key)`, whose gradients are taken with respect
    to the pixels only; then the gradient of `mean(defense.loss(model, reference, batch, batch',
    key'))` with respect to the trained weights, and the optimizer's update. Weights are arguments,
    never constants; the state is donated, so its memory is used again. The key of a step is folded
    from the run's key and the step's number.

    A defence with `replays` above 1 makes so many updates with the batch, and between two of them
    `images' = defense.climb(batch, images', slope)`, with the slope of the loss along the pixels
    from the backward pass of the update before (see `MAT`); `images'` are `all_images` of `batch'`.

    Metrics are those of the defence plus `loss`, `grad_norm` and, with a schedule, `lr`; of
    several updates, the last one's.

    A guarded step whose loss, gradient or new weights are not all finite changes nothing but the
    step's number; then the metric `skipped` is 1, else 0.

    Args:
        layout: of the model.
        defense, optimizer: what is maximised, minimised, and how.
        mesh: the devices.
        state: as it begins; of which names and shapes.
        schedule: the learning rate's, to be told.
        memory: what towers keep of a forward pass, and how much they encode at once; None for all.
        dtype: in which floats towers compute; None for the model's own. Weights are float32.
        guarded: whether such a step is left out.
    """
    replays, stored = defense.replays, sharding.state_shardings(mesh, state)

    def built(weights: Weights, length: int) -> Any:
        """The model as it is trained; what it is told here, no model outside of the step knows.

        Its texts are so long as those of the batch: see `training_batches`.
        """
        model = layout.model(weights)
        if isinstance(model, EncodesPairs) and length != model.text_format.length:
            model.text_format = replace(model.text_format, length=length)
        if memory is not None:
            remember(model, memory)
        if dtype is not None:
            compute_in(model, dtype)
        return model

    def step(state: State, reference: Weights | None, batch: Batch) -> tuple[State, Metrics]:
        # Lets a defence work device by device where it has no need of the whole batch.
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            return update(state, reference, batch)

    def update(state: State, reference: Weights | None, batch: Batch) -> tuple[State, Metrics]:
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
        length = batch.tokens.ids.shape[-1]
        original = None if reference is None else built({**state.frozen, **reference}, length)
        batch = defense.extend(batch, jax.random.fold_in(key, VIEWS))
        with jax.named_scope("perturb"):
            model = built({**state.trained, **state.frozen}, length)
            batch_adv = jax.lax.stop_gradient(defense.perturb(model, original, batch, key))
        key = jax.random.fold_in(key, 1)

        def objective(trained: Weights, images: jax.Array, key: jax.Array) -> Any:
            model = built({**trained, **state.frozen}, length)
            attacked = with_images(batch_adv, images)
            losses, metrics = defense.loss(model, original, batch, attacked, key)
            return jnp.mean(losses), metrics

        def learn(
            trained: Weights, memory: Any, images: jax.Array, key: jax.Array, count: jax.Array
        ) -> tuple[Weights, Any, Metrics, jax.Array]:
            """The update after `count` others, and the loss's slope along the pixels.

            Where nobody asks for the slope, it is not computed.
            """
            with jax.named_scope("gradient"):
                value_and_grad = jax.value_and_grad(objective, argnums=(0, 1), has_aux=True)
                (loss, metrics), (gradient, slope) = value_and_grad(trained, images, key)
                if mesh.size > 1:  # added up where each weight is stored
                    gradient = jax.lax.with_sharding_constraint(gradient, stored.trained)
            metrics = {"loss": loss, **metrics, "grad_norm": optax.tree.norm(gradient)}
            # Optimizers are the user's, and Optax's own need JAX's usual promotion of types.
            with jax.numpy_dtype_promotion("standard"), jax.named_scope("optimizer"):
                updates, memory = optimizer.update(gradient, memory, trained)
                updated: Any = optax.apply_updates(trained, updates)
                trained = clamp_scale(updated)
                if schedule is not None:
                    metrics["lr"] = jnp.asarray(schedule(count))
            return trained, memory, metrics, slope

        def replay(carry: tuple[Weights, Any, jax.Array], index: jax.Array) -> Any:
            trained, memory, images = carry
            once = jax.random.fold_in(key, index)
            trained, memory, metrics, slope = learn(
                trained, memory, images, once, state.step * replays + index
            )
            return (trained, memory, defense.climb(batch, images, slope)), metrics

        start = state.trained, state.optimizer, all_images(batch_adv)
        if replays == 1:
            trained, memory, metrics, _ = learn(*start, key, state.step)
        else:
            (trained, memory, _), each = jax.lax.scan(replay, start, jnp.arange(replays))
            metrics = jax.tree.map(lambda x: x[-1], each)
        if guarded:
            (trained, memory), metrics = _kept(start[:2], (trained, memory), metrics)
        return State(state.step + 1, state.key, trained, state.frozen, memory), metrics

    return jax.jit(
        step,
        donate_argnums=0,
        out_shardings=(stored, meshes.replicated(mesh)),
    )


def _kept(before: Any, after: Any, metrics: Metrics) -> tuple[Any, Metrics]:
    """Weights and optimizer after a step, or before it where the step is not a number."""
    looked = [metrics["loss"], metrics["grad_norm"], *jax.tree.leaves(after[0])]
    finite = jnp.stack([jnp.isfinite(one).all() for one in looked]).all()
    chosen = jax.tree.map(lambda old, new: jnp.where(finite, new, old), before, after)
    return chosen, metrics | {"skipped": 1 - finite.astype(jnp.int32)}


def clamp_scale(weights: Weights) -> Weights:
    """Keep the scale of the contrastive loss in bounds, as the families were trained.

    CLIP's `logit_scale` is the logarithm of the scale, ALBEF's `temp` its inverse.
    """

    def clamped(name: str, leaf: jax.Array) -> jax.Array:
        last = name.split(".")[-1]
        if last == "logit_scale":
            return jnp.minimum(leaf, jnp.asarray(MAX_LOG_SCALE, leaf.dtype))
        return jnp.maximum(leaf, jnp.asarray(MIN_TEMP, leaf.dtype)) if last == "temp" else leaf

    return {name: clamped(name, leaf) for name, leaf in weights.items()}
