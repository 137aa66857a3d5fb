"""What the saved results say of partners: which kinds, how many, how made use of, and why.

The second half of finding D, and findings E and F (`orderings`).
"""

from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist

from experiments.study import augmented, studies
from experiments.study.claims import JOINT, Claim, Side, compare, named
from experiments.study.published import named_on
from experiments.study.saved import Shelf, measures
from mat_jax.evaluate.statistics import by_chance, graded, rank_correlation


def partners(shelf: Shelf, short: str) -> list[Claim]:
    """D, the second half: which partners are worth most; no kind is picked for its figures."""
    kinds = augmented.KINDS
    whole = [name for name, kind in kinds.items() if kind.family != augmented.KNOB]

    def side(name: str, wanted: Callable[[augmented.Kind], bool]) -> Side:
        names = [n for n in whole if wanted(kinds[n])]
        return Side(name, tuple(_augmented(short, n) for n in names), JOINT)

    def only(name: str, attacks: tuple[str, ...] = JOINT) -> Side:
        return Side(kinds[name].title, (_augmented(short, name),), attacks)

    def original(attacks: tuple[str, ...] = JOINT) -> Side:
        return Side("original pairs", (_budgeted(short, "original"),), attacks)

    def says(text: str, more: Side, less: Side) -> Claim:
        where = "Co-Attack and SGA" if more.attacks == JOINT else named(more.attacks)
        return compare("D", f"{short}, {where}: {text}", shelf, more, less)

    texts = side("texts", lambda kind: not kind.pictures)
    pictures = side("pictures", lambda kind: kind.pictures)

    def crossed(what: str, of_pictures: bool) -> Claim:
        cross, intra = (
            side(family, lambda k, f=family: k.family == f and k.pictures is of_pictures)
            for family in (augmented.CROSS, augmented.INTRA)
        )
        return says(f"cross-modal > intra-modal partner {what}", cross, intra)

    def placed(name: str, attacks: tuple[str, ...]) -> Claim:
        text = f"{kinds[name].title} > no partners"
        return says(text, only(name, attacks), original(attacks))

    others = side("other texts", lambda kind: not kind.pictures and kind.title != "I2T (Human)")
    return [
        says("partner texts > partner pictures", texts, pictures),
        crossed("texts", False),
        crossed("pictures", True),
        says("I2T (Human) > other texts", only("i2t_human"), others),
        *(placed(name, JOINT) for name in whole),
        *(placed(name, ("bert_attack",)) for name in whole if not kinds[name].pictures),
        says("no partners > misaligned texts", original(), only("i2t_misaligned")),
        says("no partners > misaligned pictures", original(), only("t_i2i_misaligned")),
    ]


def _augmented(short: str, name: str) -> str:
    return f"augmentations/{named_on(short, name)}"


def _budgeted(short: str, name: str) -> str:
    return f"budget/{named_on(short, name)}"


def properties(shelf: Shelf, results: Path, short: str) -> list[Claim]:
    """E: rank correlation of each property with what is right under SGA, over augmentations.

    The odds are those of other claims: by chance alone, in all orders of the augmentations, a
    correlation as high is "likely" in 16 of 100 cases and "confirmed" in 2.
    """
    found = []
    wanted = {"alignment": 1, "diversity": 1, "frechet": -1, "mmd": -1}
    for pictures, what in ((False, "texts"), (True, "pictures")):
        for name, sign in wanted.items():
            pairs, single = {}, False
            for kind_name, kind in augmented.KINDS.items():
                own = measures(results, kind_name)
                robust = shelf.spread(_augmented(short, kind_name), "sga")
                if kind.pictures is pictures and own and name in own and robust.count:
                    pairs[kind_name] = (float(own[name]), sign * robust.mean)
                    single |= robust.count == 1
            way = "rises" if sign > 0 else "falls"
            text = f"{short}, SGA: {way} with {name} of partner {what}"
            found.append(Claim("E", text, *_correlated(pairs, sign, single)))
    return found


def _correlated(pairs: dict[str, tuple[float, float]], sign: int, single: bool) -> tuple[str, str]:
    """The verdict on a correlation that should be above 0, and its figures."""
    rho = rank_correlation(pairs)
    if rho != rho:
        return "not measured", ""
    chance = by_chance(pairs)
    against = by_chance({name: (x, -y) for name, (x, y) in pairs.items()})
    # So many standard deviations of a normal variable are passed by chance as often; of values with
    # many ties both are above a half.
    normal, rises = NormalDist(), chance < against
    score = max(normal.inv_cdf(1 - chance), 0.0) if rises else min(normal.inv_cdf(against), 0.0)
    whole = {n: of for n, of in pairs.items() if augmented.KINDS[n].family != augmented.KNOB}
    odds = f"{100 * min(chance, against):.0f} %"
    told = f"{round(sign * rho, 2) + 0.0:.2f}"  # not "-0.00"
    figures = f"Spearman's rho {told} over {len(pairs)} augmentations, by chance in {odds}"
    if len(whole) < len(pairs):
        alone = rank_correlation(whole)
        of = f"{sign * alone:.2f}" if alone == alone else "none"
        figures += f"; {of} over the {len(whole)} that are neither misaligned nor shifted"
    return graded(score) + (" (one seed)" if single else ""), figures


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


def more_pairs(shelf: Shelf, short: str) -> list[Claim]:
    """F: new data before 1:N before the same texts as pairs before none.

    1:N twice: with as many pictures seen as the others, and with as many pairs.
    """
    order = [("new", many) for many in ("one_to_many", "one_to_many_short")]
    order += [(many, "pairs") for _, many in order] + [("pairs", "original")]
    found = []
    for better, worse in order:
        sides = [
            Side(studies.BUDGET[name][0], (_budgeted(short, name),), JOINT)
            for name in (better, worse)
        ]
        text = f"{short}, Co-Attack and SGA: {sides[0].name} > {sides[1].name}"
        found.append(compare("F", text, shelf, *sides))
    return found
