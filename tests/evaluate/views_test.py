"""How failures look: the pictures are those that the attack makes, wherever they were kept."""

import jax
import numpy as np
import pytest
from PIL import Image

from mat_jax.attacks import ATTACKS
from mat_jax.evaluate import prepare
from mat_jax.evaluate.failures import failing
from mat_jax.evaluate.shelf import Shelf
from mat_jax.evaluate.store import Store
from mat_jax.evaluate.thumbnails import GREY, THUMBNAIL, differences, enlarged, shrunk
from tests.evaluate import runner_test
from tests.evaluate.runner_test import EIGHT
from tests.tools.narrow import some

toys, clip, own_cache = runner_test.toys, runner_test.clip, runner_test.own_cache


@pytest.mark.parametrize("norm, eps", [("linf", EIGHT), ("l2", 0.5)])
def test_a_failure_looks_as_the_attack_makes_it(toys, clip, norm, eps):
    """Made again here, all examples in one batch, which the evaluation did in three."""
    asked = runner_test.asked(toys, attacks=("pgd",), norm=norm, eps=eps, batch_size=3)
    result = runner_test.measure(toys, clip, attacks=("pgd",), norm=norm, eps=eps, batch_size=3)
    row = result.row("pgd")
    assert len(row.views) == len(failing(row.ranks)) > 0
    victim = prepare(asked, *clip, quiet=True)
    batch = victim.examples.batch(np.arange(len(victim.examples)))
    (threat,) = asked.threats
    key = jax.random.key(asked.seed)
    made = jax.jit(ATTACKS["pgd"].function, static_argnames=("threat", "preset"))(
        victim.model, batch, key, threat=threat, preset=asked.preset
    )
    images, clean = np.asarray(made.images), np.asarray(batch.images)
    for place in failing(row.ranks):
        view = row.views[place]
        assert view.attack == "pgd" and view.overlay is None
        assert np.abs(some(view.picture) - 255 * images[place]).max() <= 1
        delta = images[place] - clean[place]
        reach = eps if norm == "linf" else np.abs(delta).max()
        assert np.abs(delta).max() <= reach + 1e-6
        told = (some(view.difference) - 127.5) / 127.5 * reach
        assert np.abs(told - delta).max() <= 0.02 * reach
        assert np.abs(told).max() <= reach


def test_attacks_on_captions_and_clean_rows_have_no_pictures(toys, clip):
    result = runner_test.measure(toys, clip, attacks=("none", "bert_attack"))
    assert failing(result.row("bert_attack").ranks)
    assert not result.clean.views and not result.row("bert_attack").views


def test_nothing_is_left_of_a_shelf_without_a_store(toys, clip, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = runner_test.measure(toys, clip, attacks=("pgd",), batch_size=4)
    assert result.row("pgd").views
    assert not list(tmp_path.glob("mat_jax_*"))


def test_a_shelf_gives_back_what_was_put(tmp_path):
    shelf = Shelf.on(Store.open(tmp_path, "one"))
    rng = np.random.default_rng(0)
    clean = rng.uniform(0.2, 0.8, (3, 5, 5, 3)).astype(np.float32)
    adv = clean + 0.1 * rng.choice([-1, 0, 1], clean.shape).astype(np.float32)
    shelf.put("one/0", "pgd", np.array([4, 7, 2]), clean, adv, eps=0.1)
    shelf.put("two/0", "sga", np.array([7]), clean[:1], clean[:1], eps=0.1)
    found = shelf.get({7: "one/0", 2: "one/0", 5: "one/0", 4: "three/0"})
    # Example 5 is not in the batch, and there is no third batch.
    assert sorted(found) == [2, 7] and {one.attack for one in found.values()} == {"pgd"}
    np.testing.assert_array_equal(found[7].picture, np.round(adv[1] * 255))
    steps = np.round((adv - clean)[2] / 0.1)
    assert np.abs(found[2].difference - (127.5 + 127.5 * steps)).max() <= 1
    assert shelf.get({7: "two/0"})[7].attack == "sga"
    shelf.remove("one")
    assert not shelf.get({7: "one/0"}) and shelf.get({7: "two/0"})


def test_a_large_picture_shows_the_change_of_single_pixels():
    rng = np.random.default_rng(0)
    clean = np.full((2, 200, 200, 3), 0.5, np.float32)
    change = rng.choice([-1, 0, 1], clean.shape)
    adv = clean + np.float32(EIGHT) * change.astype(np.float32)
    found = differences(clean, adv, EIGHT)
    assert found.shape == (2, THUMBNAIL, THUMBNAIL, 3)
    # Nothing but the whole eps down, nothing, and the whole eps up: no mean of neighbours.
    assert set(np.unique(found)) == {0, GREY, 255}
    assert set(np.unique(differences(clean, clean, EIGHT))) == {GREY}
    assert set(np.unique(differences(clean, clean, None))) == {GREY}
    # Half the largest change is half way from grey.
    half = differences(clean, clean + np.array([0.1, 0.05, 0], np.float32), None)
    np.testing.assert_allclose(half[0, 0, 0], [255, 191, GREY], atol=1)


def test_a_small_picture_stays_and_a_large_one_is_as_wide_as_shown():
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)
    np.testing.assert_array_equal(shrunk(small), small)
    np.testing.assert_array_equal(enlarged(small, 20), small / np.float32(255))
    large = np.asarray(Image.fromarray(small).resize((384, 384), Image.Resampling.BICUBIC))
    assert shrunk(large).shape == (THUMBNAIL, THUMBNAIL, 3)
    assert abs(shrunk(large).mean() - large.mean()) < 1
