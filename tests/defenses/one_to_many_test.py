"""MAT+ with partner pictures: losses against torch and by hand, balls, views, meshes, families."""

from dataclasses import replace
from functools import cache, partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from mat_jax import defenses, models
from mat_jax.augment import rand_augment
from mat_jax.defenses.losses.contrastive import many_to_many
from mat_jax.defenses.losses.matching import cross_entropy as matches
from mat_jax.defenses.losses.matching import matching_loss
from mat_jax.defenses.losses.pair_loss import Texts, captioning, compare, encode_texts, mixed_losses
from mat_jax.defenses.one_to_many import apart, encode_images, originals
from mat_jax.types.arrays import Batch, ImageFeatures, Tokens
from tests.defenses.devices import on_one_and_on_eight
from tests.defenses.linear import batch, model, moved
from tests.defenses.losses_test import assert_agrees, nce, rightful
from tests.tools.narrow import some

KEY = jax.random.key(4)
EPS = 0.1
STILL = defenses.MAT(eps=EPS, steps=8, step_size=EPS / 4, words=0)
USES = ("pairs", "average", "positives")


def rich(texts=2, images=2, seed=0) -> Batch:
    """A batch with so many texts and partner pictures."""
    one = batch(texts, seed)
    shape = (len(one.ids), images, *one.images.shape[1:])
    found = np.random.default_rng(10 + seed).uniform(0.1, 0.9, shape).astype(np.float32)
    return one._replace(partner_images=jnp.asarray(found))


def elsewhere(clean: Batch) -> Batch:
    """Attacked, for all a loss knows."""
    return moved(clean)._replace(partner_images=jnp.flip(some(clean.partner_images), -1))


def picture(one: Batch, n: int):
    return one.images if n == 0 else some(one.partner_images)[:, n - 1]


def test_many_to_many_by_hand():
    """Two examples on two axes: a row has its own side at s, the other's at 0."""
    axes = jnp.eye(2)
    scale, ids = jnp.float32(np.log(4.0)), jnp.array([5, 9])

    def of(pictures, texts, ids=ids):
        both = (jnp.repeat(axes[:, None], n, axis=1) for n in (pictures, texts))
        return np.asarray(jax.jit(many_to_many)(*both, scale, ids))

    # A picture meets as many wrong texts as an example has, a text as many wrong pictures.
    for pictures, texts in ((1, 1), (1, 3), (3, 2)):
        expected = (np.log(1 + texts / 4) + np.log(1 + pictures / 4)) / 2
        np.testing.assert_allclose(of(pictures, texts), expected, rtol=1e-6)
    assert not of(3, 2, jnp.array([5, 5])).any()


def test_the_average_is_that_of_each_partner_with_the_original():
    clean = rich(3, 2)
    attacked = elsewhere(clean)

    def formula(m, _):
        texts = [nce(m, attacked.images, m.g(attacked.tokens, i)) for i in range(3)]
        images = [nce(m, picture(attacked, n), m.g(attacked.tokens)) for n in (1, 2)]
        return sum(texts + images) / 5

    assert_agrees(defenses.MATPlus(use="average", images=2), formula, clean, attacked)


def test_all_pictures_and_texts_of_an_example_are_right():
    clean = rich(2, 2)
    attacked = elsewhere(clean)
    images = np.concatenate([picture(attacked, n) for n in range(3)])
    right = torch.arange(6).repeat(3)[:, None] == torch.arange(6).repeat(2)[None]

    def formula(m, _):
        logits = m.logits(images, torch.cat([m.g(attacked.tokens, i) for i in range(2)]))
        return (rightful(logits, right).mean() + rightful(logits.T, right.T).mean()) / 2

    assert_agrees(defenses.MATPlus(use="positives", images=2), formula, clean, attacked)


def test_pairs_are_examples_of_their_own():
    """Three texts with the image, two pictures with the caption: 30 pairs of six ids."""
    clean = rich(3, 2)
    defense = defenses.MATPlus(use="pairs", images=2, mat=replace(STILL, steps=0))
    attacked = defense.perturb(model(0), None, clean, KEY)
    owner = torch.arange(6).repeat_interleave(5)
    right = torch.eye(30, dtype=torch.bool)
    out = (owner[:, None] == owner[None]) & ~right

    def formula(m, _):
        logits = m.logits(attacked.images, m.g(attacked.tokens)).masked_fill(out, -torch.inf)
        diagonal = torch.arange(30)
        return (cross_entropy(logits, diagonal) + cross_entropy(logits.T, diagonal)) / 2

    assert_agrees(defense, formula, clean, attacked)
    near = np.stack([picture(clean, n)[2] for n in (0, 0, 0, 1, 2)])
    assert np.abs(attacked.images[10:15] - near).max() <= EPS + 1e-6
    texts = np.asarray(clean.tokens.ids)[2, [0, 1, 2, 0, 0]]
    np.testing.assert_array_equal(attacked.tokens.ids[10:15, 0], texts)


def test_pairs_of_an_image_are_attacked_each_by_itself(monkeypatch):
    """Each has a start of its own, and its caption a draw of its own, whatever the batch."""

    def change(self, model, batch, keys):
        return batch.tokens._replace(ids=batch.tokens.ids + 1)

    monkeypatch.setattr(defenses.MAT, "attack_texts", change)
    mat = replace(STILL, steps=0, words=1, strategy=defenses.Strategy(share=0.5))
    defense, clean = defenses.MATPlus(mat=mat, use="pairs", images=2), rich(3, 2)

    def of(clean):
        found, pairs = defense.perturb(model(0), None, clean, KEY), apart(clean)
        noise = np.asarray(found.images - pairs.images).reshape(6, 5, -1)
        changed = np.any(np.asarray(found.tokens.ids != pairs.tokens.ids), axis=(1, 2))
        return noise, changed.reshape(6, 5)

    noise, changed = of(clean)
    for one in range(5):
        for other in range(one):
            assert np.all(np.abs(noise[:, one] - noise[:, other]).max(axis=1) > EPS / 2)
    # By chance all five of an image are alike with probability 1/16, of all six with 6e-8.
    assert any(0 < row.sum() < 5 for row in changed)
    order = np.array([4, 1, 5, 0, 3, 2])
    turned = of(jax.tree.map(lambda x: x[order], clean))
    np.testing.assert_array_equal(turned[0], noise[order])
    np.testing.assert_array_equal(turned[1], changed[order])


@pytest.mark.parametrize("use", ["pairs", "average"])
def test_without_partners_it_is_mat_bit_for_bit(use):
    clean, trained = batch(), model(0)
    plus = defenses.MATPlus(mat=STILL, use=use, texts=1)

    @jax.jit
    def run(model):
        ours, plain = (d.perturb(model, None, clean, KEY) for d in (plus, STILL))
        losses = (d.loss(model, None, clean, plain, KEY)[0] for d in (plus, STILL))
        return (ours.images, ours.tokens), (plain.images, plain.tokens), *losses

    ours, plain, loss, expected = run(trained)
    jax.tree.map(np.testing.assert_array_equal, ours, plain)
    np.testing.assert_array_equal(loss, expected)


def test_copies_as_partners_change_nothing():
    """Of the average: its losses and gradients are plain MAT's, on originals three times over."""
    clean = batch()
    tokens, words, present = jax.tree.map(
        lambda x: jnp.repeat(x, 3, axis=1), (clean.tokens, clean.words, clean.present)
    )
    partners = jnp.repeat(clean.images[:, None], 2, axis=1)
    more = clean._replace(tokens=tokens, words=words, present=present, partner_images=partners)
    plus = defenses.MATPlus(use="average", texts=3, images=2)

    @jax.jit
    def of(model):
        def mean(defense, one):
            return lambda m: jnp.mean(defense.loss(m, None, one, one, KEY)[0])

        return [jax.value_and_grad(mean(*x))(model) for x in ((plus, more), (STILL, clean))]

    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), *of(model(0)))


@cache
def attacked(use, partners=True):
    """Clean, attacked, and the losses' sum as a function of the attacked batch."""
    defense = defenses.MATPlus(mat=STILL, use=use, images=2, attack_partners=partners)
    clean = rich(2, 2)
    found = jax.jit(defense.perturb)(model(0), None, clean, KEY)
    value = jax.jit(lambda one: defense.loss(model(0), None, clean, one, KEY)[0].sum())
    return (apart(clean) if use == "pairs" else clean), found, value


@pytest.mark.parametrize("partners", [True, False])
@pytest.mark.parametrize("use", USES)
def test_the_maximisation_raises_the_loss_within_each_ones_ball(use, partners):
    clean, found, value = attacked(use, partners)
    both = [(clean.images, found.images)]
    if use != "pairs":
        both += [(picture(clean, n), picture(found, n)) for n in (1, 2)]
    for before, after in both:
        assert np.abs(after - before).max() <= EPS + 1e-6
        assert after.min() >= 0 and after.max() <= 1
    np.testing.assert_array_equal(found.tokens.ids, clean.tokens.ids)
    assert value(found) > value(clean) + 0.05


@pytest.mark.parametrize("use", ["average", "positives"])
def test_every_picture_does_its_part(use):
    """Put back one of them and the loss is smaller; each has noise of its own."""
    clean, found, value = attacked(use)
    worst = value(found)
    assert value(found._replace(images=clean.images)) < worst
    for n in range(2):
        back = found.partner_images.at[:, n].set(clean.partner_images[:, n])
        assert value(found._replace(partner_images=back)) < worst
    assert np.abs((found.images - clean.images) - (picture(found, 1) - picture(clean, 1))).max() > 0


@pytest.mark.parametrize("use", USES)
def test_partners_that_are_not_attacked_stay(use, monkeypatch):
    """Nor do texts: the attack here is one that changes every text it is given."""

    def change(self, model, batch, keys):
        return batch.tokens._replace(ids=batch.tokens.ids + 1)

    monkeypatch.setattr(defenses.MAT, "attack_texts", change)
    clean, mat = rich(3, 2), replace(STILL, steps=0, words=1)
    defense = defenses.MATPlus(mat=mat, use=use, images=2, attack_partners=False)
    found = defense.perturb(model(0), None, clean, KEY)
    if use == "pairs":
        same = np.all(found.images == apart(clean).images, axis=(1, 2, 3))
        assert same.reshape(6, 5).tolist() == [[False] * 3 + [True] * 2] * 6
        changed = np.all(found.tokens.ids == apart(clean).tokens.ids + 1, axis=(1, 2))
        assert changed.reshape(6, 5).tolist() == [[True, False, False, True, True]] * 6
    else:
        assert np.all(np.any(found.images != clean.images, axis=(1, 2, 3)))
        np.testing.assert_array_equal(found.partner_images, clean.partner_images)
        shift = np.asarray(found.tokens.ids - clean.tokens.ids)
        assert (shift[:, 0] == 1).all() and not shift[:, 1:].any()
    all_of_them = replace(defense, attack_partners=True).perturb(model(0), None, clean, KEY)
    expected = (apart(clean) if use == "pairs" else clean).tokens.ids + 1
    np.testing.assert_array_equal(all_of_them.tokens.ids, expected)


def test_originals_of_a_batch():
    images, texts = originals(rich(2, 1), pairs=False)
    assert images.tolist() == [True, False] * 6 and texts.tolist() == [[True, False]] * 6


def brighter(images, key):
    """An augmentation: more light, so much that some of it is lost."""
    return images + jax.random.uniform(key, (len(images), 1, 1, 1))


def test_views_are_made_of_each_image_by_its_id():
    defense = defenses.MATPlus(images=1, views=2, augment=brighter)
    one = rich(1, 1)
    clean = one._replace(images=one.images.at[:, 0].set(0.0))
    found = np.asarray(defense.extend(clean, KEY).partner_images)
    assert found.shape == (6, 3, 4, 4, 3) and found.min() >= 0 and found.max() == 1
    np.testing.assert_array_equal(found[:, :1], clean.partner_images)
    light = found[:, 1:, 0, 0, 0]  # what the black pixels have now
    assert len(np.unique(light)) == 12
    expected = np.clip(clean.images[:, None] + light[..., None, None, None], 0, 1)
    np.testing.assert_allclose(found[:, 1:], expected, atol=1e-6)
    order = np.array([3, 1, 5, 0, 2, 4])
    turned = defense.extend(jax.tree.map(lambda x: x[order], clean), KEY).partner_images
    np.testing.assert_array_equal(turned, found[order])
    other = defense.extend(clean, jax.random.key(5)).partner_images
    assert np.all(np.asarray(other)[:, 1:, 0, 0, 0] != light)
    plain = defenses.MATPlus()
    assert plain.extend(clean, KEY) is clean


def test_views_by_rand_augment_are_partner_pictures_made_apart():
    # The l2 norm: a sign would magnify what the programs differ by in the last digit.
    mat = defenses.MAT(eps=0.6, steps=2, norm="l2", words=0)
    clean = batch()

    @partial(jax.jit, static_argnums=0)
    def trained_on(defense, one):
        one = defense.extend(one, KEY)
        attacked = defense.perturb(model(0), None, one, KEY)
        return one.partner_images, defense.loss(model(0), None, one, attacked, KEY)[0]

    in_step = defenses.MATPlus(mat, texts=1, views=2, augment=rand_augment)
    views, losses = trained_on(in_step, clean)
    assert views.min() >= 0 and views.max() <= 1 and np.isfinite(losses).all()
    # A key for each image, from its id, and of that one for each of its views.
    apart = [
        rand_augment(image[None], jax.random.fold_in(jax.random.fold_in(KEY, own), n))
        for own, image in zip(clean.ids, clean.images, strict=True)
        for n in (0, 1)
    ]
    apart = jnp.stack(apart).reshape(views.shape)
    np.testing.assert_allclose(views, apart, atol=1e-6)
    plain = jnp.repeat(clean.images[:, None], 2, axis=1)
    assert np.mean(np.abs(views - plain).max(axis=(2, 3, 4)) > 0.01) > 0.5
    given = defenses.MATPlus(mat, texts=1, images=2)
    as_given, unchanged = (
        trained_on(given, clean._replace(partner_images=pictures))[1] for pictures in (apart, plain)
    )
    np.testing.assert_allclose(losses, as_given, rtol=1e-5)
    assert np.abs(losses - unchanged).max() > 1e-3


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda: defenses.MATPlus(images=-1), "images=-1, views=0: give 0 or more"),
        (lambda: defenses.MATPlus(views=2), "do not go together"),
        (lambda: defenses.MATPlus(augment=brighter), "do not go together"),
        (
            lambda: defenses.MATPlus(images=2).perturb(model(0), None, rich(1, 1), KEY),
            "trains on 2 partner pictures an image and the batch has 1",
        ),
        (
            lambda: defenses.MATPlus(views=1, augment=brighter).loss(
                model(0), None, batch(), batch(), KEY
            ),
            "trains on 1 partner pictures an image and the batch has 0",
        ),
    ],
)
def test_what_cannot_be(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


@pytest.mark.parametrize("use", ["positives", "pairs"])
def test_eight_devices_do_what_one_does(use):
    """A whole step of two updates with views; the text attack of each device's part by itself."""
    defense = defenses.MATPlus(
        mat=defenses.MAT(eps=EPS, words=int(use == "pairs"), replays=2),
        use=use,
        images=1,
        views=1,
        augment=brighter,
    )
    eight = jax.tree.map(
        lambda a, b: jnp.concatenate([a, b])[:8], rich(2, 1), rich(2, 1, seed=1)
    )._replace(ids=jnp.arange(20, 28, dtype=jnp.int32))
    ends = on_one_and_on_eight(defense, model(0), eight)
    assert ends.apart < 1e-5 < ends.moved
    # With words, some are replaced; both sides would agree on none too.
    assert (float(ends.metrics["captions_changed"]) > 0) == (use == "pairs")


def test_albef_never_matches_with_a_partner_of_the_same_image():
    """Its loss is the contrastive one and the mean matching loss of the pairs that belong."""
    bert = models.BertConfig(vocab_size=40, length=6, width=8, layers=2, heads=2)
    vit = models.ViTConfig(width=8, layers=1, heads=2)
    albef = models.files.build(models.ALBEFConfig(16, 8, vit, bert, first_fusion=1, embed=8), 0)
    ids = jax.random.randint(KEY, (4, 2, 6), 5, 40)
    clean = Batch(
        jnp.arange(4),
        jax.random.uniform(KEY, (4, 16, 16, 3)),
        Tokens(ids, jnp.ones(ids.shape, bool)),
        jnp.ones((4, 2), bool),
        partner_images=jax.random.uniform(jax.random.key(1), (4, 1, 16, 16, 3)),
    )

    @jax.jit
    def terms(model, one):
        total, _ = mixed_losses(model, one, one, KEY, together=True)
        first, second = map(some, encode_images(model, one))
        texts = some(encode_texts(model, one.tokens).features)
        pairs = [(first, texts[0]), (first, texts[1]), (second, texts[0])]
        keys = [KEY, jax.random.fold_in(KEY, 1), jax.random.fold_in(KEY, 2)]
        matched = [
            matching_loss(model, *pair, key, one.ids) for pair, key in zip(pairs, keys, strict=True)
        ]
        own = [matches(model.match_logits(model.fuse(*pair)), 1) for pair in pairs]
        seen, said = (jnp.stack([x.embed for x in both], 1) for both in ((first, second), texts))
        compared = many_to_many(seen, said, model.scale, one.ids)
        return total, compared, sum(matched) / 3, sum(own) / 3

    total, compared, matched, _ = terms(albef, clean)
    np.testing.assert_allclose(total, compared + matched, rtol=1e-5)
    # Nothing is left to be wrong where all is of one image.
    total, compared, _, own = terms(albef, clean._replace(ids=jnp.full(4, 7)))
    assert not np.any(compared)
    np.testing.assert_allclose(total, own / 3, rtol=1e-5)


def test_a_captioner_writes_of_every_picture():
    """A stand-in that reads the picture and the text: five tokens of seven words."""
    table = jax.random.normal(KEY, (2, 3, 5, 7))  # by picture, by first id
    captioner = SimpleNamespace(
        caption_logits=lambda image, text: table[image.embed[:, 0].astype(int), text.ids[:, 0]],
        encode_image=lambda images: images,  # asked nowhere: the pictures come encoded
    )
    texts = [Tokens(jnp.full((4, 5), m), jnp.ones((4, 5), bool)) for m in range(3)]
    images = [ImageFeatures(jnp.zeros((4, 1, 1)), jnp.full((4, 1), float(n))) for n in range(2)]
    found = compare(captioner, images, Texts(texts, None), batch(), together=True)
    pairs = [(0, 0), (0, 1), (0, 2), (1, 0)]
    expected = [captioning(jnp.repeat(table[n, m][None], 4, 0), texts[m]) for n, m in pairs]
    np.testing.assert_allclose(found, sum(expected) / 4, rtol=1e-5)
