"""Pictures tell what captions say: kinds, tones, neighbours and sides can be seen."""

from dataclasses import replace

import numpy as np
import pytest

from mat_jax.data.aerial import sites
from mat_jax.data.aerial.draw import SITES, render
from mat_jax.data.aerial.sites import CLASSES, KINDS, NEIGHBOURS, SIDES


def site_of(kind, seed=0, **facts):
    return replace(sites.anew(np.random.default_rng(seed), kind=kind), **facts)


def test_every_kind_is_drawn_and_the_same_site_always_alike():
    assert set(SITES) == set(CLASSES) and len(CLASSES) == 30
    for kind in CLASSES:
        one = site_of(kind)
        np.testing.assert_array_equal(render(one), render(one))
        assert render(one).shape == (64, 64, 3) and render(one, 96).shape == (96, 96, 3)


@pytest.mark.parametrize("kind", CLASSES)
def test_each_tone_and_each_number_shows(kind):
    facts = KINDS[kind]
    base = site_of(kind, side="left", neighbour="water", tone=facts.tones[0], count=0)
    others = [replace(base, tone=tone) for tone in facts.tones[1:]]
    others += [replace(base, count=count) for count in range(1, facts.most + 1)]
    middle = render(base, painted=True)[:, 16:].astype(float)
    for other in others:
        moved = np.abs(render(other, painted=True)[:, 16:] - middle).max(axis=-1)
        assert (moved > 25).mean() > 0.01, other


@pytest.mark.parametrize("side", SIDES)
def test_the_neighbour_lies_on_its_side(side):
    """A fifth of the picture along one side changes with it, and only that."""
    pictures = [
        render(site_of("desert", neighbour=one, side=side), painted=True) for one in NEIGHBOURS
    ]
    band = {
        "left": np.s_[:, :12],
        "right": np.s_[:, -12:],
        "top": np.s_[:12],
        "bottom": np.s_[-12:],
    }[side]
    for number, one in enumerate(pictures):
        for other in pictures[number + 1 :]:
            moved = np.abs(one.astype(float) - other).max(axis=-1) > 20
            assert moved[band].mean() > 0.2
            inside = moved.copy()
            inside[band] = False
            assert inside.mean() < 0.06  # crowns of trees and shadows reach over
