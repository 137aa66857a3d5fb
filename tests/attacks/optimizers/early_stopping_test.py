"""Leaving images that are lost: the same result for the others, and what lost means."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mat_jax.attacks import (
    Gallery,
    ThreatModel,
    co_attack,
    pgd_attack,
    sga_attack,
    sga_plain_attack,
)
from mat_jax.attacks.embeddings import embed_images, embed_texts
from mat_jax.attacks.optimizers.early_stopping import lost_in, pgd_until_lost
from mat_jax.attacks.optimizers.projected_gradient import example_keys, pgd
from tests.attacks.toy import Toy, toy_batch
from tests.tools.narrow import host, some

THREAT = ThreatModel(eps=0.2, steps=4, restarts=2)
KEY = jax.random.key(3)
ATTACKS = {
    "pgd": pgd_attack,
    "co_attack": co_attack,
    "sga": sga_attack,
    "sga_plain": sga_plain_attack,
}
STRANGERS = 6


@functools.cache
def gallery() -> Gallery:
    """The images and captions of the batch, and strangers."""
    model, batch, draw = Toy(), toy_batch(), np.random.RandomState(5)
    images = embed_images(model, jnp.asarray(batch.images))
    texts = embed_texts(model, batch.tokens)[batch.present]
    others = draw.randn(2, STRANGERS, images.shape[1]).astype(np.float32)
    others /= np.linalg.norm(others, axis=-1, keepdims=True)
    ids = np.concatenate([batch.ids, 1000 + np.arange(STRANGERS)]).astype(np.int32)
    owners = np.concatenate([np.repeat(batch.ids, batch.present.sum(1)), ids[len(batch.ids) :]])
    return Gallery(
        host(np.concatenate([images, others[0]])),
        host(np.concatenate([texts, others[1]])),
        host(ids),
        host(owners.astype(np.int32)),
        host(np.int32(1)),
    )


@functools.cache
def call(name, with_gallery):
    """One compilation each: `beyond` is data."""
    graph, state = nnx.split(Toy())

    @jax.jit
    def run(batch, store):
        more = {"gallery": store} if with_gallery else {}
        return ATTACKS[name](nnx.merge(graph, state), batch, KEY, threat=THREAT, **more)

    return lambda batch, beyond: run(batch, gallery()._replace(beyond=host(np.int32(beyond))))


@pytest.mark.parametrize("name", list(ATTACKS))
def test_an_image_that_is_never_lost_has_the_result_of_the_whole_attack(name):
    batch = toy_batch()
    whole = call(name, False)(batch, 0)
    until = call(name, True)(batch, 10_000)
    np.testing.assert_allclose(whole.images, until.images, atol=1e-6)
    np.testing.assert_array_equal(whole.tokens.ids, until.tokens.ids)
    for passes in ("image_forwards", "image_backwards"):
        np.testing.assert_array_equal(whole.stats[passes], until.stats[passes])


@pytest.mark.parametrize("name", ["pgd", "sga"])
def test_an_image_that_is_lost_at_once_takes_one_gradient(name):
    stopped = call(name, True)(toy_batch(), 0)
    views = 5 if name == "sga" else 1
    np.testing.assert_array_equal(stopped.stats["image_backwards"], views)


def test_images_stop_when_lost_and_otherwise_take_every_step():
    batch = toy_batch()
    whole, found = call("sga_plain", False)(batch, 0), call("sga_plain", True)(batch, 2)
    taken = np.asarray(found.stats["image_backwards"])
    every = THREAT.restarts * THREAT.steps
    assert (taken < every).any() and (taken <= every).all()
    np.testing.assert_allclose(
        np.asarray(found.images)[taken == every],
        np.asarray(whole.images)[taken == every],
        atol=1e-6,
    )
    delta = np.abs(np.asarray(found.images) - batch.images)
    assert delta.max() <= THREAT.eps + 1e-6


@pytest.mark.parametrize("lanes", [1, 2, 3, 4])
def test_lanes_and_order_change_nothing(lanes):
    goal = jnp.asarray(np.random.RandomState(4).randn(8 * 8 * 3).astype(np.float32))
    batch = toy_batch()
    order = np.array([2, 0, 3, 1])
    bar = jnp.asarray([0.0, 5.0, 9.0, jnp.inf])  # by id: at what value an image is lost

    def run(rows):
        images, bars = jnp.asarray(batch.images[rows]), bar[rows]

        def look(x, keys, which):
            value = jnp.tanh(x.reshape(len(x), -1) @ goal / 10) * 10
            return value, value, value > bars[which]

        keys = example_keys(KEY, jnp.asarray(batch.ids[rows]))

        def judge(x):
            return look(x, keys, jnp.arange(4))[1:]

        return pgd_until_lost(
            look, judge, images, keys, eps=0.2, step_size=0.05, steps=5, restarts=2, lanes=lanes
        )

    images, taken = run(np.arange(4))
    again, taken_again = run(order)
    np.testing.assert_allclose(images[order], again, atol=1e-6)
    np.testing.assert_array_equal(taken[order], taken_again)
    assert taken[3] == 10
    values = jnp.tanh(images.reshape(4, -1) @ goal / 10) * 10
    stopped = np.asarray(taken) < 10
    assert (np.asarray(values)[stopped] > np.asarray(bar)[stopped]).all()
    plain = pgd(
        lambda x: jnp.tanh(x.reshape(len(x), -1) @ goal / 10) * 10,
        jnp.asarray(batch.images),
        example_keys(KEY, jnp.asarray(batch.ids)),
        eps=0.2, step_size=0.05, steps=5, restarts=2, best=True,
    )  # fmt: skip
    np.testing.assert_allclose(plain[~stopped], images[~stopped], atol=1e-6)


@pytest.mark.parametrize("beyond", [1, 2, 4])
def test_lost_is_what_ranks_say(beyond):
    """By a plain count, image by image and caption by caption."""
    batch, draw = toy_batch(), np.random.RandomState(1)
    captions = draw.randn(*batch.present.shape, 12).astype(np.float32)
    captions /= np.linalg.norm(captions, axis=-1, keepdims=True)
    store = gallery()._replace(beyond=host(np.int32(beyond)))
    lost = lost_in(
        jax.tree.map(jnp.asarray, store), *map(jnp.asarray, (captions, batch.present, batch.ids))
    )
    rows = np.array([3, 1, 0])
    seen = 0
    for _ in range(20):
        embeds = draw.randn(3, 12).astype(np.float32)
        embeds /= np.linalg.norm(embeds, axis=-1, keepdims=True)
        found = some(lost)(jnp.asarray(embeds), jnp.asarray(rows))
        for lane, row in enumerate(rows):
            own = captions[row][batch.present[row]] @ embeds[lane]
            texts = store.texts[store.text_ids != batch.ids[row]] @ embeds[lane]
            pictures = store.images[store.image_ids != batch.ids[row]]
            ranks = [(texts > own.max()).sum()]
            for m in np.flatnonzero(batch.present[row]):
                ranks.append((pictures @ captions[row, m] > captions[row, m] @ embeds[lane]).sum())
            assert bool(found[lane]) == (min(ranks) >= beyond)
            seen += bool(found[lane])
    assert beyond > 2 or 0 < seen < 60


def test_the_released_algorithm_takes_every_step():
    with pytest.raises(ValueError, match="give no gallery"):
        pgd_attack(
            Toy(),
            jax.tree.map(jnp.asarray, toy_batch()),
            KEY,
            threat=THREAT,
            preset="official",
            gallery=gallery(),
        )
