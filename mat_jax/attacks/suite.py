"""The attacks by name, with what an evaluation must know of each."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from mat_jax.attacks import classify, image
from mat_jax.attacks.characters import leaf
from mat_jax.attacks.co_attack import co_attack
from mat_jax.attacks.dra import dra
from mat_jax.attacks.exhaustive import exhaustive
from mat_jax.attacks.fused import co_attack_fused, match_attack
from mat_jax.attacks.sa_aet import sa_aet
from mat_jax.attacks.sep import bert_attack, sep
from mat_jax.attacks.sga import sga, sga_plain
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
        step_size: of its image part, unless the threat says; None: its own, and not to be set.
        steps: of its image part; of a search, its proposals.
        usual: measured unless the attacks are named.
        characters: it changes characters, so a corpus needs a table of those edits.
        fuses: it needs a model that reads image and text together.
        norms: in which it works.
        stops: handed a `gallery` (`early.Gallery`), it leaves images that are lost in it.
        gallery: it needs one.
        searches: it takes no gradient: what others call steps are its proposals.
        classifies: it needs a model of `classifies.Classifies` and labels, not captions.
        targeted: handed a `rank`, it makes for one wrong class alone.
        random: the model is one of `classifies.ClassifiesAtRandom`.
    """

    function: Callable[..., Adversarial]
    title: str
    on_images: bool = False
    on_text: bool = False
    contains: tuple[str, ...] = ()
    step_size: image.StepSize | None = image.step_size
    steps: Callable[[ThreatModel], int] = lambda threat: threat.steps
    usual: bool = True
    characters: bool = False
    fuses: bool = False
    norms: tuple[str, ...] = ("linf", "l2")
    stops: bool = False
    gallery: bool = False
    searches: bool = False
    classifies: bool = False
    targeted: bool = False
    random: bool = False


# Those that are asked for by name; the first have step sizes of their own.
_image = partial(Attack, on_images=True, step_size=None, usual=False)
_classes = partial(_image, classifies=True)
_both = partial(Attack, on_images=True, on_text=True, usual=False)

SUITE = {
    "none": Attack(image.none, "clean"),
    "pgd": Attack(image.pgd_attack, "PGD", on_images=True, stops=True),
    "bert_attack": Attack(bert_attack, "BERT-Attack", on_text=True),
    "sep": Attack(sep, "Sep-Attack", on_images=True, on_text=True, contains=("pgd", "bert_attack")),
    "co_attack": Attack(
        co_attack,
        "Co-Attack",
        on_images=True,
        on_text=True,
        contains=("pgd", "bert_attack"),
        stops=True,
    ),
    "sga": Attack(
        sga,
        "SGA",
        on_images=True,
        on_text=True,
        contains=("pgd", "bert_attack"),
        step_size=sga_step_size,
        stops=True,
    ),
    "sga_plain": _both(
        sga_plain,
        "SGA, no views",
        contains=("pgd", "bert_attack"),
        step_size=sga_step_size,
        stops=True,
    ),
    "exhaustive": _both(
        exhaustive,
        "exhaustive",
        contains=("pgd", "bert_attack", "sga_plain"),
        step_size=sga_step_size,
        stops=True,
    ),
    "dra": _both(dra, "DRA", contains=("pgd", "bert_attack"), step_size=sga_step_size),
    "sa_aet": _both(sa_aet, "SA-AET", contains=("pgd", "bert_attack"), step_size=sga_step_size),
    "vlp_attack": _both(vlp_attack, "VLP-attack", step_size=vlp_step_size),
    "co_attack_fused": _both(co_attack_fused, "Co-Attack (fused)", fuses=True),
    "match": _both(match_attack, "match score", step_size=sga_step_size, fuses=True),
    "leaf": Attack(leaf, "LEAF", on_text=True, usual=False, characters=True),
    "fgsm": _image(image.fgsm_attack, "FGSM", steps=lambda threat: 1),
    "apgd": _image(image.apgd_attack, "APGD", contains=("fgsm", "square")),
    # It contains none: it climbs what TR asks alone, and others may do more to IR.
    "apgd_margin": _image(image.apgd_margin_attack, "APGD (margin)", gallery=True),
    "square": _image(
        image.square_attack, "Square", steps=image.proposals, norms=("linf",), searches=True
    ),
    "pgd_ce": _classes(
        classify.pgd_ce_attack,
        "PGD-CE",
        step_size=lambda threat, preset: image.step_size(threat),
    ),
    "apgd_ce": _classes(classify.apgd_ce_attack, "APGD-CE"),
    "apgd_dlr": _classes(classify.apgd_dlr_attack, "APGD-DLR"),
    "apgd_targeted": _classes(classify.apgd_targeted_attack, "APGD-T", targeted=True),
    "fab_targeted": _classes(classify.fab_targeted_attack, "FAB-T", targeted=True),
    "square_margin": _classes(
        classify.square_margin_attack, "Square (margin)", steps=image.proposals, searches=True
    ),
    "apgd_ce_rand": _classes(classify.apgd_ce_rand_attack, "APGD-CE (mean of draws)", random=True),
    "apgd_dlr_rand": _classes(
        classify.apgd_dlr_rand_attack, "APGD-DLR (mean of draws)", random=True
    ),
}
