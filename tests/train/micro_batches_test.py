"""Encoding in pieces and computing twice: less memory, and the gradient of the whole batch."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mat_jax import defenses, models
from mat_jax.models.memory import Memory, remember
from mat_jax.train import mesh, sharding, state
from mat_jax.train.experiment import Experiment
from mat_jax.train.step import compile_step
from tests.defenses.families_test import batch as pairs
from tests.toy_experiment import experiment as toy

VIT = models.ViTConfig(width=16, layers=1, heads=2)
BERT = {"vocab_size": 40, "length": 6, "width": 16, "heads": 2}
CONFIGS: dict[str, Any] = {
    "clip": models.CLIPConfig(16, 8, VIT, models.BertConfig(layers=1, **BERT), embed=8),
    "albef": models.ALBEFConfig(
        16, 8, VIT, models.BertConfig(layers=2, **BERT), first_fusion=1, embed=8
    ),
}


def after_a_step(model, defense, batch, memory, spec: str | int = 1):
    """The loss, and the gradient that SGD followed, weight by weight."""
    devices, optimizer = mesh.make(spec), optax.sgd(1.0)
    layout, weights = state.flatten(model)
    begin = state.create(weights, optimizer, defense.trains, 0)
    begin = jax.device_put(begin, sharding.state_shardings(devices, begin))
    given = jax.device_put(batch, mesh.batch_sharding(devices))
    step = compile_step(layout, defense, optimizer, devices, begin, memory=memory)
    end, metrics = step(begin, None, given)
    return float(metrics["loss"]), {n: weights[n] - np.asarray(x) for n, x in end.trained.items()}


# Of MAT all parts see the whole batch: the word attack, what PGD climbs, and the loss. Five rows
# do not divide what the word attack encodes. ALBEF fuses besides, with negatives from the batch.
@pytest.mark.parametrize(
    ("family", "defense", "rows"),
    [
        ("clip", defenses.MAT(eps=0.1), 5),
        ("albef", defenses.FineTune(), 4),
    ],
)
def test_the_gradient_is_that_of_the_large_batch(family, defense, rows):
    model, batch = models.files.build(CONFIGS[family], 0), pairs(1, count=20)
    loss, gradient = after_a_step(model, defense, batch, None)
    apart, found = after_a_step(model, defense, batch, Memory(rows=rows))
    assert apart == pytest.approx(loss, rel=1e-6)
    largest = max(np.max(np.abs(x)) for x in gradient.values())
    assert largest > 1e-2
    for name, slope in gradient.items():
        np.testing.assert_allclose(found[name], slope, rtol=0, atol=1e-5 * largest, err_msg=name)


def test_negatives_are_those_of_the_batch_and_not_of_the_piece():
    """The mean of the losses of two halves is another number."""
    model, batch = models.files.build(CONFIGS["clip"], 0), pairs(1, count=8)
    halves = [jax.tree.map(lambda x, i=i: x[i : i + 4], batch) for i in (0, 4)]
    each = [after_a_step(model, defenses.FineTune(), half, None)[0] for half in halves]
    whole, _ = after_a_step(model, defenses.FineTune(), batch, Memory(rows=4))
    assert whole > np.mean(each) + 0.1


@pytest.fixture(scope="module")
def encoded():
    """The slope of an image tower by its weights, and the memory it takes, under a policy."""
    sizes = models.ViTConfig(width=32, layers=6, heads=2)
    texts = models.BertConfig(layers=1, **BERT)
    config = models.CLIPConfig(32, 8, sizes, texts, embed=8)
    layout, weights = state.flatten(models.files.build(config, 0))
    images = jax.random.uniform(jax.random.key(0), (32, 32, 32, 3))

    def under(memory: Memory):
        def value(weights):
            model = layout.model(weights)
            remember(model, memory)
            return jnp.sum(jnp.square(model.encode_image(images).embed))

        program = jax.jit(jax.grad(value)).lower(weights).compile()
        analysis: Any = program.memory_analysis()
        return program(weights), analysis.temp_size_in_bytes

    return under


def test_what_is_computed_twice_takes_less_memory_and_is_the_same(encoded):
    policies = [Memory(scan=True), Memory("dots"), Memory("blocks"), Memory(rows=8)]
    plain, _ = encoded(Memory())
    found, sizes = zip(*map(encoded, policies), strict=True)
    for slopes in found:
        for name, slope in plain.items():
            tolerance = 1e-5 * max(1.0, float(jnp.max(jnp.abs(slope))))
            np.testing.assert_allclose(slopes[name], slope, rtol=0, atol=tolerance, err_msg=name)
    everything, dots, blocks, pieces = sizes
    assert blocks < dots < everything
    assert pieces < everything / 2


def test_settings_that_cannot_be():
    made = {name: getattr(toy(), name) for name in ("model", "data", "defense", "optimizer")}
    for size in (0, 3):
        with pytest.raises(ValueError, match=f"micro_batch {size} does not divide batch_size 8"):
            Experiment(**made, steps=1, batch_size=8, micro_batch=size)
    experiment = Experiment(**made, steps=1, batch_size=8)
    object.__setattr__(experiment, "remat", "all")  # where nobody checks annotations
    with pytest.raises(ValueError, match="remat is one of none, dots, blocks, got 'all'"):
        experiment.__post_init__()
    with pytest.raises(ValueError, match="micro_batch 6 does not divide over 4 devices"):
        mesh.check_batch_size(mesh.make("data=2,fsdp=2"), 12, 6)


def test_a_model_without_towers_is_refused():
    with pytest.raises(ValueError, match="has no tower that encodes in pieces"):
        remember(models.layers.LayerNorm(4, eps=1e-5), Memory(rows=2))
