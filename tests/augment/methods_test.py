"""Captioners and RandAugment as ways: what is asked of them, and of which image."""

import functools
from pathlib import Path

import jax
import numpy as np
import pytest

from mat_jax import models
from mat_jax.augment import Recipe, methods, rand_augment
from mat_jax.augment.manifest import Entry
from mat_jax.augment.methods import WAYS, Job, _keys
from mat_jax.models import generation
from mat_jax.types.arrays import Example

CAPTIONS = ["a red ball on sand", "two blue boxes", "one man rides a brown horse"]


class Pictures:
    """Five pictures of noise, of one colour more than another."""

    name = "pictures"

    def __len__(self):
        return 5

    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        noise = rng.integers(0, 120, (20, 16, 3)) + 100 * (np.arange(3) == index % 3)
        return Example(noise.astype(np.uint8), (CAPTIONS[index % 3],), index)


ENTRIES = [Entry(image_id=i, image=Path("a.png"), captions=(CAPTIONS[i % 3],)) for i in range(5)]
JOBS = [Job(i, k, (4, i, k)) for i in range(5) for k in range(2)]


@pytest.fixture(scope="module")
def captioner(tmp_path_factory):
    tokenizer = models.Tokenizer.train_bert(CAPTIONS, 120, 12)
    vit, med = (
        models.ViTConfig(width=32, layers=1, heads=1),
        models.BertConfig(width=32, layers=1, heads=1, segments=0),
    )
    model, tokenizer = models.Fresh(
        models.BLIPConfig(16, 8, vit, med, task="captioning"), tokenizer
    ).build(0)
    folder = tmp_path_factory.mktemp("captioner") / "blip"
    models.save(model, tokenizer, folder)
    return str(folder)


def pixels(count=5):
    return np.stack([Pictures()[i].image[2:18] for i in range(count)]).astype(np.float32) / 255


def test_a_captioner_is_asked_of_every_picture(captioner):
    """Cropped to its square, all in batches of one size, with a key for each partner."""
    recipe = Recipe(how="i2t_cap", model=captioner, top_p=0.95)
    found = WAYS["i2t_cap"].build(Pictures(), ENTRIES, recipe)(JOBS)
    model, tokenizer = models.load(captioner)
    images = np.repeat(pixels(), 2, axis=0)
    ids = generation.nucleus(model, images, _keys(JOBS), top_p=0.95, max_length=12)
    assert found == [text or None for text in tokenizer.captions(np.asarray(ids))]
    assert len(set(found)) > 6
    # The order of the jobs, and what else is asked, make no difference.
    assert WAYS["i2t_cap"].build(Pictures(), ENTRIES, recipe)(JOBS[3:4]) == found[3:4]


def test_a_decoding_without_chance_writes_one_caption(captioner):
    recipe = Recipe(how="i2t_cap", model=captioner, decode="beam")
    with pytest.raises(ValueError, match="beam decoding writes one caption of a picture, not 4"):
        WAYS["i2t_cap"].check(recipe)
    with pytest.raises(ValueError, match="scenes-bert writes no captions"):
        WAYS["i2t_cap"].build(Pictures(), ENTRIES, Recipe(how="i2t_cap", model="scenes-bert"))


def test_randaugment_by_keys_of_the_partners():
    recipe = Recipe(how="randaug", size=16, magnitude=20, ops=1)
    found = WAYS["randaug"].build(Pictures(), ENTRIES, recipe)(JOBS)
    images = np.repeat(pixels(), 2, axis=0)
    # Compiled alike: rounding decides at the thresholds of an operation.
    augment = jax.jit(functools.partial(rand_augment, ops=1, magnitude=20))
    expected = np.asarray(augment(images, _keys(JOBS)))
    assert all(one.shape == (16, 16, 3) and one.dtype == np.uint8 for one in found)
    assert np.abs(np.stack(found) - 255 * expected).max() < 0.51


def test_a_language_model_is_asked_with_a_seed_a_partner(monkeypatch):
    """Whatever other partners are asked for with it."""
    told = []

    def from_model(name, **settings):
        return lambda captions, seeds: (
            told.append(dict(zip(seeds, captions, strict=True))) or [*captions]
        )

    monkeypatch.setattr(methods.rewriter, "from_model", from_model)
    ask = WAYS["langrw"].build(Pictures(), ENTRIES, Recipe(how="langrw", model="any"))
    assert ask(JOBS) == [CAPTIONS[job.index % 3] for job in JOBS]
    assert len(told[0]) == len(JOBS)
    ask(JOBS[3:4])
    assert told[1].items() <= told[0].items()


def test_a_key_is_folded_from_all_numbers_of_a_job():
    seeds = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (0, 1, 2)]
    keys = jax.random.key_data(_keys([Job(0, 0, seed) for seed in seeds])).tolist()
    assert keys[0] == keys[3] and len({tuple(key) for key in keys}) == 3
