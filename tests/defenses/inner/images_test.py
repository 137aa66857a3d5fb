"""What the defences maximise rises; what they do not train stays; MAT's strategies."""

from dataclasses import replace
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mat_jax import defenses
from mat_jax.attacks.objectives import info_nce
from mat_jax.data.substitutes.characters import CHARACTERS
from mat_jax.defenses.inner.images import (
    WithCleanTexts,
    against_texts,
    away_from_texts,
    far_from_clean,
    kl_from_clean,
)
from mat_jax.defenses.inner.strategy import some
from mat_jax.defenses.losses.contrastive import many_to_many
from mat_jax.defenses.trainable_parts import belongs
from mat_jax.train import mesh, state
from mat_jax.train.step import compile_step
from mat_jax.types.arrays import Tokens
from tests.defenses.linear import LABELS, batch, model, moved, prompts

KEY = jax.random.key(4)
PROMPTS = prompts()
MODEL, ORIGINAL = model(0), model(1)
EPS = 0.1


@cache
def attacked(defense, captions=1):
    """The batch after the inner maximisation: several tests ask for the same."""
    return jax.jit(defense.perturb)(MODEL, ORIGINAL, batch(captions), KEY)


def unit(x):
    x = np.asarray(x, np.float64)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def image(found, m=MODEL):
    return np.asarray(m.encode_image(found.images).embed, np.float64)


def text(tokens, m=MODEL):
    """[batch, captions, embed]"""
    each = [
        m.encode_text(jax.tree.map(lambda x, i=i: x[:, i], tokens)).embed
        for i in range(tokens.ids.shape[1])
    ]
    return np.stack(each, axis=1).astype(np.float64)


def classes(clean, found):
    """Cross-entropy of the true class, which TeCoA's family climbs."""
    logits = float(MODEL.scale) * unit(image(found)) @ unit(PROMPTS.units(MODEL)).T
    return np.log(np.exp(logits).sum(1)) - logits[np.arange(len(logits)), LABELS]


def fare(clean, found):
    return ((image(found) - image(clean, ORIGINAL)) ** 2).sum(1)


def mava(clean, found):
    """CMS + VSSE at the image itself, the neighbours being noise around it."""
    f, target = unit(image(found)), unit(image(clean, ORIGINAL))
    cosines = (f[:, None] * unit(text(clean.tokens, ORIGINAL))).sum(-1)
    return -cosines.mean(1) + ((f - target) ** 2).sum(1)


def nce(found, tokens):
    """The sum over the batch, all captions, as PGD climbs it."""
    embed = MODEL.encode_image(found.images).embed
    texts = text(tokens).swapaxes(0, 1).astype(np.float32)
    losses = [info_nce(embed, jnp.asarray(one), MODEL.scale, found.ids) for one in texts]
    return np.asarray(sum(losses)) / len(losses)


def qt_aft(clean, found):
    logits = float(MODEL.scale) * unit(image(found)) @ unit(text(clean.tokens)[:, 0]).T
    return fare(clean, found) + 10 * (np.log(np.exp(logits).sum(1)) - np.diagonal(logits))


def itr(clean, found):
    return nce(found, found.tokens)


def leaf(clean, found):
    return ((text(found.tokens)[:, 0] - text(clean.tokens, ORIGINAL)[:, 0]) ** 2).sum(1)


def all_texts(clean, found):
    embeds = jnp.asarray(text(found.tokens), jnp.float32)
    pictures = jnp.float32(image(found))[:, None]
    return np.asarray(many_to_many(pictures, embeds, MODEL.scale, clean.ids))


PGD = {"eps": EPS, "steps": 8, "step_size": EPS / 4}
STILL = defenses.MAT(**PGD, words=0)  # compiling a text attack takes seconds
CLIMBS = {
    "mat": (defenses.MAT(**PGD), itr),
    "tecoa": (defenses.TeCoA(PROMPTS, **PGD), classes),
    "tecoa_itr": (defenses.TeCoAITR(**PGD), itr),
    "fare": (defenses.FARE(**PGD), fare),
    "leaf": (defenses.LEAF(), leaf),
    "fare_leaf": (defenses.FARELEAF(defenses.FARE(**PGD)), lambda *x: fare(*x) + leaf(*x)),
    "mmcoa": (defenses.MMCoA(PROMPTS, **PGD, words=0), classes),
    "pmg_aft": (defenses.PMGAFT(PROMPTS, **PGD), classes),
    "tga_zsr": (defenses.TGAZSR(PROMPTS, **PGD), classes),
    "sim_clip": (defenses.SimCLIP(**PGD), fare),
    "qt_aft": (defenses.QTAFT(**PGD), qt_aft),
    "mava": (defenses.MAVA(**PGD, texts=2), mava),
    "mava_trajectory": (defenses.MAVA(**PGD, texts=2, neighbours="trajectory"), mava),
    "mava_released": (
        defenses.MAVA(**PGD, texts=2, neighbours="trajectory", attack="nesterov"),
        mava,
    ),
    "mat_plus": (defenses.MATPlus(mat=STILL, texts=2), all_texts),
}
# The weights that a defence trains; of the others, which have one tower, the image's.
BOTH = ("mat", "tecoa_itr", "mmcoa", "mat_plus", "fare_leaf", "fine_tune")


def batch_of(defense, seed=0):
    """As many captions as it asks for, and for LEAF's two, edits in the place of substitutes."""
    found = batch(getattr(defense, "texts", 1), seed)
    if not isinstance(defense, defenses.LEAF | defenses.FARELEAF):
        return found
    rng = np.random.default_rng(seed)
    table = found.words
    assert table is not None
    shape = *table.lengths.shape, 2 * len(CHARACTERS)
    edits = jnp.asarray(rng.integers(3, 30, (*shape, 1)).astype(np.int32))
    lengths = jnp.ones(shape, jnp.int32)
    words = table._replace(substitutes=edits, substitute_lengths=lengths)
    return found._replace(words=words)


def test_every_defence_is_here():
    """`MaskedWords` has a file of its own. On `Defense` and `ImageDefense` others are built."""
    exported = {name for name, one in vars(defenses).items() if hasattr(one, "perturb")}
    here = {type(defense).__name__ for defense, _ in CLIMBS.values()}
    assert here | {"Defense", "FineTune", "ImageDefense", "MaskedWords"} == exported
    clean = batch()
    assert defenses.FineTune().perturb(MODEL, None, clean, KEY) is clean


@pytest.mark.parametrize("name", CLIMBS)
def test_the_maximisation_raises_its_objective(name):
    defense, objective = CLIMBS[name]
    maximise = jax.jit(defense.perturb)
    for seed in (0, 1):
        clean = batch_of(defense, seed)
        found = maximise(MODEL, ORIGINAL, clean, KEY)
        assert np.abs(found.images - clean.images).max() <= EPS + 1e-6
        assert found.images.min() >= 0 and found.images.max() <= 1
        assert np.any(found.tokens.ids != clean.tokens.ids) == bool(defense.words)
        assert objective(clean, found).sum() > objective(clean, clean).sum() + 0.05


OTHERS = {"vision": replace(STILL, part="vision"), "fine_tune": defenses.FineTune()}


@pytest.mark.parametrize("name", [*CLIMBS, *OTHERS])
def test_what_does_not_train_stays_bit_for_bit(name):
    defense = CLIMBS[name][0] if name in CLIMBS else OTHERS[name]
    layout, weights = state.flatten(MODEL)
    optimizer = optax.sgd(1e-2)
    begin = state.create(weights, optimizer, defense.trains, 0)
    reference = state.flatten(ORIGINAL)[1]
    frozen, trained = jax.tree.map(np.array, (begin.frozen, begin.trained))
    step = compile_step(layout, defense, optimizer, mesh.make(1), begin)
    clean, end, metrics = batch_of(defense), begin, {}
    for _ in range(2):
        end, metrics = step(end, reference if defense.needs_reference else None, clean)
    assert np.isfinite(metrics["loss"]) and metrics["grad_norm"] > 0
    jax.tree.map(np.testing.assert_array_equal, end.frozen, frozen)
    assert all(np.any(np.asarray(leaf) != trained[key]) for key, leaf in end.trained.items())
    assert ("text.weights" in end.trained) == (name in (*BOTH, "leaf"))
    assert ("vision.weights" in end.trained) == (name != "leaf")


def test_the_two_attacks_of_mmcoa_are_apart():
    """No caption decides what becomes of an image, no image what becomes of a caption."""
    maximise = jax.jit(defenses.MMCoA(PROMPTS, **PGD).perturb)
    clean, other = batch(), batch(seed=3)
    found, new_images, new_texts = (
        maximise(MODEL, None, one, KEY)
        for one in (
            clean,
            clean._replace(images=other.images),
            clean._replace(tokens=other.tokens, words=other.words),
        )
    )
    np.testing.assert_array_equal(found.tokens.ids, new_images.tokens.ids)
    np.testing.assert_array_equal(found.images, new_texts.images)
    assert np.any(found.tokens.ids != clean.tokens.ids)
    half = defenses.MMCoA(PROMPTS, words=0, image_weight=0.0).perturb(MODEL, None, clean, KEY)
    np.testing.assert_array_equal(half.images, clean.images)


def test_mat_plus_attacks_every_text():
    found = attacked(defenses.MATPlus(mat=defenses.MAT(steps=0, eps=EPS), texts=2), 2)
    changed = np.sum(found.tokens.ids != batch(2).tokens.ids, axis=-1)
    assert changed.max() == 1 and changed.mean(axis=0).min() > 0.5


def test_the_trajectory_of_mava_ends_in_the_mean_of_its_last_points():
    """N = 0 is PGD's last point; with N, the mean of what 1, 2 ... fewer steps give."""
    walk = partial(defenses.MAVA, eps=EPS, step_size=EPS / 4, neighbours="trajectory")
    points = [attacked(walk(steps=n, count=0)).images for n in (2, 3)]
    mean = attacked(walk(steps=3, count=1)).images
    np.testing.assert_allclose(mean, np.mean(points, axis=0), atol=1e-6)


# A ball so large that it matters to a text which image it is up against.
MAT = partial(defenses.MAT, eps=0.5, steps=4)


def mat(**settings):
    return attacked(MAT(strategy=defenses.Strategy(**settings)))


def test_the_orders_of_mat():
    """Independent attacks: each half is that of the order in which it comes first."""
    text_first, image_first = mat(), mat(order=("image", "text"))
    apart = mat(against="clean")
    np.testing.assert_array_equal(apart.images, image_first.images)
    np.testing.assert_array_equal(apart.tokens.ids, text_first.tokens.ids)
    assert np.any(apart.images != text_first.images)
    # The text that comes second turns from the attacked image.
    cosines = [
        (unit(image(image_first)) * unit(text(tokens)[:, 0])).sum(1)
        for tokens in (image_first.tokens, text_first.tokens)
    ]
    assert np.all(cosines[0] <= cosines[1] + 1e-6) and np.any(cosines[0] < cosines[1] - 1e-3)


def test_a_second_round_answers_the_first():
    """An image attacked again, from the clean one, is up against the text that answered it."""
    first, second = mat(order=("image", "text")), mat(order=("image", "text", "image"))
    np.testing.assert_array_equal(second.tokens.ids, first.tokens.ids)
    assert nce(second, second.tokens).sum() > nce(first, second.tokens).sum()


def kl(p, q):
    p, q = (np.exp(x) / np.exp(x).sum(1, keepdims=True) for x in (p, q))
    return (p * np.log(p / q)).sum(1)


OBJECTIVES = {
    against_texts: lambda clean, found: nce(found, found.tokens),
    away_from_texts: lambda clean, found: (
        -(unit(image(found)) * unit(text(found.tokens)[:, 0])).sum(1)
    ),
    kl_from_clean: lambda clean, found: kl(unit(image(clean)), unit(image(found))),
    far_from_clean: lambda clean, found: ((image(found) - image(clean)) ** 2).sum(1),
    WithCleanTexts(): lambda clean, found: nce(found, found.tokens) + nce(found, clean.tokens),
}


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_image_climbs_the_objective_it_is_given(objective):
    clean, value = batch(), OBJECTIVES[objective]
    elsewhere = moved(clean)

    @jax.jit
    def of(model, clean, found):
        return objective(model, clean, found.tokens)(model.encode_image(found.images))

    values = of(MODEL, clean, elsewhere)
    # A divergence of 1e-5 is a sum of differences of shares of 0.1, which float32 rounds at 1e-8.
    np.testing.assert_allclose(values, value(clean, elsewhere), rtol=1e-5, atol=5e-9)
    # Of no caption (one in a billion), so that what the images climb is known.
    strategy = defenses.Strategy(objective=objective, share=1e-9)
    found = attacked(defenses.MAT(**PGD, strategy=strategy))
    before = value(clean, clean).sum()
    assert value(clean, found).sum() > before + 0.01 * abs(before)


def farthest(clean, every):
    """BERT-Attack up KL, written out: the best change of the most important word, or of any."""
    rows = np.asarray(MODEL.text.weights, np.float64)

    def apart(words, changed):
        """KL of a caption and of others, each a list of words."""
        read = [unit(rows[[1, *one, 2]].sum(0)) for one in (words, *changed)]
        return kl(np.stack(read[:1]), np.stack(read[1:]))

    def change(words, table):
        important = np.argmax(apart(words, [np.delete(words, w) for w in range(3)]))
        changed = []
        for w in range(3) if every else [important]:
            changed += [[*words[:w], new, *words[w + 1 :]] for new in table[w]]
        return changed[np.argmax(apart(words, changed))]

    parts, substitutes = (np.asarray(x) for x in (clean.words.parts, clean.words.substitutes))
    each = zip(parts[:, 0, :, 0], substitutes[:, 0, :, :, 0], strict=True)
    return [change(words, table) for words, table in each]


@pytest.mark.parametrize(
    "defense, every",
    [
        (defenses.MMCoA(PROMPTS, image_weight=0.0), False),
        (defenses.MAT(steps=0, text_objective="kl"), False),
        (defenses.MAT(steps=0, text_objective="kl", search="every"), True),
    ],
    ids=["mmcoa", "mat", "mat of every word"],
)
def test_the_text_goes_as_far_from_the_caption_as_its_search_allows(defense, every):
    maximise = jax.jit(defense.perturb)
    for seed in range(3):
        clean = batch(seed=seed)
        found = maximise(MODEL, None, clean, KEY).tokens.ids[:, 0, 1:4]
        np.testing.assert_array_equal(found, farthest(clean, every))


def test_a_share_of_the_captions_is_attacked():
    clean = Tokens(jnp.zeros((400, 2, 3), jnp.int32), jnp.ones((400, 2, 3), bool))
    new = clean._replace(ids=clean.ids + 1)

    def drawn(seed: int) -> np.ndarray:
        keys = jax.random.split(jax.random.key(seed), 400)
        return np.asarray(some(new, clean, keys, 0.3).ids)[..., 0]

    one, two = drawn(0), drawn(1)
    # 800 draws: four standard deviations.
    assert abs(one.mean() - 0.3) < 4 * (0.3 * 0.7 / 800) ** 0.5
    assert np.any(one != two) and np.any(one[:, 0] != one[:, 1])
    assert some(new, clean, jax.random.split(KEY, 400), 1.0) is new


def test_the_parts_of_a_model():
    names = ["vision", "vision_proj", "text", "text_proj", "itm_head", "logit_scale"]
    chosen = {
        part: [name for name in names if belongs((name, "kernel"), part)]
        for part in ("all", "vision", "text", "projections")
    }
    assert chosen == {
        "all": names,
        "vision": names[:2],
        "text": names[2:4],
        "projections": ["vision_proj", "text_proj"],
    }


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda: defenses.Pairs(both=0.0), "learns nothing"),
        (lambda: defenses.Strategy(order=()), "must be moves"),
        (lambda: defenses.Strategy(share=1.5), "a share of the captions"),
        (lambda: defenses.MATPlus(texts=0), "leaves no text"),
        (
            lambda: defenses.MATPlus(mat=MAT(strategy=defenses.Strategy(objective=kl_from_clean))),
            "leave mat.strategy.objective",
        ),
        (lambda: defenses.MAVA(count=0), "expected 1 or more"),
        (lambda: defenses.MAVA(attack="nesterov", steps=0), "leaves nothing"),
        (lambda: defenses.MAVA(count=10, neighbours="trajectory"), "as many steps"),
        (lambda: defenses.MMCoA(PROMPTS, image_weight=0.0, text_weight=0.0), "learn nothing"),
        (
            lambda: defenses.MAT(words=0, strategy=defenses.Strategy(order=("text",))),
            "leave nothing to attack",
        ),
        (lambda: defenses.Prompts(("one",)), "make no choice"),
        (
            lambda: defenses.Prompts(("one", "two")).require(np.array([0, 2]), "pets"),
            "the labels of 'pets' run from 0 to 2, and there are 2 prompts: give one a class",
        ),
        (lambda: defenses.Prompts(("one", "two")).require(None, "pets"), "'pets' has no labels"),
        (lambda: defenses.Prompts(("one", "two")).units(MODEL), "no tokens yet"),
        (
            lambda: defenses.TeCoA(PROMPTS).perturb(
                MODEL, None, batch()._replace(labels=None), KEY
            ),
            "no labels",
        ),
    ],
)
def test_settings_that_cannot_be(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()
