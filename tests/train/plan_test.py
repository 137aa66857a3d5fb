"""Plans: work against what is published and what XLA counts, memory against what it allots."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from mat_jax import models
from mat_jax.models.formats.published import SIZES
from mat_jax.train import __main__ as command
from mat_jax.train import experiment as experiments
from mat_jax.train import plan
from mat_jax.train.plan.collectives import Collective
from mat_jax.train.plan.operations import work_by_part
from mat_jax.train.plan.shapes import shapes_of
from tests.tools.narrow import some
from tests.toy_experiment import experiment as toy

PAPERS = Path(__file__).resolve().parents[2] / "experiments/papers"
M, K, N = 4, 8, 16
LEFT, RIGHT = jax.ShapeDtypeStruct((M, K), jnp.float32), jax.ShapeDtypeStruct((K, N), jnp.float32)
ONE = 2 * M * K * N  # a multiplication and an addition for each product


def counted(function, *given) -> float:
    return sum(w.operations for w in work_by_part(jax.jit(function).trace(*given).jaxpr).values())


def test_a_product_counts_once_however_often_it_is_written():
    assert counted(lambda x, y: x @ y, LEFT, RIGHT) == ONE
    assert counted(lambda x, y: (x @ y) + jax.jit(jnp.matmul)(x, y), LEFT, RIGHT) == ONE
    assert counted(lambda x, y: (x @ y) + (2 * x @ y), LEFT, RIGHT) == 2 * ONE


def test_what_nobody_uses_is_not_counted():
    assert counted(lambda x, y: (x @ y, x.sum())[1], LEFT, RIGHT) == 0


def test_a_loop_counts_as_often_as_it_runs_and_of_branches_the_dearer():
    def loop(x, y):
        return jax.lax.scan(lambda c, _: (c + (c[:, :1] * x) @ y, None), x @ y, None, length=5)[0]

    def branch(x, y):
        return jax.lax.cond(x[0, 0] > 0, lambda: x @ y, lambda: jnp.zeros((M, N)))

    assert counted(loop, LEFT, RIGHT) == 6 * ONE
    assert counted(branch, LEFT, RIGHT) == ONE


def test_a_loop_that_data_cut_short_counts_the_share_of_its_turns():
    def loop(x, y, turns):
        with jax.named_scope("at_most_8_turns"):
            return jax.lax.fori_loop(0, turns, lambda _, c: c + (c[:, :1] * x) @ y, x @ y)

    traced = jax.jit(loop).trace(LEFT, RIGHT, jnp.int32(3)).jaxpr
    for share, turns in ((1.0, 8), (0.25, 2)):
        work = work_by_part(traced, share=share).values()
        assert sum(w.operations for w in work) == (1 + turns) * ONE


def test_what_is_computed_twice_on_purpose_counts_twice():
    def loss(y, x):
        return jnp.sum(jnp.sin(x @ y))

    plain = counted(jax.value_and_grad(loss), RIGHT, LEFT)
    again = counted(jax.value_and_grad(jax.checkpoint(loss)), RIGHT, LEFT)
    assert (plain, again) == (2 * ONE, 3 * ONE)


def test_a_convolution_counts_each_tap_of_each_output():
    image, kernel = jnp.zeros((2, 8, 8, 3)), jnp.zeros((4, 4, 3, 5))
    numbers = ("NHWC", "HWIO", "NHWC")

    def convolve(x, w):
        return jax.lax.conv_general_dilated(x, w, (4, 4), "VALID", dimension_numbers=numbers)

    assert counted(convolve, image, kernel) == 2 * (2 * 2 * 2 * 5) * (4 * 4 * 3)


def test_work_is_what_xla_counts():
    """In a program without loops, wide enough that all but products is little."""
    widths = [jnp.zeros((512, 512))] * 3

    def loss(weights, x):
        for weight in weights:
            x = jax.nn.relu(x @ weight)
        return jnp.sum(jnp.square(x))

    given = widths, jnp.zeros((256, 512))
    said = some(jax.jit(jax.grad(loss)).lower(*given).compile().cost_analysis())
    assert counted(jax.grad(loss), *given) == pytest.approx(said["flops"], rel=0.1)


@pytest.mark.parametrize(
    ("name", "millions"),
    # OpenCLIP's docs/model_profile.csv, which counts all numbers of a model.
    [
        ("openai/clip-vit-base-patch32", 151.28),
        ("openai/clip-vit-base-patch16", 149.62),
        ("openai/clip-vit-large-patch14", 427.62),
        ("laion/CLIP-ViT-H-14-laion2B-s32B-b79K", 986.11),
    ],
)
def test_published_models_have_their_published_sizes(name, millions):
    model = models.files.abstract(SIZES[name])
    count = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model)))
    assert count / 1e6 == pytest.approx(millions, abs=0.01)


def test_an_image_costs_what_is_published_of_its_tower():
    """torchvision says 17.56 GFLOPs of ViT-B/16, a multiplication and an addition being one."""
    graph, state = nnx.split(models.files.abstract(SIZES["openai/clip-vit-base-patch16"]))
    image = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)

    def encode(state, image):
        return nnx.merge(graph, state).encode_image(image).tokens

    assert counted(encode, state, image) == pytest.approx(2 * 17.56e9, rel=0.02)


@pytest.mark.parametrize(
    ("kind", "shape", "groups", "sent"),
    [
        ("all-gather", "f32[8,4]{1,0}", "{{0,1,2,3},{4,5,6,7}}", 128 * 3 / 4),
        ("all-reduce", "(f32[8]{0}, bf16[4,2]{1,0})", "[2,4]<=[8]", 48 * 2 * 3 / 4),
        ("reduce-scatter", "f32[2]{0}", "[1,8]<=[8]", 8 * 7),
        ("all-to-all", "pred[16]{0}", "", 16 * 7 / 8),
        ("collective-permute", "s32[3]{0}", "", 12),
    ],
)
def test_what_a_device_sends_round_its_ring(kind, shape, groups, sent):
    assert Collective(kind, shape, 0, groups, "").sent(8) == pytest.approx(sent)


def test_an_asynchronous_gather_is_as_large_as_what_comes_out():
    one = Collective("all-gather", "(f32[2]{0}, f32[16]{0})", 0, "", "", started=True)
    assert one.size == 64


@pytest.mark.parametrize("defense", ["mat", "fare"])
def test_a_plan_agrees_with_the_compiled_program(defense):
    chips = plan.topology(f"h100:{len(jax.devices())}")
    found = plan.planned(toy(defense=defense), "toy", "data=4,fsdp=2", chips)
    if defense == "mat":
        assert found.memory.given == pytest.approx(found.memory.compiled, rel=0.1)
    else:  # the original's text tower is there, and the program is not given it
        assert found.memory.given > some(found.memory.compiled)
    assert found.fits
    assert found.memory.original > 0 if defense == "fare" else found.memory.original == 0
    text = plan.format_plan(found)
    assert "8 x H100" in text
    assert "attack" in text
    # Features of eight devices are gathered for the contrastive loss; FARE compares with itself.
    gathers = {one.part for one in found.talk if one.kind == "all-gather"}
    assert ("gradient" in gathers) == (defense == "mat") or defense == "fare"


@pytest.mark.slow  # three steps are compiled
def test_a_plan_that_does_not_fit_finds_one_that_does():
    chips = plan.topology(f"h100:{len(jax.devices())}")
    experiment = toy(defense="mat", batch_size=64)
    asked = plan.planned(experiment, "toy", "auto", chips)
    assert chips.chip is not None
    small = dataclasses.replace(chips.chip, memory=int(0.98 * asked.memory.total))
    few = dataclasses.replace(chips, chip=small)
    tight = dataclasses.replace(asked, chip=small)
    assert tight.fits is False
    found = plan.suggested(experiment, tight, few)
    assert found is not None
    assert found.fits
    assert "remat=blocks" in plan.format_plan(tight, found)


@pytest.mark.parametrize(
    "name", ["mat_clip_coco", "mat_albef_flickr30k", "align_rsicd", "fare_clip_flickr30k"]
)
def test_papers_are_planned_without_their_files(name):
    shapes = shapes_of(experiments.load(PAPERS / f"{name}.py")())
    assert shapes.batch.images.shape[1] == shapes.model.config.image_size
    assert (shapes.batch.words is None) == (not shapes.experiment.defense.words)
    assert (shapes.reference is None) == (not shapes.experiment.defense.needs_reference)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--topology", "v5e:2x4"], "give --plan"),
        (["--plan", "--topology", "v7:2x4"], "names no chip"),
        (["--plan", "--topology", "h100:2x4"], "write it as h100:8"),
        (["--plan", "--topology", "h100:8", "--mesh", "4"], "has 4 devices"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(arguments, says, capsys):
    config = str(Path(__file__).resolve().parents[1] / "toy_experiment.py")
    assert command.main(["--config", config, *arguments]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
