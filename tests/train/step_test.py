"""The training step: compiled once, frozen where told, the same on one device and eight."""

import contextlib
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mat_jax import data
from mat_jax.defenses.base import Defense
from mat_jax.train import mesh, sharding, state
from mat_jax.train.experiment import load
from mat_jax.train.lora import LoRA
from mat_jax.train.step import clamp_scale, compile_step
from tests.defenses import linear

toy = load(Path(__file__).parents[1] / "toy_experiment.py")
DEFENSES = ("fine_tune", "tecoa_itr", "fare", "mat")


def prepare(devices, dtype=None, **settings):
    experiment = toy(**settings)
    model, tokenizer = experiment.model.build(experiment.seed)
    corpus = data.Corpus.prepare(experiment.data, tokenizer, image_size=16)
    corpus = corpus.with_words(experiment.substitutes.build(corpus, tokenizer))
    batches = data.training_batches(corpus, batch_size=experiment.batch_size, seed=0)
    layout, weights = state.flatten(model)
    start = state.create(weights, experiment.optimizer, experiment.defense.trains, 0)
    start = jax.device_put(start, sharding.state_shardings(devices, start))
    reference = None
    if experiment.defense.needs_reference:
        weights = state.original(weights, start)
        reference = jax.device_put(weights, sharding.state_shardings(devices, weights))
    step = compile_step(
        layout, experiment.defense, experiment.optimizer, devices, start, dtype=dtype
    )
    return step, start, reference, batches


def run(devices, count, **settings):
    step, state_now, reference, batches = prepare(devices, **settings)
    losses = []
    for _ in range(count):
        batch = jax.device_put(next(batches), mesh.batch_sharding(devices))
        state_now, metrics = step(state_now, reference, batch)
        losses.append(float(metrics["loss"]))
    return step, state_now, losses


def test_what_stays_frozen_is_not_kept_twice():
    """FARE's original is its image tower; the step is that of an original kept whole."""
    step, start, kept, batches = prepare(mesh.make(1), defense="fare")
    assert kept is not None and set(kept) == set(start.trained)
    assert not any(name.startswith("text") for name in kept)
    assert any(name.startswith("text") for name in start.frozen)
    batch = next(batches)
    whole = jax.tree.map(jnp.copy, {**start.frozen, **kept})
    begin = jax.tree.map(jnp.copy, start)
    ends = [step(*given, batch) for given in ((start, kept), (begin, whole))]
    for one, other in zip(*(jax.tree.leaves(end) for end in ends), strict=True):
        np.testing.assert_array_equal(one, other)


def test_with_lora_nothing_of_the_original_is_kept():
    model, _ = toy().model.build(0)
    layout, weights = state.flatten(model)
    _, adapted, trains = LoRA(rank=2).put_on(layout, weights, lambda path: True, 0)
    start = state.create(adapted, optax.sgd(1e-3), trains, 0)
    assert not state.original(weights, start)
    assert set(weights) == set(start.frozen)


@pytest.mark.parametrize("defense", DEFENSES)
def test_a_run_of_fifty_steps_compiles_once(defense):
    step, end, losses = run(mesh.make(1), 50, defense=defense)
    compiled: Any = step
    assert compiled._cache_size() == 1
    assert int(end.step) == 50
    assert np.mean(losses[-10:]) < np.mean(losses[:10])


def test_towers_compute_in_bfloat16_and_weights_stay_float32():
    """bfloat16 keeps 8 bits, so that losses differ by parts of a hundred at most, and do differ."""
    _, _, exact = run(mesh.make(1), 3, defense="mat", sgd=True)
    _, end, short = run(mesh.make(1), 3, defense="mat", sgd=True, dtype="bfloat16")
    assert {leaf.dtype for leaf in end.trained.values()} == {np.dtype("float32")}
    assert short != exact
    assert short == pytest.approx(exact, rel=0.03)


# Adam's first step divides rounding by rounding; SGD's updates show the gradients themselves.
SGD = {"defense": "mat", "sgd": True, "lr": 1e-2}


@contextlib.contextmanager
def as_users_compile():
    """With the passes that other tests leave out to save time."""
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture(scope="module")
def on_one_device():
    return run(mesh.make(1), 2, **SGD)[1:]


# MAT holds all the parts: the text attack, PGD, the global contrastive loss. One of the two is
# compiled with all passes, and must agree with what is compiled with few.
@pytest.mark.parametrize(
    ("spec", "passes"), [("8", as_users_compile), ("data=4,fsdp=2", contextlib.nullcontext)]
)
def test_loss_and_weights_are_the_same_on_eight_devices(spec, passes, on_one_device):
    one, losses_one = on_one_device
    with passes():
        _, many, losses_many = run(mesh.make(spec), 2, **SGD)
    np.testing.assert_allclose(losses_many, losses_one, rtol=1e-5, atol=1e-5)
    for name, leaf in one.trained.items():
        np.testing.assert_allclose(leaf, many.trained[name], rtol=0, atol=1e-5, err_msg=name)
    if "fsdp" in spec:
        leaves = jax.tree.leaves(many.trained)
        held = sum(leaf.addressable_shards[0].data.nbytes for leaf in leaves)
        assert held < 0.53 * sum(leaf.nbytes for leaf in leaves)


def test_texts_that_are_cut_train_as_they_did(on_one_device):
    """Captions have at most six ids, a changed word one more each; the model reads 12."""
    step, state_now, reference, batches = prepare(mesh.make(1), **SGD)
    losses = []
    for _ in range(2):
        batch = next(batches)
        assert batch.tokens.ids.shape[-1] == 12
        cut = jax.tree.map(lambda x: x[..., :8], batch.tokens)
        state_now, metrics = step(state_now, reference, batch._replace(tokens=cut))
        losses.append(float(metrics["loss"]))
    whole, losses_whole = on_one_device
    np.testing.assert_allclose(losses, losses_whole, rtol=1e-6, atol=1e-6)
    for name, leaf in whole.trained.items():
        np.testing.assert_allclose(leaf, state_now.trained[name], rtol=0, atol=1e-6, err_msg=name)


def test_frozen_weights_stay_and_carry_no_optimizer_state():
    step, start, reference, batches = prepare(mesh.make(1), defense="fare")
    before = {name: np.array(leaf) for name, leaf in start.frozen.items()}
    assert all(name.startswith("vision") for name in start.trained)
    assert not any(name.startswith("vision") for name in before)
    end, _ = step(start, reference, jax.device_put(next(batches)))
    for name, leaf in end.frozen.items():
        np.testing.assert_array_equal(leaf, before[name])
    moments = [leaf for leaf in jax.tree.leaves(end.optimizer) if leaf.ndim]
    assert sum(leaf.size for leaf in moments) == 2 * sum(leaf.size for leaf in end.trained.values())


def test_the_update_follows_the_loss_on_the_adversarial_batch():
    """One SGD step is w - lr dL/dw, the attacked batch being a constant of the gradient."""
    experiment = toy(defense="mat", sgd=True, lr=0.1)
    step, start, _, batches = prepare(mesh.make(1), defense="mat", sgd=True, lr=0.1)
    layout, weights = state.flatten(experiment.model.build(0)[0])
    batch = jax.device_put(next(batches))
    key = jax.random.fold_in(jax.random.key(0), 0)
    perturb = jax.jit(lambda w: experiment.defense.perturb(layout.model(w), None, batch, key))
    batch_adv = perturb(weights)

    def loss(weights):
        losses, _ = experiment.defense.loss(layout.model(weights), None, batch, batch_adv, key)
        return losses.mean()

    value, gradient = jax.jit(jax.value_and_grad(loss))(weights)
    end, metrics = step(start, None, batch)
    np.testing.assert_allclose(metrics["loss"], value, rtol=1e-5)
    np.testing.assert_allclose(metrics["grad_norm"], optax.tree.norm(gradient), rtol=1e-4)
    for name, leaf in end.trained.items():
        np.testing.assert_allclose(leaf, weights[name] - 0.1 * gradient[name], atol=2e-6)


def test_what_extends_a_batch_draws_by_a_key_of_its_own():
    """Examples fold their ids from the step's key, turns of a strategy 2 and more, the loss 1."""
    keys = {}

    def note(name, key):
        keys[name] = jax.random.key_data(key)

    class Noting(Defense):
        def extend(self, batch, key):
            return note("extend", key) or batch

        def perturb(self, model, reference, batch, key):
            return note("perturb", key) or batch

        def loss(self, model, reference, batch, batch_adv, key):
            return jnp.sum(model["w"]) + jnp.zeros(len(batch.ids)), dict(keys)

    layout, weights = state.flatten({"w": jnp.ones(3)})
    begin = state.create(weights, optax.sgd(0.1), lambda path: True, 0)
    step = compile_step(layout, Noting(), optax.sgd(0.1), mesh.make(1), begin)
    _, found = step(begin, None, linear.batch())
    key = jax.random.wrap_key_data(found["perturb"])
    folded = jax.vmap(lambda number: jax.random.fold_in(key, number))(jnp.arange(1000))
    taken = np.asarray(jax.random.key_data(folded)).tolist()
    assert np.asarray(found["extend"]).tolist() not in taken


def test_the_temperature_never_passes_a_hundred():
    weights = {"logit_scale": np.float32(7.0), "text.x": np.float32(7.0)}
    clamped = clamp_scale({k: jax.numpy.asarray(v) for k, v in weights.items()})
    assert float(jax.numpy.exp(clamped["logit_scale"])) == pytest.approx(100, rel=1e-5)
    assert float(clamped["text.x"]) == 7.0
    # ALBEF's, which divides.
    for temp, kept in ((-0.2, 0.001), (0.05, 0.05)):
        clamped = clamp_scale({"temp": jax.numpy.float32(temp)})
        assert float(clamped["temp"]) == pytest.approx(kept)


def test_the_state_is_donated():
    step, start, _, batches = prepare(mesh.make(1))
    leaf = start.trained["vision_proj.kernel"]
    step(start, None, jax.device_put(next(batches)))
    assert leaf.is_deleted()
