"""The attacks by name, with what an evaluation must know of each."""

from collections.abc import Callable
from typing import NamedTuple

from mat_jax.attacks import image
from mat_jax.attacks.characters import leaf
from mat_jax.attacks.co_attack import co_attack
from mat_jax.attacks.dra import dra
from mat_jax.attacks.fused import co_attack_fused, match_attack
from mat_jax.attacks.sa_aet import sa_aet
from mat_jax.attacks.sep import bert_attack, sep
from mat_jax.attacks.sga import sga
from mat_jax.attacks.sga import step_size as sga_step_size
from mat_jax.attacks.threat import ThreatModel
from mat_jax.attacks.vlp_attack import step_size as vlp_step_size
from mat_jax.attacks.vlp_attack import vlp_attack
from mat_jax.records import Adversarial


class Attack(NamedTuple):
    """An attack of the suite.

    Attributes:
        function: `(model, batch, key, *, threat, preset) -> Adversarial`.
        title: as papers write it.
        on_images: it moves pictures, within `eps`.
        on_text: it changes words, so a corpus needs candidates.
        contains: attacks that it should do at least the damage of.
        step_size: of its image part, unless the threat says.
        characters: it changes characters, so a corpus needs a table of those edits.
        fuses: it needs a model that reads image and text together.
    """

    function: Callable[..., Adversarial]
    title: str
    on_images: bool = False
    on_text: bool = False
    contains: tuple[str, ...] = ()
    step_size: Callable[[ThreatModel], float] = image.step_size
    characters: bool = False
    fuses: bool = False


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
    "dra": Attack(
        dra,
        "DRA",
        on_images=True,
        on_text=True,
        contains=("pgd", "bert_attack"),
        step_size=sga_step_size,
    ),
    "sa_aet": Attack(
        sa_aet,
        "SA-AET",
        on_images=True,
        on_text=True,
        contains=("pgd", "bert_attack"),
        step_size=sga_step_size,
    ),
    "leaf": Attack(leaf, "LEAF", on_text=True, characters=True),
    "vlp_attack": Attack(
        vlp_attack, "VLP-attack", on_images=True, on_text=True, step_size=vlp_step_size
    ),
    "co_attack_fused": Attack(
        co_attack_fused, "Co-Attack (fused)", on_images=True, on_text=True, fuses=True
    ),
    "match": Attack(
        match_attack,
        "match score",
        on_images=True,
        on_text=True,
        step_size=sga_step_size,
        fuses=True,
    ),
}
