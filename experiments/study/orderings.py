"""Which findings of the papers the saved results confirm, claim by claim.

The findings A to K are those of the papers that this project looks for; L is what
`experiments/papers/align_rsicd.py` asks. Each is broken into comparisons of R@1 left, the mean of
TR@1 and IR@1, or of what is still right in other tasks (`claims`).
"""

from collections.abc import Callable
from pathlib import Path

from experiments.study.claims import (
    JOINT,
    Claim,
    Side,
    compare,
    gains,
    named,
    seed_by_seed,
    told,
    verdict,
)
from experiments.study.one_to_many import more_pairs, numbers, partners, properties
from experiments.study.other_tasks import aerial, answers, captioning, classes, grounding
from experiments.study.published import DEFENSES, MODELS, UNIMODAL
from experiments.study.saved import Shelf
from experiments.study.tables import table

# What the papers on MAT (A to F, J), MMCoA (G), MAVA (H, I) and TGA-ZSR (K) found.
FINDINGS = {
    "A": "Attacks on both modalities do more than attacks on one, and together more than apart",
    "B": "Defences of the image help against images, and little against both",
    "C": "MAT is ahead of TeCoA-ITR, and that of TeCoA, FARE and none; clean it costs something",
    "D": "MAT+ is ahead of MAT; texts before pictures, the other modality's before the own",
    "E": "More partners help; so do alignment and diversity, and a small distribution gap",
    "F": "New pairs are best, then 1:N, then the same as pairs of their own, then nothing",
    "G": "MMCoA, which trains both towers, is ahead of training one, and costs clean",
    "H": "MAVA is ahead of FARE, that of TeCoA, that of none; clean is kept, by SCA",
    "I": "MAVA gains by neighbours up to three, by captions and by updates",
    "J": "In grounding, captioning, entailment and questions too MAT and MAT+ are ahead",
    "K": "In classes TGA-ZSR is ahead of PMG-AFT, that of TeCoA, FARE, none; FARE keeps most clean",
    "L": "MAT makes models of drawn pairs robust on real pictures (a question of ours)",
}
RULE = (
    "R@1 left, mean of TR@1 and IR@1, in percent (J, K: phrases, verdicts, answers or classes "
    "right, or claims and things that agree), and of several attacks or runs their mean. Of each "
    "side the standard deviation "
    "over its seeds; after the colon the difference and its noise: the standard deviation it "
    "would have in other trainings and on other test images (`experiments/study/claims.py`). "
    "Confirmed is what is above twice its noise, likely what is above its noise; where a claim "
    "allows for a loss, those points are added to the difference first. If there were nothing but "
    "noise, about 2 and 16 of a hundred claims would be. A correlation has the same odds."
)
MANY = ("pgd", "co_attack", "sga", "vlp_attack")
KEPT = 3.0  # points of clean R@1 that a defence said to keep the clean model may cost; ours


def findings(shelf: Shelf, results: Path) -> list[Claim]:
    """All claims, in the order of their letters."""
    found = []
    for short in MODELS:
        found += [claim for of in EACH_MODEL for claim in of(shelf, short)]
        found += properties(shelf, results, short)
    for of in ONCE:
        found += of(shelf)
    return sorted(found, key=lambda claim: claim.letter)


def attacks_in_order(shelf: Shelf, short: str) -> list[Claim]:
    """A: what attacks leave of the undefended model."""
    key = f"main/{short}-none"

    def says(text: str, more: str, less: str) -> Claim:
        sides = [Side(named((attack,)), (key,), (attack,)) for attack in (more, less)]
        return compare("A", f"{short}, undefended: {text}", shelf, *sides)

    return [
        *(
            says(f"attacks on images leave more than {named((attack,))}", "pgd", attack)
            for attack in (*JOINT, "vlp_attack")
        ),
        says("attacks on texts leave more than attacks on images", "bert_attack", "pgd"),
        says("both apart (Sep) leave more than both together (Co)", "sep", "co_attack"),
        says("Co-Attack leaves more than SGA", "co_attack", "sga"),
        says("VLP-attack leaves more than SGA", "vlp_attack", "sga"),
    ]


def unimodal(shelf: Shelf, short: str) -> list[Claim]:
    """B: defences of the image help against PGD far more than against attacks on both."""
    found = []
    for name in UNIMODAL:
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
    """Whether a defence gains more over another under some attacks than under others.

    Both gains are of the same trainings.
    """
    keys = f"main/{short}-{name}", f"main/{short}-{base}"
    one, other = gains(shelf, *keys, more, less)
    between = seed_by_seed(one, other)
    sides = (f"gain under {named(more)}", one), (f"under {named(less)}", other)
    return Claim(letter, text, verdict(between), told(*sides, between))


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
        for name in UNIMODAL
    ]
    text = f"{short}, clean: MAT costs something against fine-tuning"
    found.append(compare("C", text, shelf, side("fine_tune", ("none",)), side("mat", ("none",))))
    text = f"{short}: MAT gains more over TeCoA-ITR where texts are attacked than under PGD"
    found.append(_gains("C", text, shelf, short, "mat", "tecoa_itr", JOINT, ("pgd",)))
    return found


def mat_by_cost(shelf: Shelf) -> list[Claim]:
    """C once more: MAT before what the others become in as much computing (TeCoA in 0.9 of it)."""
    return [
        compare(
            "C",
            f"clip, {named(attacks)}: MAT > {DEFENSES[name]} in twice the steps",
            shelf,
            Side("MAT", ("main/clip-mat",), attacks),
            Side(DEFENSES[name], (f"longer/clip-{name}",), attacks),
        )
        for attacks in (JOINT, ("sga",), ("worst_case",))
        for name in UNIMODAL
    ]


def mat_plus(shelf: Shelf, short: str) -> list[Claim]:
    """D, the first half: MAT+ before MAT, under attacks on both and under all."""
    return _before(shelf, short, f"main/{short}-mat", "MAT")


def mat_plus_by_cost(shelf: Shelf) -> list[Claim]:
    """D once more: MAT+ before what MAT becomes in as much computing."""
    return _before(shelf, "clip", "beyond/test-longer", "MAT of as much computing")


def _before(shelf: Shelf, short: str, key: str, name: str) -> list[Claim]:
    """MAT+ is ahead of that run."""
    plus = (DEFENSES["mat_plus"], (f"main/{short}-mat_plus",))
    return [
        compare(
            "D",
            f"{short}, {named(attacks)}: MAT+ > {name}",
            shelf,
            Side(*plus, attacks),
            Side(name, (key,), attacks),
        )
        for attacks in (
            JOINT,
            ("bert_attack",),
            ("sep", *JOINT, "vlp_attack"),
            ("worst_case",),
            ("none",),
        )
    ]


def mmcoa(shelf: Shelf, short: str) -> list[Claim]:
    """G, in retrieval; MMCoA's paper classifies."""
    keys = [f"main/{short}-{name}" for name in ("mmcoa", "tecoa", "none")]
    return _both_towers(shelf, short, *keys)


def mmcoa_gently(shelf: Shelf) -> list[Claim]:
    """G once more, at a learning rate that leaves more of the clean model."""
    keys = "gentle/clip-mmcoa", "gentle/clip-tecoa", "main/clip-none"
    return _both_towers(shelf, "clip, a tenth of the learning rate", *keys)


def _both_towers(shelf: Shelf, where: str, mmcoa: str, tecoa: str, none: str) -> list[Claim]:
    """Training both towers against the image tower, with the same prompts; what it costs clean."""

    def claim(text: str, better: Side, worse: Side) -> Claim:
        return compare("G", f"{where}, {named(better.attacks)}: {text}", shelf, better, worse)

    found = [
        claim("MMCoA > TeCoA", Side("MMCoA", (mmcoa,), attacks), Side("TeCoA", (tecoa,), attacks))
        for attacks in (("bert_attack",), JOINT, ("pgd",))
    ]
    sides = Side("none", (none,), ("none",)), Side("MMCoA", (mmcoa,), ("none",))
    return [*found, claim("MMCoA costs something", *sides)]


def mava_order(shelf: Shelf, short: str) -> list[Claim]:
    """H: MAVA before FARE before TeCoA before nothing; the clean model is kept."""
    order = ("mava", "fare", "tecoa", "none")
    found = []
    for better, worse in zip(order, order[1:], strict=False):
        sides = [Side(DEFENSES[name], (f"main/{short}-{name}",), MANY) for name in (better, worse)]
        text = f"{short}, {named(MANY)}: {sides[0].name} > {sides[1].name}"
        found.append(compare("H", text, shelf, *sides))
    sides = [
        Side(DEFENSES[name], (f"main/{short}-{name}",), ("none",)) for name in ("mava", "none")
    ]
    text = f"{short}, clean: MAVA costs less than {KEPT:g} points"
    return [*found, compare("H", text, shelf, *sides, margin=KEPT)]


def mava_gently(shelf: Shelf) -> list[Claim]:
    """H once more, at a learning rate that was not chosen under MAT."""
    runs = [("MAVA", "mava"), ("FARE", "fare"), ("TeCoA", "tecoa")]
    sides = [Side(title, (f"gentle/clip-{name}",), MANY) for title, name in runs]
    where = f"clip, a tenth of the learning rate, {named(MANY)}"
    return [
        compare("H", f"{where}: {more.name} > {less.name}", shelf, more, less)
        for more, less in zip(sides, sides[1:], strict=False)
    ]


def mava_parts(shelf: Shelf) -> list[Claim]:
    """H, what each part of MAVA is for (its table 4); I, MAVA's sizes."""

    def side(key: str, name: str, attacks: tuple[str, ...]) -> Side:
        return Side(name, (key,), attacks)

    def beats(better: tuple[str, str], worse: tuple[str, str], attacks: tuple[str, ...]) -> Claim:
        (_, more), (_, less) = better, worse
        sides = (side(*better, attacks), side(*worse, attacks))
        return compare("I", f"clip, {named(attacks)}: {more} > {less}", shelf, *sides)

    def needs(part: str, attacks: tuple[str, ...]) -> Claim:
        without = side(f"mava/no_{part}", f"without {part.upper()}", attacks)
        text = f"clip, {named(attacks)}: without {part.upper()} MAVA loses"
        return compare("H", text, shelf, side(whole, "MAVA", attacks), without)

    whole = "mava/whole"
    neighbours = whole, "3 neighbours"
    four = "mava/neighbours_4", "4 neighbours"
    few, many = ("mava/steps_100", "100 updates"), ("mava/steps_400", "400 updates")
    joint = (*JOINT, "vlp_attack")
    return [
        *(needs(part, attacks) for part in ("cms", "vsse", "sca") for attacks in (("none",), MANY)),
        beats(neighbours, ("mava/neighbours_0", "none"), joint),
        beats(neighbours, four, JOINT),
        beats(four, neighbours, ("vlp_attack",)),
        beats((whole, "5 captions"), ("mava/texts_1", "1 caption"), joint),
        beats(many, few, joint),
        beats(few, many, ("none",)),
    ]


EACH_MODEL: tuple[Callable[[Shelf, str], list[Claim]], ...] = (
    attacks_in_order,
    unimodal,
    mat,
    mat_plus,
    partners,
    more_pairs,
    mmcoa,
    mava_order,
)
ONCE: tuple[Callable[[Shelf], list[Claim]], ...] = (
    mat_by_cost,
    mat_plus_by_cost,
    numbers,
    mmcoa_gently,
    mava_gently,
    mava_parts,
    grounding,
    captioning,
    answers,
    classes,
    aerial,
)


def section(shelf: Shelf, results: Path) -> str:
    """A table a letter."""
    claims = findings(shelf, results)
    if not any(claim.verdict != "not measured" for claim in claims):
        return ""
    tables = [
        f"**{letter}. {said}**\n\n{table(['finding', 'on scenes', 'figures'], rows)}"
        for letter, said in FINDINGS.items()
        if (rows := [(c.text, c.verdict, c.figures) for c in claims if c.letter == letter])
    ]
    return "\n\n".join([RULE, *tables])
