"""Which findings on grounding and captioning the saved results confirm."""

from mat_jax.study import studies
from mat_jax.study.captioned import WHITE_BOX
from mat_jax.study.claims import JOINT, Claim, Side, compare, named
from mat_jax.study.published import DEFENSES
from mat_jax.study.saved import Shelf


def other_tasks(shelf: Shelf) -> list[Claim]:
    """J: grounding and captioning, MAT and MAT+ before defences of the image.

    And of A what is said of grounding: there Co-Attack is the stronger one.
    """
    pairs = [("mat", other) for other in ("tecoa", "tecoa_itr", "fare", "none")]
    pairs += [("mat_plus", "tecoa_itr"), ("mat_plus", "fare"), ("mava", "none")]
    found = []
    for words in studies.WORDS:
        for pair in pairs:
            more, less = (
                Side(DEFENSES[name], (f"grounding/{words}-{name}",), JOINT) for name in pair
            )
            text = f"albef grounds phrases, {named(JOINT)} with {words} words"
            found.append(compare("J", f"{text}: {more.name} > {less.name}", shelf, more, less))
        weaker, stronger = (
            Side(named((attack,)), (f"grounding/{words}-none",), (attack,))
            for attack in ("sga", "co_attack")
        )
        text = f"albef, undefended, grounds phrases with {words} words: SGA leaves more than"
        found.append(compare("A", f"{text} Co-Attack", shelf, weaker, stronger))
    for attacks, what in ((WHITE_BOX, "attacks on it"), (JOINT, "pictures that attack ALBEF")):
        for pair in (("mat", "fare"), ("mat", "none"), ("mat_plus", "mat")):
            more, less = (Side(DEFENSES[name], (f"captioning/{name}",), attacks) for name in pair)
            text = f"blip describes scenes under {what}: {more.name} > {less.name}"
            found.append(compare("J", text, shelf, more, less))
    return found
