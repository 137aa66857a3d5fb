"""Failures: counted by hand, and on the page the worst first."""

import re
from dataclasses import replace

import numpy as np

from mat_jax.evaluate.failures import failing, worst_text, wrong_queries
from mat_jax.evaluate.ranks import Ranks
from mat_jax.evaluate.report.failed import worst_first
from tests.made_up import made_up

RANKS = Ranks(
    places={"tr": np.array([1, 3, 9, 1]), "ir": np.array([1, 1, 2, 4, 1, 9, 1, 2])},
    owners={"tr": np.arange(4), "ir": np.repeat(np.arange(4), 2)},
)


def test_the_worst_is_first_by_shares_then_by_ranks():
    """Lost shares: 0; 1 + 1; 1 + 1/2; 1/2."""
    assert failing(RANKS) == [1, 2, 3]
    assert failing(RANKS, 1) == [1]
    assert [wrong_queries(RANKS, i) for i in range(4)] == [(0, 3), (3, 3), (2, 3), (1, 3)]
    owner = RANKS.owners["ir"]
    assert [worst_text(RANKS, owner, i) for i in range(4)] == [0, 3, 5, 7]
    equal = Ranks(places={"top": np.array([2, 5, 3, 1])}, owners={"top": np.arange(4)})
    assert failing(equal) == [1, 2, 0]


def test_marks_count_by_their_share_of_the_highest():
    ranks = Ranks(
        places={"cider": np.full(3, 2)},
        owners={"cider": np.arange(3)},
        marks={"cider": np.array([5.0, 0.5, 9.0])},
        highest={"cider": 10.0},
    )
    assert failing(ranks) == [1, 0, 2]


def test_the_page_shows_them_by_attack_with_their_ranks():
    result = made_up("one", 0.1, images=12)
    html = worst_first({"one": result})
    lists = re.split("<details(?: open)?>", html)[1:]
    assert "SGA at 2/255" in lists[0] and "<b>clean</b>" in lists[-1]
    row = result.row("sga")
    shown = [int(n) - 1 for n in re.findall(r"<figcaption>picture (\d+)<", lists[0])]
    assert shown == failing(row.ranks) and len(shown) == 8
    ranks = re.findall(r"its picture: rank (\d+) → (\d+)", lists[0])
    wanted = [
        (str(result.clean.ranks["ir"][text]), str(row.ranks["ir"][text]))
        for place in shown
        for text in np.flatnonzero(result.text_owner == place)
    ]
    assert ranks == wanted
    # A picture stands once in the page, however often it is shown.
    used = re.findall(r'href="#p(\d+)"', html)
    assert len(used) > len(set(used)) == html.count("<image ")


def test_what_was_found_instead_stands_beside_it():
    result = made_up("one", 0.1, images=12)
    row = result.row("sga")
    places = failing(row.ranks)
    failed = np.array(places)
    assert row.sights is not None
    other = (failed + 1) % 12
    sights = replace(row.sights, failed=failed, failed_texts=5 * other, failed_pictures=other)
    rows = tuple(replace(one, sights=sights) if one is row else one for one in result.rows)
    html = worst_first({"one": replace(result, rows=rows)}).split("<details")[1]
    for place, item in zip(places, html.split('<li><div class="views">')[1:], strict=True):
        if row.ranks["ir"][worst_text(row.ranks, result.text_owner, place)] > 1:
            assert f": picture {(place + 1) % 12 + 1}</figcaption>" in item
        assert '<li class="wrong">' in item
