"""Captioners and language models as methods: what is asked of them, and of which image."""

import numpy as np
import pytest

from mat_jax import models
from mat_jax.augment import WAYS, Recipe, rewriter
from mat_jax.augment.batches import keys_of
from mat_jax.models import generation
from tests.augment.noise import CAPTIONS, ENTRIES, JOBS, Pictures, pixels


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


def test_a_captioner_is_asked_of_every_picture(captioner):
    """Cropped to its square, all in batches of one size, with a key for each partner."""
    recipe = Recipe(how="i2t_cap", model=captioner, top_p=0.95)
    found = WAYS["i2t_cap"].build(Pictures(), ENTRIES, recipe)(JOBS)
    model, tokenizer = models.load(captioner)
    images = np.repeat(pixels(), 2, axis=0)
    ids = generation.nucleus(model, images, keys_of(JOBS), top_p=0.95, max_length=12)
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


def test_a_language_model_is_asked_with_a_seed_a_partner(monkeypatch):
    """Whatever other partners are asked for with it."""
    told = []

    def from_model(name, **settings):
        return lambda captions, seeds: (
            told.append(dict(zip(seeds, captions, strict=True))) or [*captions]
        )

    monkeypatch.setattr(rewriter, "from_model", from_model)
    ask = WAYS["langrw"].build(Pictures(), ENTRIES, Recipe(how="langrw", model="any"))
    assert ask(JOBS) == [CAPTIONS[job.index % 3] for job in JOBS]
    assert len(told[0]) == len(JOBS)
    ask(JOBS[3:4])
    assert told[1].items() <= told[0].items()
