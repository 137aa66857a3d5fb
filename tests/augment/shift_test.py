"""A shift goes as far as asked, and says and shows the same."""

import numpy as np
import pytest

from mat_jax.augment import restyle, reword
from mat_jax.augment.shift import FOREIGN, STYLES, plain
from mat_jax.data.scenes import is_true, lexicon, make
from mat_jax.data.scenes.draw import render

KNOWN = {
    *lexicon.NOUNS,
    *lexicon.GROUND_WORDS,
    *lexicon.COLOUR_WORDS,
    *lexicon.SIZE_WORDS,
    *lexicon.TEXTURE_WORDS,
    *lexicon.PLACE_WORDS,
    *lexicon.SHADE_WORDS,
    *lexicon.SILENT,
}


def test_foreign_words_are_foreign_and_stand_for_one_word_each():
    assert set(FOREIGN) <= KNOWN and not set(FOREIGN.values()) & KNOWN
    assert len(set(FOREIGN.values())) == len(FOREIGN)


def test_reworded_captions_say_the_same():
    shares = []
    for amount in (0.0, 0.5, 1.0):
        foreign = able = 0
        for number in range(20):
            scene, texts = make("val", number)
            for text in texts:
                new = reword(text, amount, np.random.default_rng(number))
                assert plain(new) == text and is_true(plain(new), scene) == is_true(text, scene)
                able += sum(word in FOREIGN for word in text.split())
                foreign += sum(word not in KNOWN for word in new.split())
        shares.append(foreign / able)
    assert shares[0] == 0 and abs(shares[1] - 0.5) < 0.1 and shares[2] == 1


@pytest.mark.parametrize("style", STYLES)
def test_a_style_comes_in_by_degrees(style):
    pictures = [render(make("val", number)[0], 64) for number in range(4)]
    for picture in pictures:
        none, half, full = (
            restyle(picture, style, amount).astype(int) for amount in (0.0, 0.5, 1.0)
        )
        np.testing.assert_array_equal(none, picture)
        assert np.abs(2 * half - none - full).max() <= 2  # half way, up to rounding
        assert np.abs(full - none).mean() > 4


def test_palettes_keep_the_order_of_greys_and_tiles_are_even():
    greys = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=-1)
    for style in ("pastel", "night"):
        assert np.all(np.diff(restyle(greys, style, 1.0).astype(int), axis=1) >= 0)
    tiles = restyle(render(make("val", 0)[0], 64), "mosaic", 1.0).reshape(16, 4, 16, 4, 3)
    np.testing.assert_array_equal(tiles, np.broadcast_to(tiles[:, :1, :, :1], tiles.shape))


def test_mistakes_are_one_sentence():
    picture = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match="there is no style 'oil'; choose one of pastel"):
        restyle(picture, "oil", 0.5)
    with pytest.raises(ValueError, match="shift=1.5 is out of range"):
        restyle(picture, "night", 1.5)
