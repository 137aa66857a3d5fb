"""Failures as pictures on the page: which stand there, what they are called, how large they are."""

import base64
import io
import re
from dataclasses import replace

import numpy as np
from PIL import Image

from mat_jax.evaluate.failures import failing
from mat_jax.evaluate.report import draw_page
from mat_jax.evaluate.report.before_after import Album, explained, missing, strip
from mat_jax.evaluate.report.embedded import STEPS, address, stepped
from mat_jax.evaluate.report.failed import worst_first
from mat_jax.evaluate.thumbnails import GREY
from mat_jax.evaluate.views import View
from tests.evaluate.report.hostile import HOSTILE, hostile
from tests.made_up import made_up
from tests.tools.narrow import some


def opened(source):
    """The picture that an address holds."""
    return Image.open(io.BytesIO(base64.b64decode(source.split(",")[1])))


def pixels(source):
    return np.asarray(opened(source).convert("RGB"))


def photograph(rng, size):
    """Soft forms with noise on them, as a camera sees them: hard to say in few bytes."""
    coarse = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8))
    soft = np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC), float)
    return np.clip(soft + rng.normal(0, 6, soft.shape), 0, 255).astype(np.uint8)


def test_a_failure_is_shown_before_and_after_with_the_difference():
    result = made_up("one", 0.1, images=12)
    row = result.row("sga")
    place = failing(row.ranks)[0]
    album = Album()
    html = strip(result, row, place, album)
    labels = re.findall(r'aria-label="([^"]*)"', html)
    name = f"picture {place + 1}"
    assert labels == [
        f"{name} before the attack",
        f"{name} under SGA at 2/255",
        f"what was changed in {name} under SGA at 2/255",
    ]
    assert re.findall("<figcaption>(.*?)</figcaption>", html) == [name, "attacked", "difference"]
    clean, attacked, difference = (pixels(source) for source in album.held)
    np.testing.assert_array_equal(clean, result.thumbnails[place])
    made = some(row.views[place].picture)
    assert np.abs(attacked.astype(int) - made).mean() < 2  # JPEG, but for a level or two
    assert set(np.unique(difference)) == {0, GREY, 255}
    # Where the picture changed the difference is not grey, and where it did not it is.
    moved = made.astype(int) - clean
    assert (difference[moved > 0] == 255).all() and (difference[moved < 0] == 0).all()


def test_without_attack_or_where_only_captions_change_the_picture_stands_alone():
    result = made_up("one", 0.1, images=12)
    place = failing(result.row("bert_attack").ranks)[0]
    for row, label in (
        (result.clean, f"picture {place + 1}"),
        (result.row("bert_attack"), f"picture {place + 1} before the attack"),
    ):
        assert re.findall(r'aria-label="([^"]*)"', strip(result, row, place, Album())) == [label]
    few = replace(result, rows=result.rows[:1])
    assert explained({"one": few}) == "Pictures are shown as they were before the attack."


def test_black_and_white_are_what_they_are_said_to_be():
    result = made_up("one", 0.1, images=12)
    assert "black or white is the whole eps" in explained({"one": result})
    rows = tuple(replace(row, protocol={**row.protocol, "norm": "l2"}) for row in result.rows)
    other = replace(result, rows=rows)
    assert "black or white is the largest change in it" in explained({"one": other})


def test_a_worst_case_names_the_attack_of_each_picture():
    result = made_up("one", 0.1, images=12)
    sga = result.row("sga")
    place = failing(sga.ranks)[0]
    for view, told, why in (
        (sga.views[place], "attacked by SGA", ""),
        (View(attack="none"), "", ""),
        (View(attack="bert_attack"), "", "BERT-Attack, which leaves the picture as it is."),
        (View(attack="pgd"), "", "PGD, whose worst failures are others: its picture was not kept."),
    ):
        row = replace(sga, attack="worst_case", views={place: view})
        html = strip(result, row, place, Album())
        assert ("attacked by" in html) == bool(told) and told in html
        assert missing(row, place).endswith(why) and bool(why) == bool(missing(row, place))
        assert missing(replace(row, attack="sga"), place) == ""
        worst = replace(result, rows=(*result.rows, row))
        assert why in worst_first({"one": worst})


def test_where_the_model_looks_stands_beside_it():
    result = made_up("one", 0.1, images=12)
    row = result.row("sga")
    place = failing(row.ranks)[0]
    drawn = np.zeros((224, 224, 3), np.uint8)
    view = replace(row.views[place], overlay=drawn + 50)
    row = replace(row, views={place: view})
    result = replace(result, overlays={place: drawn})
    labels = re.findall(r'aria-label="([^"]*)"', strip(result, row, place, Album()))
    looks = f"what the model looks at in picture {place + 1}"
    assert labels[3:] == [f"{looks}, before", f"{looks} under SGA at 2/255"]
    # Clean, there is no before.
    labels = re.findall(r'aria-label="([^"]*)"', strip(result, result.clean, place, Album()))
    assert labels == [f"picture {place + 1}", looks]


def test_hostile_names_do_not_leave_their_labels():
    result = hostile(HOSTILE[0])
    row = result.rows[-1]
    html = strip(result, row, failing(row.ranks)[0], Album())
    assert "onerror" in html and "<img" not in html
    for label in re.findall(r'aria-label="([^"]*)"', html):
        assert "<" not in label and ">" not in label


def test_a_picture_is_held_in_the_shorter_form():
    flat = np.full((96, 96, 3), 7, np.uint8)
    assert address(flat).startswith("data:image/png") and (pixels(address(flat)) == 7).all()
    photo = photograph(np.random.default_rng(0), 96)
    source = address(photo)
    assert source.startswith("data:image/jpeg")
    assert np.abs(pixels(source).astype(int) - photo).mean() < 4
    assert opened(address(photograph(np.random.default_rng(0), 384))).size == (96, 96)


def test_a_difference_takes_five_values_and_keeps_none_and_the_whole():
    ramp = np.tile(np.arange(256, dtype=np.uint8)[:, None, None], (1, 2, 3))
    found = pixels(stepped(ramp))
    assert set(np.unique(found)) == set(STEPS.tolist())
    assert (found[0] == 0).all() and (found[GREY] == GREY).all() and (found[255] == 255).all()
    assert np.abs(found.astype(int) - ramp).max() <= 32
    # Colours do not mix.
    one = np.array([[[0, GREY, 255]]], np.uint8)
    np.testing.assert_array_equal(pixels(stepped(one)), one)


def test_five_attacks_on_photographs_make_less_than_two_megabytes():
    """Forty failures of large pictures, none of them twice, each under noise of its own."""
    rng = np.random.default_rng(0)
    result = made_up("one", 0.1, images=40, eps=(1 / 255,))
    rows, thumbnails = [], dict(result.thumbnails)
    for i in range(40):
        thumbnails[i] = thumbnails[i] if i in result.shown else photograph(rng, 224)
    shown = replace(result, thumbnails=thumbnails)
    before = len(draw_page({"one": replace(shown, rows=tuple(_bare(r) for r in result.rows))}))
    for row in result.rows:
        views = {
            i: View(
                attack=row.attack,
                picture=photograph(rng, 96),
                difference=np.clip(rng.normal(128, 90, (96, 96, 3)), 0, 255).astype(np.uint8),
            )
            for i in failing(row.ranks)
        }
        rows.append(row if row is result.clean else replace(row, views=views))
    page = draw_page({"one": replace(shown, rows=tuple(rows))})
    assert before < len(page) < 2_000_000


def _bare(row):
    return replace(row, views={})
