"""Which findings of the papers the saved results confirm, claim by claim.

The findings A to J are those of the papers on MAT, MMCoA and MAVA that this project looks for.
Each is broken into comparisons of R@1 left, the mean of TR@1 and IR@1, or of what is
still grounded or rightly said (`claims`).
"""

import math
from collections.abc import Callable
from pathlib import Path

from mat_jax.study import augmented, studies
from mat_jax.study.claims import (
    JOINT,
    Claim,
    Side,
    compare,
    gain,
    named,
    rank_correlation,
    told,
    verdict,
)
from mat_jax.study.other_tasks import captioning, grounding
from mat_jax.study.published import DEFENSES, MODELS
from mat_jax.study.saved import Shelf, measures
from mat_jax.study.tables import table

MANY = ("pgd", "co_attack", "sga", "vlp_attack")


def findings(shelf: Shelf, results: Path) -> list[Claim]:
    """All claims, in the order of their letters."""
    found = []
    for short in MODELS:
        found += [claim for of in EACH_MODEL for claim in of(shelf, short)]
    for of in ONCE:
        found += of(shelf)
    found += properties(shelf, results)
    return sorted(found, key=lambda claim: claim.letter)


def attacks_in_order(shelf: Shelf, short: str) -> list[Claim]:
    """A: what attacks leave of the undefended model."""
    key = f"main/{short}-none"
    joint = ("co_attack", "sga", "vlp_attack")

    def says(text: str, more: tuple[str, ...], less: tuple[str, ...]) -> Claim:
        sides = [Side(named(attacks), (key,), attacks) for attacks in (more, less)]
        return compare("A", f"{short}, undefended: {text}", shelf, *sides)

    return [
        says("attacks on images leave more than attacks on both", ("pgd",), joint),
        says("attacks on texts leave more than attacks on images", ("bert_attack",), ("pgd",)),
        says("both apart (Sep) leave more than both together (Co)", ("sep",), ("co_attack",)),
        says("Co-Attack leaves more than SGA", ("co_attack",), ("sga",)),
        says("VLP-attack leaves more than SGA", ("vlp_attack",), ("sga",)),
    ]


def unimodal(shelf: Shelf, short: str) -> list[Claim]:
    """B: defences of the image help against PGD far more than against attacks on both."""
    found = []
    for name in ("tecoa", "tecoa_itr", "fare"):
        text = f"{short}: {DEFENSES[name]} gains more under PGD than under Co-Attack and SGA"
        found.append(_gains("B", text, shelf, short, name, "none", ("pgd",), JOINT))
    return found


def _gains(
    letter: str,
    text: str,
    shelf: Shelf,
    short: str,
    name: str,
    base: str,
    more: tuple[str, ...],
    less: tuple[str, ...],
) -> Claim:
    """Whether a defence gains more over another under some attacks than under others."""
    keys = f"main/{short}-{name}", f"main/{short}-{base}"
    one, other = (gain(shelf, *keys, attacks) for attacks in (more, less))
    figures = told((f"gain under {named(more)}", one), (f"under {named(less)}", other))
    return Claim(letter, text, verdict(one, other), figures)


def mat(shelf: Shelf, short: str) -> list[Claim]:
    """C: MAT before TeCoA-ITR before the others, and what it costs."""

    def side(name: str, attacks: tuple[str, ...] = JOINT) -> Side:
        return Side(DEFENSES[name], (f"main/{short}-{name}",), attacks)

    pairs = [("mat", "tecoa_itr"), ("tecoa_itr", "tecoa"), ("tecoa_itr", "fare")]
    pairs += [(name, "none") for name in ("tecoa", "tecoa_itr", "fare", "mat")]
    found = [
        compare(
            "C",
            f"{short}, Co-Attack and SGA: {DEFENSES[a]} > {DEFENSES[b]}",
            shelf,
            side(a),
            side(b),
        )
        for a, b in pairs
    ]
    found += [
        compare(
            "C",
            f"{short}, {named((attack,))}: MAT > {DEFENSES[name]}",
            shelf,
            side("mat", (attack,)),
            side(name, (attack,)),
        )
        for attack in ("sga", "worst_case")
        for name in ("tecoa", "tecoa_itr", "fare")
    ]
    text = f"{short}, clean: MAT costs something against fine-tuning"
    found.append(compare("C", text, shelf, side("fine_tune", ("none",)), side("mat", ("none",))))
    text = f"{short}: MAT gains more over TeCoA-ITR where texts are attacked than under PGD"
    found.append(_gains("C", text, shelf, short, "mat", "tecoa_itr", JOINT, ("pgd",)))
    return found


def mat_plus(shelf: Shelf, short: str) -> list[Claim]:
    """D, the first half: MAT+ before MAT, under attacks on both and under all."""
    found = []
    for attacks in (
        JOINT,
        ("bert_attack",),
        ("sep", *JOINT, "vlp_attack"),
        ("worst_case",),
        ("none",),
    ):
        sides = [
            Side(DEFENSES[name], (f"main/{short}-{name}",), attacks) for name in ("mat_plus", "mat")
        ]
        found.append(compare("D", f"{short}, {named(attacks)}: MAT+ > MAT", shelf, *sides))
    return found


def mmcoa(shelf: Shelf, short: str) -> list[Claim]:
    """G: training both towers against training the image tower, with the same prompts."""
    found = []
    for attacks in (("bert_attack",), JOINT, ("pgd",)):
        sides = [
            Side(DEFENSES[name], (f"main/{short}-{name}",), attacks) for name in ("mmcoa", "tecoa")
        ]
        found.append(compare("G", f"{short}, {named(attacks)}: MMCoA > TeCoA", shelf, *sides))
    return found


def mava_order(shelf: Shelf, short: str) -> list[Claim]:
    """H: MAVA before FARE before TeCoA before nothing; the clean model is kept."""
    order = ("mava", "fare", "tecoa", "none")
    found = []
    for better, worse in zip(order, order[1:], strict=False):
        sides = [Side(DEFENSES[name], (f"main/{short}-{name}",), MANY) for name in (better, worse)]
        text = f"{short}, {named(MANY)}: {sides[0].name} > {sides[1].name}"
        found.append(compare("H", text, shelf, *sides))
    return found


def mava_parts(shelf: Shelf) -> list[Claim]:
    """H, SCA keeps the clean model; I, MAVA's sizes."""

    def side(key: str, name: str, attacks: tuple[str, ...]) -> Side:
        return Side(name, (key,), attacks)

    def grows(text: str, more: str, less: str, attacks: tuple[str, ...]) -> Claim:
        sides = (side(more, "with more", attacks), side(less, "with less", attacks))
        return compare("I", f"clip, {named(attacks)}: {text}", shelf, *sides)

    whole = "mava/whole"
    joint = (*JOINT, "vlp_attack")
    return [
        compare(
            "H",
            "clip, clean: without SCA MAVA loses",
            shelf,
            side(whole, "MAVA", ("none",)),
            side("mava/no_sca", "without SCA", ("none",)),
        ),
        grows("3 neighbours > none", whole, "mava/neighbours_0", joint),
        grows("3 neighbours > 4", whole, "mava/neighbours_4", JOINT),
        grows("5 captions > 1", whole, "mava/texts_1", joint),
        grows("400 updates > 100", "mava/steps_400", "mava/steps_100", joint),
        grows("100 updates > 400", "mava/steps_100", "mava/steps_400", ("none",)),
    ]


def partners(shelf: Shelf) -> list[Claim]:
    """D, the second half: which partners are worth most; each kind's best is not picked."""
    kinds = augmented.KINDS

    def side(name: str, wanted: Callable[[augmented.Kind], bool]) -> Side:
        names = [n for n, kind in kinds.items() if kind.family != augmented.KNOB and wanted(kind)]
        return Side(name, tuple(f"augmentations/{n}" for n in names), JOINT)

    def only(name: str) -> Side:
        return Side(kinds[name].title, (f"augmentations/{name}",), JOINT)

    def says(text: str, more: Side, less: Side) -> Claim:
        return compare("D", f"clip, Co-Attack and SGA: {text}", shelf, more, less)

    original = Side("original pairs", ("budget/original",), JOINT)
    texts = side("texts", lambda kind: not kind.pictures)
    pictures = side("pictures", lambda kind: kind.pictures)

    def crossed(what: str, of_pictures: bool) -> Claim:
        cross, intra = (
            side(family, lambda k, f=family: k.family == f and k.pictures is of_pictures)
            for family in (augmented.CROSS, augmented.INTRA)
        )
        return says(f"cross-modal > intra-modal partner {what}", cross, intra)

    others = side("other texts", lambda kind: not kind.pictures and kind.title != "I2T (Human)")
    return [
        says("partner texts > partner pictures", texts, pictures),
        crossed("texts", False),
        crossed("pictures", True),
        says("I2T (Human) > other texts", only("i2t_human"), others),
        says("I2T (Human) > no partners", only("i2t_human"), original),
        says("no partners > misaligned texts", original, only("i2t_misaligned")),
        says("no partners > misaligned pictures", original, only("t_i2i_misaligned")),
    ]


def properties(shelf: Shelf, results: Path) -> list[Claim]:
    """E: rank correlation of each property with what is right under SGA, over augmentations."""
    found = []
    wanted = {"alignment": 1, "diversity": 1, "frechet": -1, "mmd": -1}
    for pictures, what in ((False, "texts"), (True, "pictures")):
        for name, sign in wanted.items():
            pairs = {}
            for kind_name, kind in augmented.KINDS.items():
                own = measures(results, kind_name)
                robust = shelf.spread(f"augmentations/{kind_name}", "sga")
                if kind.pictures is pictures and own and robust.count:
                    pairs[kind_name] = (float(own[name]), robust.mean)
            rho = rank_correlation(pairs)
            text = f"clip, SGA: {'rises' if sign > 0 else 'falls'} with {name} of partner {what}"
            if math.isnan(rho):
                found.append(Claim("E", text, "not measured", ""))
                continue
            # Beyond what chance gives: the standard error of rho without any relation.
            chance = 1 / math.sqrt(len(pairs) - 1)
            word = "confirmed" if sign * rho > chance else "not confirmed"
            word = "opposite" if -sign * rho > chance else word
            figures = f"Spearman's rho {rho:.2f} over {len(pairs)} augmentations"
            found.append(Claim("E", text, word, figures))
    return found


def numbers(shelf: Shelf) -> list[Claim]:
    """E: more human captions are better; pictures are worth less."""

    def side(name: str, key: str) -> Side:
        return Side(name, (key,), ("sga",))

    none, four = side("no partner", "budget/original"), side("4 texts", "budget/one_to_many")
    one = side("1 text", "counts/texts_2")
    pictures = side("4 pictures", "augmentations/t_i2i")
    return [
        compare("E", "clip, SGA: one more human caption > none", shelf, one, none),
        compare("E", "clip, SGA: four more human captions > one", shelf, four, one),
        compare("E", "clip, SGA: four more captions > four more pictures", shelf, four, pictures),
    ]


def more_pairs(shelf: Shelf) -> list[Claim]:
    """F: new data before 1:N before the same texts as pairs before none.

    1:N twice: with as many pictures seen as the others, and with as many pairs.
    """
    order = [("new", many) for many in ("one_to_many", "one_to_many_short")]
    order += [(many, "pairs") for _, many in order] + [("pairs", "original")]
    found = []
    for better, worse in order:
        sides = [
            Side(studies.BUDGET[name][0], (f"budget/{name}",), JOINT) for name in (better, worse)
        ]
        text = f"clip, Co-Attack and SGA: {sides[0].name} > {sides[1].name}"
        found.append(compare("F", text, shelf, *sides))
    return found


EACH_MODEL: tuple[Callable[[Shelf, str], list[Claim]], ...] = (
    attacks_in_order,
    unimodal,
    mat,
    mat_plus,
    mmcoa,
    mava_order,
)
ONCE: tuple[Callable[[Shelf], list[Claim]], ...] = (
    partners,
    numbers,
    more_pairs,
    mava_parts,
    grounding,
    captioning,
)


def section(shelf: Shelf, results: Path) -> str:
    """The table of all claims."""
    claims = findings(shelf, results)
    if not any(claim.verdict != "not measured" for claim in claims):
        return ""
    rows = [(c.letter, c.text, c.verdict, c.figures) for c in claims]
    return (
        "R@1 left, mean of TR@1 and IR@1, in percent (J: phrases right, or claims and things that "
        "agree), and of several attacks or runs their mean. Confirmed: the difference of the means "
        "is larger than its noise, whose variance is that of both sides over seeds (none where "
        "there is one) plus that of the difference over draws of the test images, which are the "
        "same for both; ± is over seeds alone. A correlation is confirmed where it is larger than "
        "1 / sqrt(n - 1), its standard deviation over n unrelated augmentations."
        f"\n\n{table(['', 'finding', 'on scenes', 'figures'], rows)}"
    )
