"""Which findings on tasks other than retrieval the saved results confirm."""

from experiments.study import above, studies
from experiments.study.answered import CLASSIFIED, JUDGED, TRAITS
from experiments.study.captioned import WHITE_BOX
from experiments.study.claims import JOINT, Claim, Side, compare, named
from experiments.study.published import DEFENSES
from experiments.study.saved import Shelf


def grounding(shelf: Shelf) -> list[Claim]:
    """J: phrases grounded, MAT and MAT+ before defences of the image.

    And of A what is said of grounding: there Co-Attack is the stronger one.
    """
    pairs = [("mat", other) for other in ("tecoa", "tecoa_itr", "fare", "none")]
    pairs += [("mat_plus", "tecoa_itr"), ("mat_plus", "fare"), ("mava", "none")]
    titles = {run.name: run.title for run in studies.grounding()}
    found = []
    for words in studies.WORDS:

        def side(name: str, attacks: tuple[str, ...], words: str = words) -> Side:
            title = titles[f"{words}-{name}"] if len(attacks) > 1 else named(attacks)
            return Side(title, (f"grounding/{words}-{name}",), attacks)

        # Ours, where MAT is behind: does it heed words less because it learnt against false ones?
        own = [("mat_truthful", other) for other in ("mat", "none")] if words == "true" else []
        for pair in (*pairs, *own):
            more, less = (side(name, JOINT) for name in pair)
            text = f"albef grounds phrases, {named(JOINT)} with {words} words"
            found.append(compare("J", f"{text}: {more.name} > {less.name}", shelf, more, less))
        text = f"albef, undefended, grounds phrases with {words} words: SGA leaves more than"
        weaker, stronger = side("none", ("sga",)), side("none", ("co_attack",))
        found.append(compare("A", f"{text} Co-Attack", shelf, weaker, stronger))
    return found


def captioning(shelf: Shelf) -> list[Claim]:
    """J: scenes described, MAT before FARE and MAT+ before MAT. I: what MAVA gains there."""
    found = []
    for letter, attacks, what, pairs in (
        ("J", WHITE_BOX, "attacks on it", (("mat", "fare"), ("mat", "none"), ("mat_plus", "mat"))),
        ("J", JOINT, "pictures that attack ALBEF", (("mat", "fare"), ("mat", "none"))),
        ("I", ("sga",), "pictures by which SGA attacks ALBEF", (("mava", "none"),)),
    ):
        for pair in pairs:
            more, less = (Side(DEFENSES[name], (f"captioning/{name}",), attacks) for name in pair)
            text = f"blip describes scenes under {what}: {more.name} > {less.name}"
            found.append(compare(letter, text, shelf, more, less))
    return found


FUSED = ("co_attack", "sga", "co_attack_fused")
# Task -> what is asked, and the attack on the answer itself.
ANSWERED = {"entailment": ("judges sentences", "verdict"), "vqa": ("answers questions", "answer")}


def answers(shelf: Shelf) -> list[Claim]:
    """J: verdicts and answers, MAT before defences of the image. A: Co-Attack before SGA there."""
    found = []
    for task, (what, own) in ANSWERED.items():

        def side(name: str, attacks: tuple[str, ...], task: str = task) -> Side:
            title = JUDGED[name] if len(attacks) > 1 else named(attacks)
            return Side(title, (f"{task}/{name}",), attacks)

        image = ("tecoa_itr", "fare")
        pairs = [("mat", other) for other in (*image, "none")]
        pairs += [("mat_truthful", other) for other in (*image, "mat", "none")]
        pairs += [(other, "none") for other in image]
        for pair in pairs:
            more, less = (side(name, FUSED) for name in pair)
            text = f"albef {what}, {named(FUSED)}: {more.name} > {less.name}"
            found.append(compare("J", text, shelf, more, less))
        for pair in ((name, other) for name in ("mat", "mat_truthful") for other in image):
            more, less = (Side(JUDGED[n], (f"{task}/{n}",), (own,)) for n in pair)
            text = f"albef {what}, {named((own,))}: {more.name} > {less.name}"
            found.append(compare("J", text, shelf, more, less))
        for stronger in ("co_attack", "co_attack_fused"):
            sides = side("none", ("sga",)), side("none", (stronger,))
            text = f"albef, undefended, {what}: SGA leaves more than {named((stronger,))}"
            found.append(compare("A", text, shelf, *sides))
    return found


IMAGES, PROMPTS, BOTH = ("pgd_ce", "apgd_ce"), ("mmcoa_text",), ("mmcoa", "mmcoa_joint")
OTHERS = tuple(trait for trait in TRAITS if trait != "kind")


def classes(shelf: Shelf) -> list[Claim]:
    """G and H where they are about classes, and K: the order of defences in zero-shot accuracy."""
    sets = {"kinds": ("kind",), "other sets": OTHERS}

    def side(name: str, traits: tuple[str, ...], attacks: tuple[str, ...]) -> Side:
        keys = tuple(f"classes/{name}-{trait}" for trait in traits)
        return Side(CLASSIFIED[name], keys, attacks)

    def claim(letter: str, where: str, attacks: tuple[str, ...], more: str, less: str) -> Claim:
        sides = [side(name, sets[where], attacks) for name in (more, less)]
        text = f"{where}, {named(attacks)}: {sides[0].name} > {sides[1].name}"
        return compare(letter, text, shelf, *sides)

    found = []
    for where in sets:
        found += [claim("G", where, of, "mmcoa", "tecoa") for of in (IMAGES, PROMPTS, BOTH)]
        found.append(claim("G", where, ("none",), "none", "mmcoa"))
        order = ("tga_zsr", "pmg_aft", "tecoa", "fare", "none")
        found += [
            claim("K", where, IMAGES, more, less)
            for more, less in zip(order, order[1:], strict=False)
        ]
        found += [claim("K", where, ("none",), "fare", other) for other in order[:3]]
    return found


def aerial(shelf: Shelf) -> list[Claim]:
    """L: of each kind of pairs MAT before plain training; drawn pairs before and behind real ones.

    In retrieval by what SGA and the worst case leave, in classification by the worst case.
    """
    asked = (("none",), ("sga",), ("worst_case",))

    def side(pairs: str, training: str, attacks: tuple[str, ...], *, classes: bool) -> Side:
        key = f"aerial/{above.name_of(pairs, training, classes=classes)}"
        return Side(f"{above.PAIRS[pairs][0]}, {above.TRAININGS[training]}", (key,), attacks)

    comparisons = [((pairs, "mat"), (pairs, "fine_tune")) for pairs in above.PAIRS]
    comparisons += [((pairs, "mat"), (pairs, "tecoa_itr")) for pairs in above.PAIRS]
    comparisons += [(("real", "mat"), ("drawn", "mat")), (("mixed", "mat"), ("drawn", "mat"))]
    comparisons += [(("drawn", "mat"), ("real", "fine_tune"))]
    found = []
    for classes, what in ((False, "retrieval"), (True, "30 classes")):
        for attacks in asked if not classes else (("none",), ("worst_case",)):
            for more, less in comparisons:
                one, other = (side(*of, attacks, classes=classes) for of in (more, less))
                text = f"{what}, {named(attacks)}: {one.name} > {other.name}"
                found.append(compare("L", text, shelf, one, other))
    return found
