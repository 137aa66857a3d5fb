"""In which order the moves of MAT come and what each sees, with attacks that only leave a mark."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mat_jax import defenses
from mat_jax.defenses import mat
from mat_jax.defenses.inner import images
from tests.defenses.linear import batch, model

KEY = jax.random.key(2)


class Noted(list):
    """What the moves saw, and what an objective was given."""

    def count_of(self, move):
        return sum(one[0] == move for one in self if isinstance(one[0], str))


@pytest.fixture
def moves(monkeypatch):
    """What each move saw: (which, marks on the images, marks on the captions, key of its start)."""
    noted = Noted()
    clean = batch()

    def marks(images, tokens):
        return (
            round(float(images[0, 0, 0, 0] - clean.images[0, 0, 0, 0]), 3),
            int(tokens.ids[0, 0, 0] - clean.tokens.ids[0, 0, 0]),
        )

    def texts(model, given, keys, **settings):
        noted.append(("text", *marks(given.images, given.tokens), None))
        return given.tokens._replace(ids=given.tokens.ids + 10 ** noted.count_of("text"))

    def images(pgd, loss_fn, given, key):
        seen = noted.pop()  # what `objective` was given
        where = tuple(np.asarray(jax.random.key_data(key)).tolist())
        noted.append(("image", marks(given.images, seen)[0], marks(given.images, seen)[1], where))
        return given.images + 0.1 ** noted.count_of("image")

    monkeypatch.setattr(mat, "attack_texts", texts)
    monkeypatch.setattr(defenses.PGD, "attack", images)

    def still(image):
        return jnp.zeros(len(image.embed))

    def run(**settings):
        noted.clear()
        strategy = defenses.Strategy(
            objective=lambda model, given, tokens: noted.append(tokens) or still, **settings
        )
        found = defenses.MAT(strategy=strategy).perturb(model(0), None, clean, KEY)
        return list(noted), marks(found.images, found.tokens)

    return run


def test_two_rounds_answer_each_other(moves):
    """Each move starts from the clean half, against the other half as it stands."""
    seen, end = moves(order=("text", "image", "text", "image"))
    assert [one[:3] for one in seen] == [
        ("text", 0.0, 0),  # the clean image
        ("image", 0.0, 10),  # the first text
        ("text", 0.1, 0),  # the first image
        ("image", 0.0, 100),  # the second text
    ]
    assert end == (0.01, 100)
    assert seen[1][3] != seen[3][3]  # another start in the ball


def test_one_round_in_either_order_and_apart(moves):
    text_first, _ = moves()
    assert [one[:3] for one in text_first] == [("text", 0.0, 0), ("image", 0.0, 10)]
    image_first, end = moves(order=("image", "text"))
    assert [one[:3] for one in image_first] == [("image", 0.0, 0), ("text", 0.1, 0)]
    assert end == (0.1, 10)
    for order in (("text", "image"), ("image", "text")):
        apart, end = moves(order=order, against="clean")
        assert {one[1:3] for one in apart} == {(0.0, 0)} and end == (0.1, 10)


def test_a_share_of_the_captions_is_attacked_by_the_image_it_belongs_to(monkeypatch):
    def all_changed(model, given, keys, **settings):
        return given.tokens._replace(ids=given.tokens.ids + 1)

    monkeypatch.setattr(mat, "attack_texts", all_changed)
    strategy = defenses.Strategy(order=("text",), share=0.5)
    defense, clean = defenses.MAT(strategy=strategy), batch()

    def changed(share, given):
        found = replace(defense, strategy=replace(strategy, share=share)).perturb(
            model(0), None, given, KEY
        )
        return np.any(np.asarray(found.tokens.ids != given.tokens.ids), axis=(1, 2))

    assert not changed(0.0, clean).any() and changed(1.0, clean).all()
    many = clean._replace(
        ids=jnp.arange(600), tokens=jax.tree.map(lambda x: jnp.repeat(x, 100, 0), clean.tokens)
    )
    # 600 draws: four standard deviations.
    assert abs(changed(0.5, many).mean() - 0.5) < 4 * (0.25 / 600) ** 0.5
    order = np.array([4, 1, 5, 0, 3, 2])
    turned = jax.tree.map(lambda x: x[order], clean)
    np.testing.assert_array_equal(changed(0.5, turned), changed(0.5, clean)[order])


@pytest.mark.parametrize(
    "settings",
    [{"order": ("image", "text")}, {"order": ("image",)}, {"against": "clean"}, {"share": 0.0}],
)
def test_both_texts_need_an_attacked_one(settings):
    with pytest.raises(ValueError, match="no image is attacked after a text"):
        defenses.Strategy(objective=images.WithCleanTexts(), **settings)
    rounds = ("image", "text", "image")
    defenses.Strategy(objective=images.WithCleanTexts(), order=rounds)


@pytest.mark.parametrize("blind", [images.kl_from_clean, images.far_from_clean])
def test_both_texts_need_an_objective_that_heeds_them(blind):
    with pytest.raises(ValueError, match=f"{blind.__name__} heeds no caption"):
        images.WithCleanTexts(blind)


def test_both_texts_without_words():
    strategy = defenses.Strategy(objective=images.WithCleanTexts())
    with pytest.raises(ValueError, match="words=0 attacks none"):
        defenses.MAT(words=0, strategy=strategy)
