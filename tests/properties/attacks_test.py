"""What must hold of the attacks on every batch, and why; hypothesis looks for the exception.

Where mathematics gives less than one would like, the docstring says what it gives. That Square
never does worse with more proposals is in `optimizers/square_search_test.py`. That a step of PGD
has nowhere to go without a gradient is in `optimizers/projected_gradient_test.py`, and all of this
on the skeletons alone in `skeleton_test.py`.
"""

import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from mat_jax import attacks
from mat_jax.attacks.embeddings import embed_texts
from mat_jax.attacks.image_objectives import away_from_captions
from mat_jax.attacks.objectives import kl
from mat_jax.attacks.optimizers.auto_pgd import apgd
from mat_jax.attacks.optimizers.projected_gradient import pgd
from mat_jax.attacks.optimizers.square_search import square
from tests.attacks.toy import Toy, assert_within, toy_batch
from tests.tools.narrow import host, some

EPS, KEY = 8 / 255, jax.random.key(0)
few = settings(max_examples=10, deadline=None)
seeds = st.integers(0, 2**31 - 1)

PICTURES = {
    "noise": lambda images: images,
    "corners": np.round,
    "black": np.zeros_like,  # the toy has no embedding of it, and no gradient at it
    "white": np.ones_like,
    "grey": lambda images: np.full_like(images, 0.5),
}


def batch_of(seed=0, *, kind="noise", closed=False):
    """Eight images of two captions; of the first no word may change, or of none if `closed`."""
    batch = toy_batch(images=8, captions=2, seed=seed)
    batch = batch._replace(images=host(PICTURES[kind](batch.images)))
    if closed:
        words = some(batch.words)
        none = host(np.zeros_like(words.substitute_lengths))
        batch = batch._replace(words=words._replace(substitute_lengths=none))
    return batch


@functools.cache
def call(name, **asked: Any):
    """The compiled attack, and its threat model. SGA has one view besides the image, not four."""
    settings: dict[str, Any] = {"eps": EPS, "steps": 3, "words": 2, **asked}
    threat = attacks.ThreatModel(**settings)
    attack = attacks.ATTACKS[name].function
    if name == "sga":
        attack = functools.partial(attack, scales=(0.5,))
    return attacks.compile_attack(attack, Toy(), threat=threat), threat


def run(name, batch, key=KEY, **threat):
    return call(name, **threat)[0](batch, key)


L2 = {"norm": "l2", "eps": 0.5}
HELD = [(name, {}) for name in ("pgd", "apgd", "square", "bert_attack", "sep", "co_attack", "sga")]
HELD += [("apgd", L2), ("sga", L2)]


@pytest.mark.parametrize("name, threat", HELD, ids=lambda one: one or "linf")
@few
@given(seed=seeds, kind=st.sampled_from(list(PICTURES)), closed=st.booleans())
def test_the_threat_model_is_kept(name, threat, seed, kind, closed):
    """Ball, box, budget, and words that may not change, on flat pictures and closed captions too.

    The last operation on an image is the projection; the walk over words stops at the budget, and
    picks among substitutes that are there. A stop word has none. A direction without length is no
    step (`ball.inverse`), so nothing is divided by 0 where there is no gradient.
    """
    batch = batch_of(seed % 1000, kind=kind, closed=closed)
    adv = run(name, batch, jax.random.key(seed), **threat)
    assert_within(call(name, **threat)[1], batch, adv)
    if closed:
        np.testing.assert_array_equal(adv.tokens.ids, batch.tokens.ids)


@pytest.mark.parametrize("name", ["pgd", "apgd", "square", "sep", "co_attack"])
def test_a_permuted_batch_gives_the_permuted_result(name):
    """All randomness hangs on the id of an image, and no image looks at another."""
    batch, order = batch_of(), np.random.RandomState(0).permutation(8)
    whole, mixed = run(name, batch), run(name, jax.tree.map(lambda x: x[order], batch))
    np.testing.assert_allclose(mixed.images, whole.images[order], atol=1e-6)
    np.testing.assert_array_equal(mixed.choice, some(whole.choice)[order])
    np.testing.assert_array_equal(mixed.tokens.ids, whole.tokens.ids[order])


@pytest.mark.parametrize("name", ["pgd", "apgd", "square", "sga", "co_attack"])
def test_one_device_equals_eight(name):
    """Nothing is summed over images, so it does not matter where each of them is."""
    batch = batch_of()
    one = run(name, batch)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    data = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    weights = jax.device_put(nnx.state(Toy()), everywhere)
    eight = call(name)[0].func(weights, jax.device_put(batch, data), KEY)
    assert len(eight.images.sharding.device_set) == 8
    np.testing.assert_allclose(eight.images, one.images, atol=1e-6)
    np.testing.assert_array_equal(eight.choice, one.choice)


SHAPE = (4, 6, 6, 3)
ROUNDING = 1e-4  # of `hilly`, whose sines are of large numbers


def pixels(seed):
    return jnp.asarray(np.random.RandomState(seed).uniform(0, 1, SHAPE).astype(np.float32))


def hilly(images):
    """[batch] a smooth objective with many hills."""
    weights = np.random.RandomState(3).randn(108, 6).astype(np.float32)
    return jnp.sum(jnp.sin(9 * images.reshape(images.shape[0], -1) @ jnp.asarray(weights)), axis=1)


@functools.cache
def climbed(attack, **fixed):
    """`hilly` after an attack, compiled once for all values of the settings that may be traced."""

    def value(images, key, eps, **traced):
        return hilly(attack(hilly, images, key, eps=eps, **fixed, **traced))

    return jax.jit(value)


def value_of(attack, seed, *, eps=0.1, traced=None, **fixed):
    found = climbed(attack, **fixed)(
        pixels(seed), jax.random.key(seed), jnp.float32(eps), **(traced or {})
    )
    return np.asarray(found)


@few
@given(seed=seeds, steps=st.tuples(st.integers(0, 12), st.integers(0, 12)).map(sorted))
def test_more_steps_of_pgd_never_do_worse(seed, steps):
    """The points of the shorter run are the first points of the longer: the best of more is kept.

    So it is with `best` and a step size of its own right, not one like `2.5 eps / steps` that
    shortens the steps as they become more.
    """
    fewer, more = (
        value_of(pgd, seed % 1000, best=True, traced={"steps": n, "step_size": jnp.float32(0.1)})
        for n in steps
    )
    assert (more >= fewer - ROUNDING).all()


@few
@given(seed=seeds)
def test_apgd_never_ends_below_its_start(seed):
    """The weaker form: runs of APGD are not nested, since its checkpoints hang on their length."""
    start, end = (value_of(apgd, seed % 1000, steps=steps) for steps in (0, 9))
    assert (end >= start - ROUNDING).all() and (end > start + 1e-2).any()


RESTARTED = {
    "pgd": functools.partial(pgd, step_size=0.05, steps=3),
    "apgd": functools.partial(apgd, steps=5),
    "square": functools.partial(square, steps=8),
}


@pytest.mark.parametrize("name", list(RESTARTED))
def test_more_restarts_never_do_worse(name):
    """A start has a number and its own key, so the first of three is the only one of one."""
    gains = []
    for seed in range(10):
        one, three = (value_of(RESTARTED[name], seed, restarts=n) for n in (1, 3))
        assert (three >= one - ROUNDING).all()
        gains.append((three > one + 1e-2).any())
    assert any(gains)


WEIGHTS = np.random.RandomState(7).randint(-8, 9, SHAPE[1:]).astype(np.float32)


def straight(images):
    """[batch] a linear objective. Of whole weights and pixels in 64ths it is exact in float32."""
    return jnp.sum(images * jnp.asarray(WEIGHTS)[None], axis=(1, 2, 3))


@functools.cache
def driven(attack):
    return jax.jit(lambda images, key, eps: straight(attack(straight, images, key, eps=eps)))


def pgd_across(loss, images, key, *, eps):
    """Seven steps of half the radius, which cross the ball from any start."""
    return pgd(loss, images, key, eps=eps, step_size=eps / 2, steps=7, best=True)


def apgd_short(loss, images, key, *, eps):
    return apgd(loss, images, key, eps=eps, steps=7)


@pytest.mark.parametrize("attack", [pgd_across, apgd_short])
@few
@given(seed=seeds, levels=st.lists(st.integers(0, 64), min_size=2, max_size=4).map(sorted))
def test_a_larger_ball_never_does_worse_on_a_linear_model(attack, seed, levels):
    """Gradient ascent is at the optimum there: `sum |w| min(eps, room to the box)`, rising in eps.

    On other models a larger ball has the larger maximum, but no ascent promises to find it; the
    check `larger eps, less left` looks at that in every evaluation.
    """
    images = jnp.round(64 * pixels(seed % 1000)) / 64
    values = []
    for level in levels:
        eps = np.float32(level / 64)
        room = np.where(WEIGHTS > 0, 1 - np.asarray(images), np.asarray(images))
        best = straight(images) + np.sum(np.abs(WEIGHTS) * np.minimum(eps, room), axis=(1, 2, 3))
        values.append(np.asarray(driven(attack)(images, jax.random.key(seed), eps)))
        np.testing.assert_allclose(values[-1], best, atol=1e-3)
    assert all((more >= less - 1e-3).all() for less, more in itertools.pairwise(values))


def proposed(loss, images, key, *, eps):
    return square(loss, images, key, eps=eps, steps=30, rescale=True)


@few
@given(seed=seeds)
def test_square_gains_in_proportion_to_the_ball_on_a_linear_model(seed):
    """Away from the box a proposal, signs times eps, raises a linear loss by eps times one number.

    So in every ball the same proposals are taken.
    """
    key = jax.random.key(seed)
    images = (24 + jnp.round(16 * pixels(seed % 1000))) / 64
    gains = [
        np.asarray(driven(proposed)(images, key, np.float32(eps)) - straight(images)) / eps
        for eps in (1 / 64, 1 / 16, 1 / 4)
    ]
    assert (gains[0] > 0).all()
    np.testing.assert_array_equal(gains[0], gains[1])
    np.testing.assert_array_equal(gains[0], gains[2])


@jax.jit
def of_captions(clean, adv):
    """[batch, captions] BERT-Attack's own objective."""
    return kl(embed_texts(Toy(), clean), embed_texts(Toy(), adv))


@jax.jit
def of_images(batch, images):
    """[batch] the objective of SGA on images whose captions stay, and of APGD and Square."""
    return away_from_captions(Toy(), batch)(images)


@few
@given(seed=seeds)
def test_more_words_never_do_worse(seed):
    """The walk with a larger budget begins as the smaller one, and changes a word only upwards."""
    batch = batch_of(seed % 1000)
    values = [
        np.asarray(of_captions(batch.tokens, run("bert_attack", batch, words=words).tokens))
        for words in (0, 1, 2)
    ]
    assert all((more >= less - 1e-9).all() for less, more in itertools.pairwise(values))
    assert (values[1] > values[0]).any() and (values[2] > values[1]).any()


@few
@given(seed=seeds)
def test_more_candidates_never_do_worse(seed):
    """The best of more candidates for a word is no less, and with one word to change it is all.

    The order of words does not hang on their candidates, and every other caption diverges from the
    clean one, so the first word visited is changed. A walk on an objective that passes words by
    (SGA's), or over more words, has no such bound: with more candidates it may stop elsewhere.
    """
    batch = batch_of(seed % 1000)
    words = some(batch.words)
    sizes = -np.sort(-np.asarray(words.substitute_lengths), axis=-1)  # as a table has them: no gaps
    values = [np.asarray(of_captions(batch.tokens, batch.tokens))]
    for count in (1, 2, 3):
        part = host(np.where(np.arange(3) < count, sizes, 0))
        fewer = batch._replace(words=words._replace(substitute_lengths=part))
        adv = run("bert_attack", fewer, words=1)
        np.testing.assert_array_equal(adv.stats["changed"], np.minimum(adv.stats["attackable"], 1))
        values.append(np.asarray(of_captions(batch.tokens, adv.tokens)))
    assert all((more >= less - 1e-9).all() for less, more in itertools.pairwise(values))
    assert (values[3] > values[1]).any()


def test_more_steps_of_sga_never_do_worse():
    """They are `eps / 4` however many, so its runs are nested; it keeps what it judges the best.

    With no word to change it judges by the cosine to the image's own captions.
    """
    gained = False
    for seed in range(4):
        batch = batch_of(seed, closed=True)
        fewer, more = (
            np.asarray(of_images(batch, run("sga", batch, steps=steps).images)) for steps in (3, 6)
        )
        assert (more >= fewer - 1e-6).all()
        gained |= (more > fewer + 1e-5).any()
    assert gained
