"""DRA, SA-AET, VLP-attack, the fused attacks and MMCoA's equal their plain readings in torch."""

import functools
import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from scipy import stats

from mat_jax import attacks
from mat_jax.attacks.dra import MIX, weights
from mat_jax.attacks.sa_aet import shared_direction
from mat_jax.attacks.vlp import drawn_pairs
from tests.attacks.plain import Plain, kl, nce, shrink
from tests.attacks.toy import Toy, assert_within, gallery_of, toy_batch
from tests.tools.narrow import some

KEY, STEPS, EPS = 0, 4, 4 / 255
THREAT = attacks.ThreatModel(eps=EPS, steps=STEPS)
MASKS = {"strict": (), "official": (3, 4)}
plain = Plain(Toy())
both = pytest.mark.parametrize("preset", ["strict", "official"])


@functools.cache
def run(name, preset):
    call = attacks.compile_attack(
        attacks.ATTACKS[name].function, Toy(), threat=THREAT, preset=preset
    )
    for seed in (1, 0):
        batch = toy_batch(seed=seed)
        adv = call(batch, jax.random.key(KEY))
        assert_within(THREAT, batch, adv)
    return adv


def read():
    """Images, captions and options of the batch, as lists."""
    batch = toy_batch()
    words = some(batch.words)
    cleans = [torch.tensor(x) for x in batch.images]
    captions, options = [], []
    for i in range(len(cleans)):
        real = np.flatnonzero(batch.present[i])
        captions.append([[int(w) for w in words.parts[i, m, :, 0]] for m in real])
        options.append(
            [
                [
                    [int(s) for s, n in zip(row[:, 0], sizes, strict=True) if n]
                    for row, sizes in zip(
                        words.substitutes[i, m], words.substitute_lengths[i, m],
                        strict=True,
                    )
                ]
                for m in real
            ]
        )  # fmt: skip
    return batch, cleans, captions, options


def words_of(adv, i, m):
    """The ids of an attacked caption without start, end and padding."""
    ids = np.asarray(adv.tokens.ids[i, m])
    return [int(w) for w in ids[1 : list(ids).index(2)]]


def assert_same_image(ours, theirs):
    """Equal but for pixels whose gradient is so small that rounding decides its sign."""
    difference = np.abs(np.asarray(ours) - theirs.detach().numpy())
    assert np.mean(difference < 2e-6) > 0.98, difference.max()
    assert difference.max() <= 2 * EPS + 1e-6


def once_of(identity):
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(KEY), identity), 0)


def start_of(image, identity, one_sided=False):
    low = 0.0 if one_sided else -EPS
    key = jax.random.fold_in(once_of(identity), 0)
    start = image + jax.random.uniform(key, image.shape, minval=low, maxval=EPS)
    return torch.tensor(np.asarray(start if one_sided else jnp.clip(start, 0, 1)))


def noise_of(key, shape):
    draws = [jax.random.normal(jax.random.fold_in(key, view + 1), shape) for view in range(4)]
    return torch.tensor(np.asarray(0.05 * jnp.stack(draws)))


@pytest.mark.parametrize(
    ("name", "preset"), [("dra", "strict"), ("dra", "official"), ("sa_aet", "official")]
)
def test_dra_and_sa_aet(name, preset):
    batch, cleans, captions, options = read()
    adv, official, mask = run(name, preset), preset == "official", MASKS[preset]
    ordered, axis = name == "sa_aet", None
    if ordered:
        rows = torch.stack([plain.unit_text(w) for own in captions for w in own])
        axis = torch.linalg.svd(rows.T)[0][:, 0]
    shape = batch.images.shape[1:]
    shares = []
    for step in range(STEPS):
        keys = [
            jax.random.fold_in(jax.random.key(KEY), step)
            if official
            else jax.random.fold_in(jax.random.fold_in(once_of(i), step + 1), 0)
            for i in batch.ids
        ]
        shares.append([np.asarray(weights(key, 5, ordered=ordered)).tolist() for key in keys])
    noises = [
        [noise_of(jax.random.fold_in(once_of(i), step + 1), shape) for step in range(STEPS)]
        for i in batch.ids
    ]
    guides = [plain.unit_image(x) for x in cleans]
    first = [
        [plain.away_from(w, o, guides[i], mask=mask) for w, o in zip(c, os, strict=True)]
        for i, (c, os) in enumerate(zip(captions, options, strict=True))
    ]
    starts = [start_of(x, i) for x, i in zip(batch.images, batch.ids, strict=True)]
    theirs, previous = plain.dra(
        cleans, first, starts, noises, shares,
        eps=EPS, size=EPS / 4, official=official, axis=axis,
    )  # fmt: skip
    for i, (found, before) in enumerate(zip(theirs, previous, strict=True)):
        assert_same_image(adv.images[i], found)
        three = (guides[i], plain.unit_image(found), plain.unit_image(before))
        guide = sum(share * one for share, one in zip(MIX, three, strict=True))
        for m, (w, o) in enumerate(zip(captions[i], options[i], strict=True)):
            assert words_of(adv, i, m) == plain.away_from(w, o, guide, mask=mask)


def drawn_by_hand(draw, ordered):
    """The released loop, in percent."""
    while True:
        a = draw.randint(1, 100)
        a, b = (a, draw.randint(1, 100 - a)) if a < 99 else (98, 1)
        c = 100 - a - b
        if c and (not ordered or a < c < b):
            return a, b, c


@pytest.mark.parametrize("ordered", [False, True])
def test_weights_are_drawn_as_in_the_released_loop(ordered):
    many, draw = 2000, random.Random(0)
    ours = 100 * np.asarray(weights(jax.random.key(1), many, ordered=ordered))
    theirs = np.array([drawn_by_hand(draw, ordered) for _ in range(many)])
    np.testing.assert_allclose(ours.sum(1), 100, atol=1e-3)
    for column in range(3):
        assert stats.ks_2samp(ours[:, column].round(), theirs[:, column]).pvalue > 1e-3


def test_the_shared_direction_is_the_first_left_singular_vector():
    rows = np.random.RandomState(0).randn(30, 6).astype(np.float32) + 1
    ours = np.asarray(shared_direction(jnp.asarray(rows)))
    theirs = np.linalg.svd(rows.T)[0][:, 0]
    np.testing.assert_allclose(abs(ours @ theirs), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "preset"),
    [
        pytest.param("vlp_attack", "strict", marks=pytest.mark.slow),
        ("vlp_attack", "official"),
        ("sa_aet", "strict"),
    ],
)
def test_with_a_gallery_the_batch_does_not_matter(name, preset):
    """Image by image, beside strangers, and all at once: the same pixels and words."""
    batch = jax.tree.map(jnp.asarray, toy_batch())
    more = gallery_of(batch)
    call = attacks.compile_attack(
        attacks.ATTACKS[name].function, Toy(), threat=THREAT, preset=preset
    )
    whole = call(batch, jax.random.key(KEY), **more)
    assert attacks.ATTACKS[name].gallery
    for chosen in ([1, 0], [0, 2, 2, 1]):
        part = jax.tree.map(lambda x, chosen=chosen: x[np.array(chosen)], batch)
        found = call(part, jax.random.key(KEY), **more)
        # Rounding may decide the sign of a gradient that is nearly zero.
        apart = np.abs(np.asarray(found.images) - np.asarray(whole.images)[chosen]) > 1e-6
        assert np.mean(apart) < 5e-3
        np.testing.assert_array_equal(found.choice, np.asarray(whole.choice)[chosen])


def test_the_negative_is_another_image_each_as_likely():
    gallery = gallery_of(jax.tree.map(jnp.asarray, toy_batch()))["gallery"]
    ids = jnp.broadcast_to(gallery.image_ids[0], (3000,))
    keys = jax.random.split(jax.random.key(0), 3000)
    images, texts, alone = drawn_pairs(gallery, ids, keys)
    assert not alone.any()
    rows = np.argmax(images @ gallery.images.T, axis=1)
    counts = np.bincount(rows, minlength=len(gallery.images))
    expected = 3000 / (len(gallery.images) - 1)
    assert counts[0] == 0 and np.abs(counts[1:] - expected).max() < 5 * expected**0.5
    firsts = [list(gallery.text_ids).index(i) for i in gallery.image_ids]
    np.testing.assert_array_equal(texts, gallery.texts[np.array(firsts)[rows]])


@both
def test_vlp_attack(preset):
    batch, cleans, captions, options = read()
    adv, official = run("vlp_attack", preset), preset == "official"
    side = batch.images.shape[1]

    def views(i):
        noise = noise_of(jax.random.fold_in(jax.random.key(KEY), batch.ids[i]), (side, side, 3))
        found, cubic = [cleans[i]], {"mode": "bicubic", "align_corners": False}
        for view, scale in enumerate((0.5, 0.75, 1.25, 1.5)):
            small = (cleans[i] + noise[view]).permute(2, 0, 1)[None]
            small = torch.nn.functional.interpolate(small, size=[int(scale * side)] * 2, **cubic)
            back = torch.nn.functional.interpolate(small.clamp(0, 1), size=[side] * 2, **cubic)
            found.append(back[0].permute(1, 2, 0))
        return [plain.unit_image(x) for x in found]

    seen = [views(i) for i in range(len(cleans))]
    for i, clean in enumerate(cleans):
        far_image, far_text = seen[i - 1][0], plain.unit_text(captions[i - 1][0])

        def attacked(near, far=far_image, i=i):
            return [
                plain.walk(
                    w, o,
                    lambda edit: nce(plain.unit_text(edit), near, far),
                    lambda edit, w=w: kl(plain.unit_text(w), plain.unit_text(edit)),
                    mask=MASKS[preset],
                )
                for w, o in zip(captions[i], options[i], strict=True)
            ]  # fmt: skip

        first = attacked(seen[i])
        around = [plain.unit_text(w) for w in (*captions[i], *first)]

        def loss(x, i=i, far=far_image, around=around, far_text=far_text):
            image = plain.unit_image(x)
            return nce(image, seen[i], far) + nce(image, around, far_text)

        def gradient(x, step, i=i, loss=loss):
            total = 0
            for copy in range(7):
                key = jax.random.fold_in(jax.random.fold_in(once_of(batch.ids[i]), step + 1), copy)
                often, size, down, right = np.asarray(jax.random.uniform(key, (4,)))
                scale = 0.9 + 0.1 * size
                room = side * (1 - scale)
                rows, columns = (shrink(side, scale, np.floor(room * at)) for at in (down, right))
                moved = torch.einsum("yh,hwc->ywc", rows, x)
                moved = torch.einsum("xw,ywc->yxc", columns, moved)
                total = total + loss(moved if often < 0.5 else x) / 7
            return total

        start = start_of(batch.images[i], batch.ids[i], one_sided=official)
        theirs = plain.ascend(
            clean, start, loss,
            eps=EPS, size=EPS / 10, steps=STEPS, official=official, gradient=gradient, decay=1.0,
        )  # fmt: skip
        assert_same_image(adv.images[i], theirs)
        after = attacked([*seen[i][1:], plain.unit_image(theirs)])
        assert [words_of(adv, i, m) for m in range(len(after))] == after


@both
def test_co_attack_fused(preset):
    batch, cleans, captions, options = read()
    adv, official = run("co_attack_fused", preset), preset == "official"
    for i, clean in enumerate(cleans):
        texts = []
        for m, (w, o) in enumerate(zip(captions[i], options[i], strict=True)):
            before = plain.fused(clean, w)

            def far(edit, before=before, clean=clean):
                return kl(before, plain.fused(clean, edit))

            texts.append(plain.walk(w, o, far, far, mask=MASKS[preset]))
            assert words_of(adv, i, m) == texts[-1]
        pairs = list(zip(captions[i], texts, strict=True))
        pairs = pairs[-1:] if official else pairs

        def loss(x, clean=clean, pairs=pairs):
            total = 0
            for w, edit in pairs:
                now = plain.fused(x, edit)
                total = (
                    total + kl(plain.fused(clean, edit), now) + 3 * kl(plain.fused(clean, w), now)
                )
            return total / len(pairs)

        start = start_of(batch.images[i], batch.ids[i], one_sided=official)
        size = (1.25 if official else 2.5) * EPS / STEPS
        theirs = plain.ascend(
            clean, start, loss, eps=EPS, size=size, steps=STEPS, official=official
        )
        assert_same_image(adv.images[i], theirs)


@both
def test_match_attack(preset):
    batch, cleans, captions, options = read()
    adv, official = run("match", preset), preset == "official"
    for i, clean in enumerate(cleans):

        def attacked(x, i=i):
            def worse(edit):
                return -plain.score(x, edit)

            pairs = zip(captions[i], options[i], strict=True)
            return [plain.walk(w, o, worse, worse, mask=MASKS[preset]) for w, o in pairs]

        first = attacked(clean)

        def loss(x, first=first):
            return -sum(plain.score(x, words) for words in first)

        theirs = plain.ascend(
            clean, start_of(batch.images[i], batch.ids[i]), loss,
            eps=EPS, size=EPS / 4, steps=STEPS, official=official,
        )  # fmt: skip
        assert_same_image(adv.images[i], theirs)
        after = attacked(theirs)
        assert [words_of(adv, i, m) for m in range(len(after))] == after


@pytest.mark.parametrize(
    ("name", "preset"), [("mmcoa", "strict"), ("mmcoa", "official"), ("mmcoa_joint", "strict")]
)
def test_mmcoa(name, preset):
    batch, cleans, captions, options = read()
    labels = np.array([1, 0, 2, 1], np.int32)
    # The three captions of image 2 serve as class prompts.
    one = jax.tree.map(lambda x: x[2:3], batch)
    classes = one._replace(ids=batch.ids, images=batch.images)
    official = preset == "official"
    call = attacks.compile_attack(
        attacks.ATTACKS[name].function, Toy(), threat=THREAT, preset=preset
    )
    adv = call(classes._replace(labels=labels), jax.random.key(KEY))
    prompts = []
    for c, (w, o) in enumerate(zip(captions[2], options[2], strict=True)):

        def far(edit, w=w):
            return kl(plain.unit_text(w), plain.unit_text(edit))

        prompts.append(plain.walk(w, o, far, far, mask=MASKS[preset]))
        assert words_of(adv, 0, c) == prompts[-1]
    used = captions[2] if official and name == "mmcoa" else prompts
    table = torch.stack([plain.unit_text(w) for w in used])
    for i, clean in enumerate(cleans):
        label = torch.tensor([int(labels[i])])

        def supervised(x, label=label):
            logits = 10.0 * (table @ plain.unit_image(x))
            return torch.nn.functional.cross_entropy(logits[None], label)

        def joint(x, clean=clean, label=label):
            image = plain.unit_image(x)
            return kl(plain.unit_image(clean), image) + 3 * kl(table[label[0]], image)

        theirs = plain.ascend(
            clean, start_of(batch.images[i], batch.ids[i]),
            supervised if name == "mmcoa" else joint,
            eps=EPS, size=EPS if official else 2.5 * EPS / STEPS, steps=STEPS, official=official,
        )  # fmt: skip
        assert_same_image(adv.images[i], theirs)


def test_prompts_for_each_image_are_refused_in_one_sentence():
    with pytest.raises(ValueError, match="expected one row of class prompts"):
        attacks.mmcoa_text_attack(Toy(), toy_batch(), jax.random.key(0), threat=THREAT)
