"""The table of shardings, the same numbers on every mesh, and what devices tell each other."""

import functools
from collections import Counter
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec

from mat_jax import defenses, models
from mat_jax.train import mesh, sharding, state
from mat_jax.train.plan.collectives import Collective, collectives_in
from mat_jax.train.step import compile_step
from tests.defenses.families_test import batch as pairs

LAYERS = 3  # the last is apart, and a loop of one is no loop
BERT = models.BertConfig(vocab_size=40, length=6, width=16, heads=2, layers=LAYERS)
CLIP = models.CLIPConfig(16, 8, models.ViTConfig(width=16, layers=LAYERS, heads=2), BERT, embed=8)
MAT, FARE = defenses.MAT(eps=0.1), defenses.FARE(eps=0.1, steps=2)


def of_mesh(spec: str, arrays: dict[str, tuple[int, ...]]) -> dict[str, tuple]:
    empty = {name: jax.ShapeDtypeStruct(shape, jnp.float32) for name, shape in arrays.items()}
    found = sharding.state_shardings(mesh.make(spec), empty)
    return {name: tuple(one.spec) for name, one in found.items()}


def test_the_table_says_which_dimension_is_split():
    found = of_mesh(
        "data=2,fsdp=2,tensor=2",
        {
            "vision.blocks.0.attn.q.kernel": (16, 16),
            "vision.blocks.0.attn.o.kernel": (16, 16),
            "text.blocks.1.cross.attn.k.bias": (16,),
            "vision.blocks.0.mlp.fc1.kernel": (16, 64),
            "text.blocks.0.mlp.fc2.kernel": (64, 16),
            "text.blocks.0.mlp.fc2.kernel.lora_a": (64, 4),
            "text.tok": (40, 16),
            "text.blocks.0.ln1.scale": (16,),
            "logit_scale": (),
        },
    )
    assert found == {
        "vision.blocks.0.attn.q.kernel": ("fsdp", "tensor"),
        "vision.blocks.0.attn.o.kernel": ("tensor", "fsdp"),
        "text.blocks.1.cross.attn.k.bias": ("tensor",),
        "vision.blocks.0.mlp.fc1.kernel": ("fsdp", "tensor"),
        "text.blocks.0.mlp.fc2.kernel": ("tensor", "fsdp"),
        "text.blocks.0.mlp.fc2.kernel.lora_a": ("fsdp", None),
        "text.tok": ("tensor", "fsdp"),
        "text.blocks.0.ln1.scale": (),
        "logit_scale": (),
    }


def test_what_does_not_divide_or_has_no_row():
    found = of_mesh(
        "fsdp=4", {"tall": (12, 8), "wide": (3, 8), "odd": (3, 5), "text.tok": (41, 10)}
    )
    assert found == {"tall": ("fsdp",), "wide": (None, "fsdp"), "odd": (), "text.tok": (None, None)}


def test_the_optimizers_memory_is_split_as_its_weights():
    weights = {"vision.blocks.0.attn.q.kernel": jnp.ones((16, 16)), "logit_scale": jnp.ones(())}
    begin = state.create(weights, optax.adamw(1e-3), lambda path: True, 0)
    found = sharding.state_shardings(mesh.make("fsdp=4,tensor=2"), begin)
    specs = {
        jax.tree_util.keystr(path): one.spec
        for path, one in jax.tree_util.tree_leaves_with_path(found.optimizer)
    }
    kernels = [spec for name, spec in specs.items() if "kernel" in name]
    assert kernels == [PartitionSpec("fsdp", "tensor")] * 2
    others = [spec for name, spec in specs.items() if "kernel" not in name]
    assert set(others) == {PartitionSpec()}
    assert found.key.spec == PartitionSpec()


class Ran(NamedTuple):
    losses: np.ndarray
    gradient: float
    found: list[Collective]
    held: int  # bytes of weights and optimizer on a device


@functools.cache
def ran(defense: Any, spec: str, steps: int = 10) -> Ran:
    """Steps of SGD, whose first is compiled once."""
    devices, optimizer = mesh.make(spec), optax.sgd(1e-2, momentum=0.9)
    layout, weights = state.flatten(models.files.build(CLIP, 0))
    begin = state.create(weights, optimizer, defense.trains, 0)
    now = jax.device_put(begin, sharding.state_shardings(devices, begin))
    reference = None
    if defense.needs_reference:
        weights = state.original(weights, begin)
        reference = jax.device_put(weights, sharding.state_shardings(devices, weights))
    step: Any = compile_step(layout, defense, optimizer, devices, now)
    given = jax.device_put(pairs(1, count=16), mesh.batch_sharding(devices))
    program = step.lower(now, reference, given).compile()
    held = sum(x.addressable_shards[0].data.nbytes for x in jax.tree.leaves(now))
    losses, norms = [], []
    for _ in range(steps):
        now, metrics = program(now, reference, given)
        losses.append(float(metrics["loss"]))
        norms.append(float(metrics["grad_norm"]))
    return Ran(np.array(losses), norms[0], collectives_in(program.as_text()), held)


def kinds(found: list[Collective], *, loop: bool | None = None) -> dict[str, int]:
    chosen = [one for one in found if loop is None or loop == bool(one.loops)]
    return dict(Counter(one.kind for one in chosen))


# The second row takes a compilation of 20 seconds, the third another.
@pytest.mark.parametrize(
    "spec",
    [
        "8",
        pytest.param("data=4,fsdp=2", marks=pytest.mark.slow),
        "data=2,fsdp=2,tensor=2",
    ],
)
def test_the_numbers_are_those_of_one_device(spec):
    one, many = ran(MAT, "1"), ran(MAT, spec)
    assert many.losses[0] == pytest.approx(one.losses[0], rel=1e-6)
    assert many.gradient == pytest.approx(one.gradient, rel=1e-5)
    np.testing.assert_allclose(many.losses, one.losses, rtol=1e-4)
    parts = {"8": 1, "data=4,fsdp=2": 2, "data=2,fsdp=2,tensor=2": 4}[spec]
    # Normalisations and their like are whole everywhere.
    assert many.held < 1.35 * one.held / parts


def test_devices_that_share_the_batch_tell_each_other_features_and_gradients():
    """MAT: texts are gathered once, images at each step of PGD and for the loss.

    What an image climbs has the images of all devices below its captions, so a step of PGD gathers
    their features, and their slopes come back. Nothing else is told in a loop. The gradients of
    all weights travel together, once, with the figures.
    """
    found = ran(MAT, "8").found
    assert kinds(found, loop=True) == {"all-gather": 1, "reduce-scatter": 1}
    assert kinds(found, loop=False) == {"all-gather": 3, "reduce-scatter": 2, "all-reduce": 1}
    gathered = {one.shape.split("{")[0] for one in found if one.kind == "all-gather"}
    assert gathered == {"f32[16,8]", "s32[16]"}  # [batch, embed], and ids; no logits [batch, batch]


def test_an_attack_on_each_image_by_itself_tells_nothing():
    """FARE: an image climbs away from itself; only the gradients travel."""
    found = ran(FARE, "8", 1).found
    assert kinds(found, loop=True) == {}
    assert kinds(found) == {"all-reduce": 1}


def test_in_the_loop_of_pgd_only_heads_and_weights_travel_besides():
    """Two sums of `tensor` a block forward, and two back; weights are gathered on either way.

    So they are not kept in between. The blocks but the last are a loop inside of the loop.
    """
    found = ran(MAT, "data=2,fsdp=2,tensor=2").found
    blocks = [one for one in found if one.loops == 2]
    gathers = [one for one in blocks if one.kind == "all-gather"]
    sums = [one for one in blocks if one.kind == "all-reduce"]
    assert len(gathers) == 2 * 6  # q, k, v, o, fc1, fc2
    assert len(sums) == 4
    assert {one.groups for one in sums} <= {"[4,2]<=[8]", "{{0,1},{2,3},{4,5},{6,7}}"}  # tensor's
    assert len(blocks) == len(gathers) + len(sums)
    between = [one for one in found if one.loops == 1 and "perturb/while/body/closed" in one.source]
    over_data = [one.kind for one in between if "shard_map" in one.source]
    assert sorted(over_data) == ["all-gather", "reduce-scatter"]  # features, and their slopes
