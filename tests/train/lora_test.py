"""LoRA: which matrices get adapters, the chain rule through them, what a run leaves behind."""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import transformers
from flax import nnx

import mat_jax
from mat_jax import LoRA, models
from mat_jax.defenses.base import Defense
from mat_jax.train import mesh, optimizers, sharding, state
from mat_jax.train.checkpoint import Checkpoints
from mat_jax.train.experiment import load
from mat_jax.train.lora import merge
from mat_jax.train.step import compile_step
from tests.defenses.linear import batch

toy = load(Path(__file__).parents[1] / "toy_experiment.py")


class Model(NamedTuple):
    vision: dict
    text: dict


def vision_trains(path):
    return path[0] == "vision"


def squares(model, reference, batch, batch_adv, key):
    """The squared length of what the two layers make of an image."""
    x = batch.images.reshape(len(batch.images), -1)
    hidden = x @ model.vision["q"]["kernel"] + model.vision["q"]["bias"][None]
    return jnp.sum(jnp.square(hidden @ model.vision["v"]["kernel"]), axis=1), {}


class Squares(Defense):
    """Attacks nothing."""

    def perturb(self, model, reference, batch, key):
        return batch

    def loss(self, model, reference, batch, batch_adv, key):
        return squares(model, reference, batch, batch_adv, key)


DEFENSE = Squares()


def model():
    rng = np.random.default_rng(0)
    shapes = {"q": (48, 5), "v": (5, 7)}
    vision = {
        name: {"kernel": rng.normal(size=shape), "bias": np.zeros(shape[1])}
        for name, shape in shapes.items()
    }
    vision["patch"] = {"kernel": rng.normal(size=(2, 2, 3, 4))}
    text = {"q": {"kernel": rng.normal(size=(4, 4))}, "tok": rng.normal(size=(9, 4))}
    return jax.tree.map(jnp.float32, Model(vision, text))


def test_the_sum_is_the_papers():
    rng = np.random.default_rng(1)
    w, a, b = (rng.normal(size=shape).astype(np.float32) for shape in ((4, 3), (4, 2), (2, 3)))
    weights = {"x.kernel": w, "x.bias": w[0], "x.kernel.lora_a": a, "x.kernel.lora_b": b}
    found = merge(jax.tree.map(jnp.asarray, weights), scale=16 / 2)
    assert set(found) == {"x.kernel", "x.bias"}
    np.testing.assert_allclose(found["x.kernel"], w + 8 * a @ b, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found["x.bias"], w[0])


def test_linear_layers_that_would_train_get_adapters_and_the_model_is_what_it_was():
    layout, weights = state.flatten(model())
    merging, found, trains = LoRA(rank=2).put_on(layout, weights, vision_trains, 0)
    new = set(found) - set(weights)
    kernels = ("vision.q.kernel", "vision.v.kernel")
    assert new == {f"{name}.{end}" for name in kernels for end in ("lora_a", "lora_b")}
    assert {name for name in found if trains(tuple(name.split(".")))} == new
    jax.tree.map(np.testing.assert_array_equal, merging.model(found), layout.model(weights))
    # A: a normal distribution of variance 1 / inputs.
    big = {"vision.x.kernel": jnp.zeros((100, 100))}
    down = LoRA(rank=50).put_on(layout, big, vision_trains, 0)[1]["vision.x.kernel.lora_a"]
    assert float(jnp.std(down)) == pytest.approx(0.1, rel=0.05)
    only = LoRA(layers=("v",)).put_on(layout, weights, vision_trains, 0)[1]
    assert set(only) - set(weights) == {f"vision.v.kernel.{end}" for end in ("lora_a", "lora_b")}
    with pytest.raises(ValueError, match="no linear layer named o among"):
        LoRA(layers=("o",)).put_on(layout, weights, vision_trains, 0)


def test_a_step_is_the_chain_rule_and_the_weights_stay_bit_for_bit():
    """With W = W0 + s A B: dL/dB = s A' dL/dW, dL/dA = s dL/dW B', which is 0 at first."""
    first, clean = model(), batch()
    layout, weights = state.flatten(first)
    lora, rate = LoRA(rank=2, alpha=6.0), 1e-3
    layout, weights, trains = lora.put_on(layout, weights, vision_trains, 0)
    optimizer = optax.sgd(rate)
    begin = state.create(weights, optimizer, trains, 0)
    kept, was = (jax.tree.map(np.array, x) for x in (begin.frozen, begin.trained))
    step = compile_step(layout, DEFENSE, optimizer, mesh.make(1), begin)
    once, _ = step(begin, None, clean)
    adapters = jax.tree.map(np.array, once.trained)
    slopes = jax.grad(lambda m: squares(m, None, clean, clean, None)[0].mean())(first).vision
    for layer in ("q", "v"):
        a, b = (f"vision.{layer}.kernel.lora_{end}" for end in "ab")
        slope = np.asarray(slopes[layer]["kernel"])
        np.testing.assert_array_equal(adapters[a], was[a])
        np.testing.assert_allclose(adapters[b], -rate * 3.0 * was[a].T @ slope, rtol=1e-4)
    twice, _ = step(once, None, clean)
    jax.tree.map(np.testing.assert_array_equal, twice.frozen, kept)
    assert all(np.any(leaf != adapters[name]) for name, leaf in twice.trained.items())


def run(folder, steps, **settings):
    """FineTune's image tower with adapters, and an optimizer that averages."""
    experiment = toy(sgd=True, steps=steps)
    return mat_jax.fit(
        replace(
            experiment,
            defense=mat_jax.defenses.FineTune(part="vision"),
            lora=LoRA(rank=2, layers=("q", "v", "vision_proj")),
            optimizer=optimizers.averaged(optax.sgd(0.1, momentum=0.9), decay=0.5),
        ),
        folder,
        mesh=1,
        quiet=True,
        **settings,
    )


def test_a_run_goes_on_to_the_same_numbers_and_leaves_an_ordinary_model(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    found = run(whole, 4)
    run(broken, 2)
    again = run(broken, 4, resume="anyway")
    same = jax.tree.map(np.testing.assert_array_equal, nnx.state(found), nnx.state(again))
    assert len(jax.tree.leaves(same)) == 0
    # What is exported: the mean of the adapters, added to weights that are those of the beginning.
    before, _ = toy().model.build(0)
    layout, weights = state.flatten(before)
    lora = LoRA(rank=2, layers=("q", "v", "vision_proj"))
    merging, weights, trains = lora.put_on(
        layout, weights, mat_jax.defenses.FineTune(part="vision").trains, 0
    )
    optimizer = optimizers.averaged(optax.sgd(0.1, momentum=0.9), decay=0.5)
    empty = state.create(weights, optimizer, trains, 0)
    with contextlib.closing(Checkpoints(broken / "checkpoints", every=1, keep=2)) as saved:
        last, _ = saved.restore(empty, sharding.state_shardings(mesh.make(1), empty))
    jax.tree.map(np.testing.assert_array_equal, last.frozen, empty.frozen)
    mean = optimizers.average_of(last.optimizer)
    assert all(np.any(leaf != last.trained[name]) for name, leaf in mean.items())
    expected = merging.model({**mean, **last.frozen})
    loaded, _ = models.load(broken / "export")
    for one, other in zip(
        *(jax.tree.leaves(nnx.state(m)) for m in (expected, loaded)), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    # And transformers finds the tensors it expects, with the adapters in them.
    theirs, told = transformers.CLIPModel.from_pretrained(
        broken / "export", output_loading_info=True
    )
    assert not told["missing_keys"] and not told["unexpected_keys"]
    kernel = theirs.visual_projection.weight.detach().numpy().T
    np.testing.assert_array_equal(kernel, found.vision_proj.kernel[...])
    assert np.abs(kernel - np.asarray(before.vision_proj.kernel[...])).max() > 1e-4


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [({"rank": 0}, "leaves nothing to train"), ({"alpha": 0.0}, "must be above 0")],
)
def test_settings_that_cannot_be(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        LoRA(**settings)
