"""Every attack gives the strings and images of an independent PyTorch reading."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from mat_jax import attacks
from mat_jax.data.substitutes.proposals import Alignment, stop_words_of

ALIGNMENT: dict[str, Alignment] = {"strict": "fixed", "official": "official"}
KEY = 5
STEPS = 3
STEP = {"strict": 2.5, "official": 1.25}  # times eps / steps


@pytest.fixture(params=["strict", "official"])
def preset(request):
    return request.param


@pytest.fixture
def threat():
    return attacks.ThreatModel(eps=4 / 255, steps=STEPS)


@pytest.fixture(scope="module")
def results(world):
    """Each attack is run once, whichever tests look at it."""

    @functools.cache
    def run(name, threat, preset):
        table = world.table(ALIGNMENT[preset])
        call = attacks.compile_attack(
            attacks.ATTACKS[name].function, world.model, threat=threat, preset=preset
        )
        result = call(world.batch(table), jax.random.key(KEY))
        return result, world.strings(table, result.choice)

    return run


@pytest.fixture
def attacked(results, preset):
    return lambda name, threat: results(name, threat, preset)


def captions(world):
    """The real captions of each image."""
    from_table = world.table()
    batch = world.batch(from_table)
    return world.strings(from_table, np.full(batch.words.lengths.shape, -1))


def options(reference, preset):
    return lambda caption: reference.proposals(caption, 6, preset == "official")


def draws(batch, eps, one_sided):
    """The start and the view noise of each image, drawn as the package draws them."""
    starts, noises = [], []
    shape = batch.images.shape[1:]
    for image, identity in zip(batch.images, batch.ids, strict=True):
        once = jax.random.fold_in(jax.random.fold_in(jax.random.key(KEY), identity), 0)
        delta = jax.random.uniform(
            jax.random.fold_in(once, 0), shape, minval=0.0 if one_sided else -eps, maxval=eps
        )
        start = image + delta
        starts.append(torch.tensor(np.asarray(start if one_sided else jnp.clip(start, 0, 1))))
        step_keys = [jax.random.fold_in(once, step + 1) for step in range(STEPS)]
        noise = [
            [0.05 * jax.random.normal(jax.random.fold_in(k, view + 1), shape) for view in range(4)]
            for k in step_keys
        ]
        noises.append(torch.tensor(np.asarray(noise)))
    return starts, noises


def assert_same_image(ours, theirs, eps):
    """Equal but for pixels whose gradient is so small that rounding decides its sign."""
    difference = np.abs(np.asarray(ours) - theirs.numpy())
    assert np.mean(difference < 1e-6) > 0.995
    assert difference.max() <= 2 * eps + 1e-6


def assert_same_texts(reference, ours, theirs):
    """Equal; or, where the last word does not fit, equal in all that the model reads."""
    read = [reference.tokens(texts)["input_ids"].tolist() for texts in (ours, theirs)]
    assert read[0] == read[1]


def test_candidates(world, reference, preset):
    table = world.table(ALIGNMENT[preset])
    for row, caption in enumerate(world.texts):
        ours = [
            [table.vocabulary[i] for i in one if i >= 0]
            for one in table.substitutes[row][: len(caption.split())]
        ]
        assert ours == options(reference, preset)(caption)


@pytest.mark.parametrize("budget", [1, 2, 3])
def test_bert_attack(world, reference, attacked, preset, threat, budget):
    found, ours = attacked("bert_attack", dataclasses.replace(threat, words=budget))
    for image, row in enumerate(captions(world)):
        for slot, caption in enumerate(row):
            theirs = reference.bert_attack(
                caption,
                options(reference, preset)(caption),
                budget=budget,
                official=preset == "official",
            )
            assert_same_texts(reference, [ours[image][slot]], [theirs])
            words = caption.split()
            picks = np.asarray(found.choice)[image, slot, : len(words)]
            still = stop_words_of(ALIGNMENT[preset])
            assert all(p < 0 for word, p in zip(words, picks, strict=True) if word in still)


def test_pgd_and_sep(world, reference, attacked, preset, threat):
    batch = world.batch(world.table())
    image_only, _ = attacked("pgd", threat)
    both, strings = attacked("sep", threat)
    _, text_only = attacked("bert_attack", threat)
    starts, _ = draws(batch, threat.eps, one_sided=preset == "official")
    for i, start in enumerate(starts):
        clean = torch.tensor(np.asarray(batch.images[i]))
        theirs = reference.pgd(
            clean,
            start,
            best=preset == "strict",
            eps=threat.eps,
            step_size=STEP[preset] * threat.eps / STEPS,
            steps=STEPS,
        )
        assert_same_image(image_only.images[i], theirs, threat.eps)
    np.testing.assert_array_equal(both.images, image_only.images)
    assert strings == text_only


def test_co_attack(world, reference, attacked, preset, threat):
    batch = world.batch(world.table())
    ours, strings = attacked("co_attack", threat)
    _, text_only = attacked("bert_attack", threat)
    assert strings == text_only
    starts, _ = draws(batch, threat.eps, one_sided=preset == "official")
    for i, start in enumerate(starts):
        # The released loop attacks the image once a caption; its last attack is what is kept.
        against = strings[i][-1:] if preset == "official" else strings[i]
        theirs = reference.co_attack(
            torch.tensor(np.asarray(batch.images[i])),
            against,
            start,
            best=preset == "strict",
            eps=threat.eps,
            step_size=STEP[preset] * threat.eps / STEPS,
            steps=STEPS,
        )
        assert_same_image(ours.images[i], theirs, threat.eps)


@pytest.mark.parametrize("budget", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_sga(world, reference, attacked, preset, budget):
    threat = attacks.ThreatModel(eps=4 / 255, steps=STEPS, words=budget)
    batch = world.batch(world.table())
    ours, strings = attacked("sga", threat)
    starts, noises = draws(batch, threat.eps, one_sided=False)
    official = preset == "official"

    def against(caption, image):
        with torch.no_grad():
            embed = reference.image(image[None])[0]
        return reference.attack_text(
            caption,
            options(reference, preset)(caption),
            lambda e: -(e @ embed),
            budget=budget,
            official=official,
        )

    for i, row in enumerate(captions(world)):
        clean = torch.tensor(np.asarray(batch.images[i]))
        theirs = reference.sga_image(
            clean,
            [against(caption, clean) for caption in row],
            starts[i],
            noises[i],
            best=not official,
            eps=threat.eps,
            step_size=threat.eps / 4,
            steps=STEPS,
        )
        assert_same_image(ours.images[i], theirs, threat.eps)
        final = torch.tensor(np.asarray(ours.images[i]))
        assert_same_texts(reference, strings[i], [against(caption, final) for caption in row])
