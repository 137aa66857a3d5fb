"""Whether the adversary knew what it was up against (Tramèr et al., 2020)."""

from collections.abc import Sequence

from mat_jax.attacks import ATTACKS
from mat_jax.evaluate.checks.sample import judged, open_question
from mat_jax.evaluate.results import Check
from mat_jax.types.protocols import AnswersQuestions, FusesPairs, JudgesPairs


def check_adversary(model: object, attacks: Sequence[str]) -> Check:
    """What is attacked is what answers: of ALBEF, TCL and BLIP image and text read together."""
    name = "attacked score is ranked score"
    real = [attack for attack in attacks if attack != "none"]
    if not real:
        return open_question(name, "Nothing was attacked.")
    if not isinstance(model, FusesPairs):
        return judged(name, True, "Pairs are ranked by the cosine, and that is what is attacked.")
    aware = [attack for attack in real if ATTACKS[attack].fuses]
    if aware:
        said = f"The model reads image and text together, and {' and '.join(aware)} attacked that."
    else:
        kinds = {JudgesPairs: "verdict", AnswersQuestions: "answer"}
        wanted = next((name for kind, name in kinds.items() if isinstance(model, kind)), "match")
        said = (
            "The model reads image and text together, but every attack was on the cosine: add "
            f"{wanted} or co_attack_fused to --attacks before calling the model robust."
        )
    return judged(name, bool(aware), said, attacks=aware)


def white_box(surrogate: bool) -> Check:
    """The adversary had the weights that are measured."""
    if surrogate:
        said = (
            "The attacks were made on another model: this measures how they transfer, and is no "
            "measure of robustness; a white-box attack would leave less."
        )
    else:
        said = "The attacks were made on the very model that is measured."
    return judged("white box", not surrogate, said)
