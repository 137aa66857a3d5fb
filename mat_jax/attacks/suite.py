"""The attacks by name, with what an evaluation must know of each."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from mat_jax.attacks import image
from mat_jax.attacks.co_attack import co_attack
from mat_jax.attacks.sep import bert_attack, sep
from mat_jax.attacks.sga import sga
from mat_jax.attacks.sga import step_size as sga_step_size
from mat_jax.attacks.threat import ThreatModel
from mat_jax.records import Adversarial


class Attack(NamedTuple):
    """An attack of the suite.

    Attributes:
        function: `(model, batch, key, *, threat, preset) -> Adversarial`.
        title: as papers write it.
        on_images: it moves pictures, within `eps`.
        on_text: it changes words, so a corpus needs candidates.
        contains: attacks that it should do at least the damage of.
        step_size: of its image part, unless the threat says; None: its own, and not to be set.
        steps: of its image part.
        usual: measured unless the attacks are named.
    """

    function: Callable[..., Adversarial]
    title: str
    on_images: bool = False
    on_text: bool = False
    contains: tuple[str, ...] = ()
    step_size: Callable[[ThreatModel], float] | None = image.step_size
    steps: Callable[[ThreatModel], int] = lambda threat: threat.steps
    usual: bool = True


# Those that are asked for by name; their step sizes are their own.
_image = partial(Attack, on_images=True, step_size=None, usual=False)

SUITE = {
    "none": Attack(image.none, "clean"),
    "pgd": Attack(image.pgd_attack, "PGD", on_images=True),
    "bert_attack": Attack(bert_attack, "BERT-Attack", on_text=True),
    "sep": Attack(sep, "Sep-Attack", on_images=True, on_text=True, contains=("pgd", "bert_attack")),
    "co_attack": Attack(
        co_attack, "Co-Attack", on_images=True, on_text=True, contains=("pgd", "bert_attack")
    ),
    "sga": Attack(
        sga,
        "SGA",
        on_images=True,
        on_text=True,
        contains=("pgd", "bert_attack"),
        step_size=sga_step_size,
    ),
    "fgsm": _image(image.fgsm_attack, "FGSM", steps=lambda threat: 1),
    "apgd": _image(image.apgd_attack, "APGD", contains=("fgsm", "square")),
    "square": _image(image.square_attack, "Square", steps=image.proposals),
}
