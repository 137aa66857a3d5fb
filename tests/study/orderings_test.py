"""Verdicts on made-up results whose answer is plain."""

import json
import math

import pytest

from experiments.study import orderings, saved, studies
from experiments.study.claims import Side, compare, difference, gains
from experiments.study.seeds import usual
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


def test_a_difference_beyond_its_noise_is_confirmed(tmp_path):
    seeds(tmp_path, "main/clip-mat", "sga", (15.0, 16.0, 17.0))
    # Each mean is off by 1 / sqrt(3) over trainings, and by 0.36 of 10,000 images: 0.97 together.
    for middle, word in (
        (13.5, "confirmed"),
        (14.6, "likely"),
        (16.5, "not confirmed"),
        (17.5, "likely opposite"),
        (18.5, "opposite"),
    ):
        seeds(tmp_path, "main/clip-tecoa_itr", "sga", (middle - 1, middle, middle + 1))
        claim = verdict(tmp_path, "C", AHEAD)
        assert claim.verdict == word
        apart = f"{16 - middle:+.1f} ± 1.0"
        assert claim.figures == f"MAT 16.0 ± 1.0, TeCoA-ITR {middle:.1f} ± 1.0: {apart}"
    seeds(tmp_path, "main/clip-tecoa_itr", "sga", (7.5, 13.5, 19.5))
    assert verdict(tmp_path, "C", AHEAD).verdict == "not confirmed"
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
        assert claim.figures.startswith("MAT 48.0 ± 0.0, TeCoA-ITR 43.0 ± 0.0: +5.0 ± ")


def test_a_difference_is_told_with_its_noise(tmp_path):
    seeds(tmp_path, "main/clip-mat_plus", "sga", (15.0, 16.0, 17.0))
    seeds(tmp_path, "main/clip-mat", "sga", (13.0, 14.0, 15.0))
    shelf = saved.read(tmp_path)
    # sqrt(1/3 + 1/3 + 0.37^2 + 0.35^2): trainings, and 10,000 images a side.
    told = difference(shelf, "main/clip-mat_plus", "main/clip-mat", "sga")
    assert told == "**+2.0 ± 1.0**"
    assert difference(shelf, "main/clip-mat", "main/clip-mat_plus", "sga") == "**-2.0 ± 1.0**"
    assert difference(shelf, "main/clip-mat", "main/clip-mat_plus", "pgd") == "+0.0 ± 0.7"
    assert difference(shelf, "main/clip-mat", "main/clip-fare", "pgd") == "–"


def test_one_seed_is_said_and_weighed_by_the_images(tmp_path):
    keep(tmp_path, "main/clip-mat", {"sga": 50.0, "co_attack": 50.0})
    keep(tmp_path, "main/clip-tecoa_itr", {"sga": 44.0, "co_attack": 44.0})
    # Shares near a half of 100 images: 5 points each, 7 together.
    assert verdict(tmp_path, "C", AHEAD).verdict == "not confirmed (one seed)"
    keep(tmp_path, "main/clip-tecoa_itr", {"sga": 40.0, "co_attack": 40.0})
    assert verdict(tmp_path, "C", AHEAD).verdict == "likely (one seed)"
    keep(tmp_path, "main/clip-tecoa_itr", {"sga": 30.0, "co_attack": 30.0})
    assert verdict(tmp_path, "C", AHEAD).verdict == "confirmed (one seed)"


def test_one_seed_has_the_spread_that_others_have(tmp_path):
    """Two runs of three seeds each, 2 and 4 points apart: sqrt((8 + 32) / 4)."""
    seeds(tmp_path, "main/a", "sga", (10.0, 12.0, 14.0))
    seeds(tmp_path, "main/b", "sga", (30.0, 34.0, 38.0))
    keep(tmp_path, "main/clip-none", {"sga": 0.0}, trained=False)
    keep(tmp_path, "main/clip-mat", {"sga": 50.0, "co_attack": 50.0}, images=10**6)
    keep(tmp_path, "grounding/any-mat", {}, attacks={"sga": {"accuracy": 40.0}})
    shelf = saved.read(tmp_path)
    of = Side("MAT", ("main/clip-mat",), ("sga",)).found(shelf)
    assert of.error == pytest.approx(math.sqrt(10)) and of.single
    both = Side("", ("main/clip-mat", "main/clip-none"), ("sga",)).found(shelf)
    assert both.error == pytest.approx(math.sqrt(10) / 2)  # half of the mean is of no training
    assert Side("none", ("main/clip-none",), ("sga",)).found(shelf).error == 0.0
    # Phrases grounded are no recall; of those no run has several seeds.
    assert usual(shelf, shelf.of("grounding/any-mat")[0], ("sga",)) == 0.0


def test_an_untrained_model_has_one_seed_and_stands_beside_three(tmp_path):
    keep(tmp_path, "main/clip-none", {"sga": 0.0, "co_attack": 2.0}, trained=False)
    seeds(tmp_path, "main/clip-mat", "sga", (15.0, 16.0, 17.0))
    found = verdict(tmp_path, "C", "clip", "MAT > none")
    assert found.verdict == "confirmed" and found.figures.startswith("MAT 16.0 ± 1.0, none 1.0: ")


def test_attacks_on_the_undefended_model(tmp_path):
    left = {"bert_attack": 60, "pgd": 15, "sep": 8, "co_attack": 1, "sga": 0, "vlp_attack": 2}
    keep(tmp_path, "main/clip-none", left, trained=False)
    assert verdict(tmp_path, "A", "clip", "on images leave more than SGA").verdict == "confirmed"
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
    # 10,000 images would be off by 0.9; here there are 100, four sides and two attacks.
    assert found.figures.startswith(
        "gain under PGD 60.0 ± 1.0, under Co-Attack, SGA 2.0 ± 0.0: +58"
    )


def test_two_gains_of_the_same_seeds_are_compared_seed_by_seed(tmp_path):
    """Both gains wander by 10 points from seed to seed, together: their difference is always 5."""
    for seed, off in enumerate((-10.0, 0.0, 10.0)):
        base = {"co_attack": 10.0, "sga": 10.0, "pgd": 10.0}
        keep(tmp_path, "main/clip-tecoa_itr", base, seed=seed, images=10**6)
        mat = {"co_attack": 45.0 + off, "sga": 45.0 + off, "pgd": 40.0 + off}
        keep(tmp_path, "main/clip-mat", mat, seed=seed, images=10**6)
    found = verdict(tmp_path, "C", "clip: MAT gains more over TeCoA-ITR")
    assert found.verdict == "confirmed" and found.figures.endswith(": +5.0 ± 0.1")


def test_a_seed_that_lacks_an_attack_is_left_out_of_both_gains(tmp_path):
    for seed in range(3):
        for name, left in (("tecoa_itr", 10.0), ("mat", 40.0 + seed)):
            attacks = {"co_attack": left, "sga": left, "pgd": left if seed else math.nan}
            keep(tmp_path, f"main/clip-{name}", attacks, seed=seed)
    found = gains(saved.read(tmp_path), "main/clip-mat", "main/clip-tecoa_itr", ("sga",), ("pgd",))
    assert [one.values for one in found] == [(31.0, 32.0)] * 2
    assert verdict(tmp_path, "C", "clip: MAT gains more over TeCoA-ITR").verdict != "not measured"


def test_a_trained_base_stands_beside_its_own_seed_alone(tmp_path):
    seeds(tmp_path, "main/clip-mat", "sga", (20.0, 90.0))
    seeds(tmp_path, "main/clip-tecoa_itr", "sga", (10.0,))
    (found,) = gains(saved.read(tmp_path), "main/clip-mat", "main/clip-tecoa_itr", ("sga",))
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
        verdict(tmp_path, "D", "clip", f"cross-modal > intra-modal partner {what}")
        for what in ("texts", "pictures")
    )
    assert texts.verdict == "confirmed" and pictures.verdict == "opposite"
    assert texts.figures.startswith("cross-modal 31.0 ± 0.5, intra-modal 11.0 ± 0.5: +20.0 ± ")


def test_every_kind_of_partners_is_placed_against_none(tmp_path):
    left = {"original": 20, "eda": 20, "i2t_cap": 40, "randaug": 2, "i2t_misaligned": 2}
    for name, value in left.items():
        key = f"budget/{name}" if name == "original" else f"augmentations/{name}"
        for seed, off in enumerate((-0.5, 0.0, 0.5)):
            attacks = {"co_attack": value + off, "sga": value + off, "bert_attack": 80 - value}
            keep(tmp_path, key, attacks, seed=seed)
    every = [c for c in claims(tmp_path) if c.text.endswith("> no partners")]
    assert len(every) == 2 * (
        7 + 4
    )  # on CLIP and ALBEF; partner pictures are not asked about words
    found = {c.text: c.verdict for c in every}
    on_both, on_texts = "clip, Co-Attack and SGA: {}", "clip, BERT-Attack: {}"
    for where, title, word in (
        (on_both, "EDA", "not confirmed"),
        (on_both, "I2T (Cap)", "confirmed"),
        (on_both, "RandAug", "opposite"),
        (on_both, "T2I", "not measured"),
        (on_texts, "I2T (Cap)", "opposite"),
    ):
        assert found[where.format(f"{title} > no partners")] == word
    assert {word for text, word in found.items() if text.startswith("albef")} == {"not measured"}


def test_one_to_many_is_compared_with_as_many_pairs_too(tmp_path):
    left = {"original": 5, "pairs": 15, "one_to_many_short": 10, "one_to_many": 20, "new": 30}
    for name, value in left.items():
        seeds(tmp_path, f"budget/{name}", "sga", (value - 0.5, value, value + 0.5))
    of_clip = [c for c in claims(tmp_path) if c.letter == "F" and c.text.startswith("clip")]
    order = {c.text.split(": ")[1]: c.verdict for c in of_clip}
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
    said = "Spearman's rho {} over 5 augmentations, by chance in 1 %; {} over the 4 that are {}"
    whole = "neither misaligned nor shifted"
    for name, word, rho in (
        ("alignment", "confirmed", "1.00"),
        ("frechet", "confirmed", "-1.00"),
        ("mmd", "opposite", "1.00"),
    ):
        claim = verdict(tmp_path, "E", "clip", f"{name} of partner texts")
        assert (claim.verdict, claim.figures) == (
            f"{word} (one seed)",
            said.format(rho, rho, whole),
        )
    claim = verdict(tmp_path, "E", "clip", "diversity of partner texts")
    assert claim.verdict == "not confirmed (one seed)"
    assert verdict(tmp_path, "E", "clip", "mmd of partner pictures").verdict == "not measured"


def test_every_letter_has_its_claims(tmp_path):
    assert {claim.letter for claim in claims(tmp_path)} == set("ABCDEFGHIJKL")
    assert tuple(orderings.FINDINGS) == tuple("ABCDEFGHIJKL")  # each has a table
    assert {claim.verdict for claim in claims(tmp_path)} == {"not measured"}
    assert orderings.section(saved.read(tmp_path), tmp_path) == ""


def test_the_page_has_a_table_a_letter(tmp_path):
    keep(tmp_path, "main/clip-none", {"sga": 1.0}, trained=False)
    keep(tmp_path, "main/clip-mat", {"sga": 41.0})
    page = orderings.section(saved.read(tmp_path), tmp_path)
    heads = [line for line in page.splitlines() if line.startswith("**")]
    assert heads == [f"**{letter}. {said}**" for letter, said in orderings.FINDINGS.items()]
    own = page[page.index("**C.") : page.index("**D.")]
    assert "| clip, Co-Attack and SGA: MAT > none | confirmed (one seed) | MAT 45.5, none" in own
    assert "MAT > none" not in page[: page.index("**C.")]


def test_claims_are_about_runs_that_there_are(tmp_path):
    """A run of another name would be "not measured" for ever."""

    class Asked(dict):
        def get(self, key, default=None):
            names.add(key)
            return default

    names = set()
    orderings.findings(saved.Shelf(Asked()), tmp_path)
    known = {run.key for runs in studies.every().values() for run in runs}
    assert names and names <= known


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
    assert found.verdict == "confirmed"
    assert found.figures.startswith("MAT 75.0 ± 0.0, FARE 50.0 ± 0.0: +25.0")
    assert verdict(tmp_path, "J", "with true words", "MAT > FARE").verdict == "not measured"
    assert verdict(tmp_path, "A", "grounds phrases with any words").verdict == "not confirmed"


def test_captioning_is_compared_by_what_agrees_of_each_caption(tmp_path):
    """Of 100 captions each, half of MAT's with all claims right; FARE has a quarter of that."""
    for name, share in (("mat", 50.0), ("fare", 25.0)):
        half = " ".join([str(2 * share), "0"] * 50)
        figures = {"agreement": share, "true": 0.0}
        attacks = ("caption_away", "caption_towards")
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
    assert found.verdict == "confirmed"
    assert found.figures.startswith("MAT 50.0 ± 0.0, FARE 25.0 ± 0.0: +25.0")
    assert verdict(tmp_path, "J", "that attack ALBEF", "MAT > FARE").verdict == "not measured"
