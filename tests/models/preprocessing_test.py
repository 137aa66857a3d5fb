"""A model behind a function of its images is the model of the function's values."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mat_jax import attacks, data, models
from mat_jax.models.preprocessing import Preprocessed
from mat_jax.types.protocols import FusesPairs, SizedModel

LEVELS = 7


def coarse(images):
    return jnp.round(LEVELS * images) / LEVELS


def dimmed(images):
    return 0.5 * images + 0.25


@pytest.fixture(scope="module", params=["clip", "albef"])
def model(request) -> Any:
    vision = models.ViTConfig(16, 2, 2)
    text = models.BertConfig(64, 12, width=16, layers=2, heads=2)
    if request.param == "clip":
        return models.files.build(models.CLIPConfig(16, 8, vision, text, embed=8), 0)
    config = models.ALBEFConfig(16, 8, vision, text, first_fusion=1, embed=8)
    return models.files.build(config, 0)


@pytest.fixture(scope="module")
def images(model):
    size = model.config.image_size
    return jax.random.uniform(jax.random.key(0), (3, size, size, 3))


def embed(model, images):
    return model.encode_image(images).embed


@jax.jit
def slope(model, images):
    """Of something that no symmetry makes 0."""
    return jax.grad(lambda x: jnp.sum(jnp.sin(embed(model, x)) * 7))(images)


@pytest.mark.parametrize("function", [coarse, dimmed])
@pytest.mark.parametrize("straight_through", [False, True])
def test_its_features_are_those_of_what_the_function_returns(
    model, images, function, straight_through
):
    behind = models.preprocessed(model, function, straight_through=straight_through)
    run = jax.jit(embed)
    # Compiled into one program, so rounded otherwise.
    np.testing.assert_allclose(run(behind, images), run(model, function(images)), atol=1e-5)
    assert not isinstance(model, Preprocessed)


def test_it_is_of_the_same_kind(model):
    behind = models.preprocessed(model, coarse)
    assert isinstance(behind, type(model)) and isinstance(behind, SizedModel)
    assert isinstance(behind, FusesPairs) == isinstance(model, FusesPairs)
    for one, other in zip(jax.tree.leaves(behind), jax.tree.leaves(model), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_slope_goes_through_the_function(model, images):
    """The chain rule: half the slope at the dimmed picture; of rounding there is none."""
    found = slope(models.preprocessed(model, dimmed), images)
    np.testing.assert_allclose(found, 0.5 * slope(model, dimmed(images)), atol=1e-5)
    assert not np.any(slope(models.preprocessed(model, coarse), images))


def test_straight_through_the_slope_is_that_where_the_function_leads(model, images):
    """Athalye et al. 2018, section 4.1: the derivative of f at g(x), with g' taken to be 1."""
    found = slope(models.preprocessed(model, coarse, straight_through=True), images)
    assert np.any(found)
    np.testing.assert_allclose(found, slope(model, coarse(images)), rtol=1e-5, atol=1e-6)


def test_an_adversary_who_knows_of_rounding_gets_past_it():
    """On the shipped CLIP, PGD through rounding moves nothing; straight through it does."""
    model, tokenizer = models.load("scenes-clip")
    source = data.load_scenes("test", limit=8)
    batch = data.Corpus.prepare(source, tokenizer, image_size=64).batch(range(8))
    threat = attacks.ThreatModel(eps=8 / 255, steps=10)
    see = jax.jit(lambda model, images: model.encode_image(images).unit)
    clean = see(model, batch.images)
    moved = {}
    for straight in (False, True):
        behind = models.preprocessed(model, coarse, straight_through=straight)
        attack = attacks.compile_attack(attacks.pgd_attack, behind, threat=threat)
        adv = attack(batch, jax.random.key(0))
        moved[straight] = 1 - float(jnp.mean(jnp.sum(see(behind, adv.images) * clean, axis=-1)))
    assert moved[True] > moved[False] + 0.05


def test_files_hold_the_model_without_it(tmp_path):
    model, tokenizer = models.load("scenes-clip")
    with pytest.warns(UserWarning, match="models.preprocessed again"):
        models.save(models.preprocessed(model, coarse), tokenizer, tmp_path / "saved")
    loaded, _ = models.load(tmp_path / "saved")
    for one, other in zip(jax.tree.leaves(loaded), jax.tree.leaves(model), strict=True):
        np.testing.assert_array_equal(one, other)
