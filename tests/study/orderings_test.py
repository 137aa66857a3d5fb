"""Verdicts on made-up results whose answer is plain."""

import json
import math

import numpy as np
import pytest
from scipy import stats

from mat_jax.study import orderings, saved
from mat_jax.study.claims import Side, compare, difference, gain, paired, rank_correlation
from tests.study.kept import keep

AHEAD = "clip, Co-Attack and SGA: MAT > TeCoA-ITR"


def claims(folder):
    return orderings.findings(saved.read(folder), folder)


def verdict(folder, letter, *words):
    found = [c for c in claims(folder) if c.letter == letter and all(w in c.text for w in words)]
    assert len(found) == 1, [claim.text for claim in found]
    return found[0]


def seeds(folder, key, attack, values, images=10_000):
    for seed, value in enumerate(values):
        keep(folder, key, {attack: value, "co_attack": value}, seed=seed, images=images)


def test_a_difference_beyond_the_spread_over_seeds_is_confirmed(tmp_path):
    seeds(tmp_path, "main/clip-mat", "sga", (15.0, 16.0, 17.0))
    seeds(tmp_path, "main/clip-tecoa_itr", "sga", (13.0, 14.0, 15.0))
    # Means 2 apart, each with sd 1: the spread of the difference is sqrt(2); images are plenty.
    found = verdict(tmp_path, "C", AHEAD)
    assert found.verdict == "confirmed"
    assert found.figures == "MAT 16.0 ± 1.0, TeCoA-ITR 14.0 ± 1.0"
    seeds(tmp_path, "main/clip-tecoa_itr", "sga", (12.0, 15.0, 18.0))
    assert verdict(tmp_path, "C", AHEAD).verdict == "not confirmed"
    seeds(tmp_path, "main/clip-tecoa_itr", "sga", (18.0, 19.0, 20.0))
    assert verdict(tmp_path, "C", AHEAD).verdict == "opposite"
    assert verdict(tmp_path, "C", "clip", "TeCoA-ITR > FARE").verdict == "not measured"


def test_seeds_that_agree_do_not_make_up_for_few_images(tmp_path):
    # 3 points apart, all seeds alike. Of 100 images a share near 15 % is off by 3.6 points, the
    # difference by 5; of 10,000 by 0.36 and 0.5.
    for images, word in ((100, "not confirmed"), (10_000, "confirmed")):
        seeds(tmp_path, "main/clip-mat", "sga", (17.0, 17.0, 17.0), images)
        seeds(tmp_path, "main/clip-tecoa_itr", "sga", (14.0, 14.0, 14.0), images)
        assert verdict(tmp_path, "C", AHEAD).verdict == word


def found(right, images=100):
    """What a run keeps of images of five captions: `right` of them find and are found."""
    of = [int(n in right) for n in range(images)]
    return {"tr": " ".join(map(str, of)), "ir": " ".join(str(5 * one) for one in of)}


def test_what_both_sides_owe_to_the_same_images_cancels(tmp_path):
    """48 and 43 of 100: the 43 among the 48, or not."""
    for first, word in ((0, "confirmed"), (40, "not confirmed")):
        for key, right in (("mat", range(48)), ("tecoa_itr", range(first, first + 43))):
            left = {"sga": len(right), "co_attack": len(right)}
            kept = {name: found(right) for name in left}
            for seed in range(3):
                keep(tmp_path, f"main/clip-{key}", left, seed=seed, found=kept)
        claim = verdict(tmp_path, "C", AHEAD)
        assert claim.verdict == word
        assert claim.figures == "MAT 48.0 ± 0.0, TeCoA-ITR 43.0 ± 0.0"


def test_a_difference_is_told_with_its_noise(tmp_path):
    seeds(tmp_path, "main/clip-mat_plus", "sga", (15.0, 16.0, 17.0))
    seeds(tmp_path, "main/clip-mat", "sga", (13.0, 14.0, 15.0))
    shelf = saved.read(tmp_path)
    # sqrt(1 + 1 + 0.37^2 + 0.35^2): seeds, and 10,000 images a side.
    told = difference(shelf, "main/clip-mat_plus", "main/clip-mat", "sga")
    assert told == "**+2.0 ± 1.5**"
    assert difference(shelf, "main/clip-mat", "main/clip-mat_plus", "sga") == "**-2.0 ± 1.5**"
    assert difference(shelf, "main/clip-mat", "main/clip-mat_plus", "pgd") == "+0.0 ± 0.7"
    assert difference(shelf, "main/clip-mat", "main/clip-fare", "pgd") == "–"


def test_paired_noise_is_that_of_agresti_and_min():
    """sqrt(b + c + 1 - (c - b)^2 / (n + 2)) / (n + 2), of b and c images that one side has."""
    for b, c, n in ((0, 0, 50), (3, 9, 100), (40, 0, 100)):
        apart = np.zeros(n)
        apart[:b], apart[b : b + c] = -100, 100
        expected = 100 * math.sqrt(b + c + 1 - (c - b) ** 2 / (n + 2)) / (n + 2)
        assert paired(apart) == pytest.approx(expected)
    # Of many images it is the usual standard error.
    apart = np.random.default_rng(0).normal(3.0, 40.0, 20_000)
    assert paired(apart) == pytest.approx(stats.sem(apart), rel=1e-2)


def test_one_seed_is_said_and_weighed_by_the_images(tmp_path):
    keep(tmp_path, "main/clip-mat", {"sga": 50.0, "co_attack": 50.0})
    keep(tmp_path, "main/clip-tecoa_itr", {"sga": 44.0, "co_attack": 44.0})
    # Shares near a half of 100 images: 5 points each, 7 together.
    assert verdict(tmp_path, "C", AHEAD).verdict == "not confirmed (one seed)"
    keep(tmp_path, "main/clip-tecoa_itr", {"sga": 40.0, "co_attack": 40.0})
    assert verdict(tmp_path, "C", AHEAD).verdict == "confirmed (one seed)"


def test_an_untrained_model_has_one_seed_and_stands_beside_three(tmp_path):
    keep(tmp_path, "main/clip-none", {"sga": 0.0, "co_attack": 2.0}, trained=False)
    seeds(tmp_path, "main/clip-mat", "sga", (15.0, 16.0, 17.0))
    found = verdict(tmp_path, "C", "clip", "MAT > none")
    assert found.verdict == "confirmed" and found.figures == "MAT 16.0 ± 1.0, none 1.0"


def test_attacks_on_the_undefended_model(tmp_path):
    left = {"bert_attack": 60, "pgd": 15, "sep": 8, "co_attack": 1, "sga": 0, "vlp_attack": 2}
    keep(tmp_path, "main/clip-none", left, trained=False)
    assert verdict(tmp_path, "A", "clip", "attacks on images leave more").verdict == "confirmed"
    assert verdict(tmp_path, "A", "clip", "attacks on texts leave more").verdict == "confirmed"
    # One point of a hundred images is nothing.
    assert (
        verdict(tmp_path, "A", "clip", "Co-Attack leaves more than SGA").verdict == "not confirmed"
    )
    keep(tmp_path, "main/clip-none", left | {"pgd": 95}, trained=False)
    assert verdict(tmp_path, "A", "clip", "attacks on texts leave more").verdict == "opposite"


def test_gains_are_taken_seed_by_seed(tmp_path):
    """TeCoA gains 60 under PGD and 2 under both attacks on both sides, whatever the seed."""
    keep(tmp_path, "main/clip-none", {"pgd": 10, "co_attack": 1, "sga": 0}, trained=False)
    for seed, pgd in enumerate((69.0, 70.0, 71.0)):
        keep(tmp_path, "main/clip-tecoa", {"pgd": pgd, "co_attack": 3, "sga": 2}, seed=seed)
    found = verdict(tmp_path, "B", "clip: TeCoA gains")
    assert found.verdict == "confirmed"
    assert found.figures == "gain under PGD 60.0 ± 1.0, under Co-Attack, SGA 2.0 ± 0.0"


def test_a_trained_base_stands_beside_its_own_seed_alone(tmp_path):
    seeds(tmp_path, "main/clip-mat", "sga", (20.0, 90.0))
    seeds(tmp_path, "main/clip-tecoa_itr", "sga", (10.0,))
    found = gain(saved.read(tmp_path), "main/clip-mat", "main/clip-tecoa_itr", ("sga",))
    assert (found.spread.mean, found.spread.count, found.single) == (10.0, 1, True)
    # Two independent shares of 10,000 images.
    expected = 100 * math.sqrt((0.2 * 0.8 + 0.1 * 0.9) / 10_000)
    assert found.sampling == pytest.approx(expected, rel=1e-2)


def test_partners_are_compared_within_a_modality(tmp_path):
    left = {"eda": 10, "langrw": 12, "i2t_human": 30, "i2t_cap": 32}  # texts
    left |= {"randaug": 40, "t2i": 20, "t_i2i": 22}  # pictures
    for name, value in left.items():
        seeds(tmp_path, f"augmentations/{name}", "sga", (value - 0.5, value, value + 0.5))
    texts, pictures = (
        verdict(tmp_path, "D", f"cross-modal > intra-modal partner {what}")
        for what in ("texts", "pictures")
    )
    assert texts.verdict == "confirmed" and pictures.verdict == "opposite"
    assert texts.figures == "cross-modal 31.0 ± 0.5, intra-modal 11.0 ± 0.5"


def test_one_to_many_is_compared_with_as_many_pairs_too(tmp_path):
    left = {"original": 5, "pairs": 15, "one_to_many_short": 10, "one_to_many": 20, "new": 30}
    for name, value in left.items():
        seeds(tmp_path, f"budget/{name}", "sga", (value - 0.5, value, value + 0.5))
    order = {c.text.split(": ")[1]: c.verdict for c in claims(tmp_path) if c.letter == "F"}
    assert order == {
        "(d) new pairs > (c) more texts, 1:N (MAT+)": "confirmed",
        "(d) new pairs > (c) with as many pairs seen": "confirmed",
        "(c) more texts, 1:N (MAT+) > (b) more texts, each a pair": "confirmed",
        "(c) with as many pairs seen > (b) more texts, each a pair": "opposite",
        "(b) more texts, each a pair > (a) original pairs": "confirmed",
    }


def test_the_mean_over_runs_waits_for_all_of_them(tmp_path):
    keep(tmp_path, "main/a", {"sga": 10.0})
    keep(tmp_path, "main/a", {"sga": 20.0}, seed=1)
    keep(tmp_path, "main/b", {"sga": 30.0})
    shelf = saved.read(tmp_path)
    both = Side("both", ("main/a", "main/b"), ("sga",)).found(shelf)
    assert (both.spread.mean, both.spread.count) == (20.0, 1)  # seed 1 of b is missing
    none = compare(
        "X", "x", shelf, Side("c", ("main/c",), ("sga",)), Side("a", ("main/a",), ("sga",))
    )
    assert (none.verdict, none.figures) == ("not measured", "")


def test_properties_of_augmentations(tmp_path):
    """Robustness that rises with alignment, and does not care for diversity."""
    names = ["eda", "langrw", "i2t_human", "i2t_cap", "i2t_misaligned"]
    diverse = [0.3, 0.1, 0.4, 0.2, 0.3]
    for n, name in enumerate(names):
        keep(tmp_path, f"augmentations/{name}", {"sga": 10.0 + n})
        file = saved.measures_file(tmp_path, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        own = {"alignment": n / 10, "diversity": diverse[n], "frechet": 5.0 - n, "mmd": 0.1 * n}
        file.write_text(json.dumps({"texts": own}))
    assert verdict(tmp_path, "E", "alignment of partner texts").verdict == "confirmed"
    assert verdict(tmp_path, "E", "diversity of partner texts").verdict == "not confirmed"
    assert verdict(tmp_path, "E", "frechet of partner texts").verdict == "confirmed"
    assert verdict(tmp_path, "E", "mmd of partner texts").verdict == "opposite"
    assert verdict(tmp_path, "E", "mmd of partner pictures").verdict == "not measured"


def test_every_letter_has_its_claims(tmp_path):
    assert {claim.letter for claim in claims(tmp_path)} == set("ABCDEFGHIJ")
    assert {claim.verdict for claim in claims(tmp_path)} == {"not measured"}
    assert orderings.section(saved.read(tmp_path), tmp_path) == ""


@pytest.mark.parametrize(
    "other", [(3.0, 1.0, 2.0, 5.0), (1.0, 1.0, 2.0, 2.0), (4.0, 3.0, 3.0, 1.0)]
)
def test_rank_correlation_is_scipy_s(other):
    one = (0.1, 0.4, 0.4, 2.0)
    pairs = {str(n): pair for n, pair in enumerate(zip(one, other, strict=True))}
    assert rank_correlation(pairs) == pytest.approx(stats.spearmanr(one, other).statistic)
    assert math.isnan(rank_correlation(dict(list(pairs.items())[:2])))


def test_grounding_is_compared_by_the_phrases_of_each_picture(tmp_path):
    """Of 100 pictures with four phrases each; all seeds alike, so the pictures decide."""
    for name, right in (("mat", 3), ("fare", 2), ("none", 2)):
        of = {"right": " ".join([str(right)] * 100)}
        figures = {"accuracy": 25.0 * right}
        for seed in range(1 if name == "none" else 2):
            keep(
                tmp_path,
                f"grounding/any-{name}",
                {},
                seed=seed,
                trained=name != "none",
                attacks={"co_attack": figures, "sga": figures},
                found={"co_attack": of, "sga": of},
                protocol={"images": 100, "captions": 400},
            )
    found = verdict(tmp_path, "J", "with any words", "MAT > FARE")
    assert found.verdict == "confirmed" and found.figures == "MAT 75.0 ± 0.0, FARE 50.0 ± 0.0"
    assert verdict(tmp_path, "J", "with true words", "MAT > FARE").verdict == "not measured"
    assert verdict(tmp_path, "A", "grounds phrases with any words").verdict == "not confirmed"


def test_captioning_is_compared_by_what_agrees_of_each_caption(tmp_path):
    """Of 100 captions each, half of MAT's with all claims right; FARE has a quarter of that."""
    for name, share in (("mat", 50.0), ("fare", 25.0)):
        half = " ".join([str(2 * share), "0"] * 50)
        figures = {"agreement": share, "true": 0.0}
        attacks = ("away_from_own", "towards_another")
        for seed in range(2):
            keep(
                tmp_path,
                f"captioning/{name}",
                {},
                seed=seed,
                attacks=dict.fromkeys(attacks, figures),
                found=dict.fromkeys(attacks, {"agreement": half}),
                protocol={"images": 100, "captions": 100},
            )
    found = verdict(tmp_path, "J", "under attacks on it", "MAT > FARE")
    assert found.verdict == "confirmed" and found.figures == "MAT 50.0 ± 0.0, FARE 25.0 ± 0.0"
    assert verdict(tmp_path, "J", "that attack ALBEF", "MAT > FARE").verdict == "not measured"
