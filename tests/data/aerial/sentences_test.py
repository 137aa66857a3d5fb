"""Captions of sites are true of them, and drawn pictures keep what a caption tells."""

import numpy as np
import pytest

from mat_jax.data.aerial import sites
from mat_jax.data.aerial.sentences import captions, imagine
from mat_jax.data.aerial.sites import CLASSES, COUNTS, KINDS, NEIGHBOURS, SIDES, TONES
from mat_jax.data.clean import clean_caption
from mat_jax.data.sources.rsicd_files import _NAMES


def worlds(count):
    for seed in range(count):
        rng = np.random.default_rng(seed)
        yield sites.sample(rng), rng


def test_a_caption_names_no_fact_that_is_not_the_sites():
    for site, rng in worlds(300):
        for text, told in captions(site, rng):
            words = text.split()
            own = KINDS[site.kind].plural or KINDS[site.kind].thing
            tones = {word for word in words if word in TONES}
            assert tones == ({site.tone} if "tone" in told else set()), text
            assert {word for word in words if word in SIDES} <= {site.side}, text
            counts = {word for word in words if word in COUNTS}
            assert counts == ({COUNTS[site.count]} if KINDS[site.kind].plural else set()), text
            if "neighbour" in told:
                assert site.neighbour in text
            else:
                others = text.replace(own.replace("{}", site.tone), "")
                assert not any(f" {one}" in others for one in NEIGHBOURS if one != "houses"), text


def test_captions_of_a_site_differ_and_are_clean_as_they_are():
    for site, rng in worlds(50):
        texts = [one.text for one in captions(site, rng)]
        assert len(set(texts)) == 5
        assert [clean_caption(text) for text in texts] == texts


def test_captions_hold_the_name_that_zero_shot_calls_the_class_by():
    for site, rng in worlds(300):
        name = _NAMES.get(site.kind, site.kind)
        name = name.removesuffix("s") if name == "storage tanks" else name
        assert all(name in one.text for one in captions(site, rng)), name


def test_a_drawn_picture_keeps_what_the_caption_tells_and_nothing_else():
    changed = {fact: 0 for fact in ("tone", "neighbour", "side")}
    for site, rng in worlds(400):
        sentence = captions(site, rng)[0]
        drawn = imagine(sentence, site, rng, wrong=0.0)
        assert (drawn.kind, drawn.count) == (site.kind, site.count)
        for fact in changed:
            same = getattr(drawn, fact) == getattr(site, fact)
            assert same or fact not in sentence.told
            changed[fact] += not same
    assert all(changed.values())


@pytest.mark.parametrize("wrong", [0.3, 1.0])
def test_a_share_of_the_facts_is_drawn_wrong(wrong):
    others = sum(
        imagine(captions(site, rng)[0], site, rng, wrong=wrong).kind != site.kind
        for site, rng in worlds(600)
    )
    share = wrong * (1 - 1 / len(CLASSES))  # another draw may be the same kind again
    assert others / 600 == pytest.approx(share, abs=3 * np.sqrt(share * (1 - share) / 600))
