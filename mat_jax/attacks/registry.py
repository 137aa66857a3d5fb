"""The attacks by name, with what an evaluation must know of each."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from mat_jax.attacks import classification, images, random_classification
from mat_jax.attacks.answers import answer_attack
from mat_jax.attacks.captioner import caption_away_attack, caption_towards_attack
from mat_jax.attacks.characters import leaf_attack
from mat_jax.attacks.coattack import co_attack
from mat_jax.attacks.dra import dra_attack
from mat_jax.attacks.exhaustive import exhaustive_attack
from mat_jax.attacks.fused import co_attack_fused, match_attack, verdict_attack
from mat_jax.attacks.mmcoa import mmcoa_attack, mmcoa_joint_attack, mmcoa_text_attack
from mat_jax.attacks.mmcoa import step_size as mmcoa_step_size
from mat_jax.attacks.sa_aet import sa_aet_attack
from mat_jax.attacks.sep import bert_attack, sep_attack
from mat_jax.attacks.sga import sga_attack, sga_plain_attack
from mat_jax.attacks.sga import step_size as sga_step_size
from mat_jax.attacks.threat import Preset, StepSize, ThreatModel, proposals, step_size
from mat_jax.attacks.vlp import step_size as vlp_step_size
from mat_jax.attacks.vlp import vlp_attack
from mat_jax.types.arrays import Adversarial

PAIRS = ("retrieval", "grounding")  # tasks whose images and texts belong together
ENTAILMENT = ("entailment",)  # there they need not
VQA = ("vqa",)  # texts are questions
ZERO_SHOT = ("zero_shot",)
CAPTIONING = ("captioning",)


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
        tasks: of which the attack is made; of others it may mean nothing.
        characters: it changes characters, so a corpus needs a table of those edits.
        fuses: it needs a model that reads image and text together.
        norms: in which it works.
        stops: handed a `gallery` (`early.Gallery`), it leaves images that are lost in it.
        gallery: it is handed one.
        classifies: it needs a model of `types.Classifies` and labels, not captions.
        targeted: handed a `rank`, it makes for one wrong class alone.
        random: the model is one of `types.ClassifiesAtRandom`.
        passes: `(threat, preset) -> (forwards, backwards)` of the image encoder for one image; None
            where `attacks.cost` counts them. An attack on images without either has no forecast.
        batchwise: under `official` it decides once for a whole batch, as the released program does.
        searches: it takes no gradient: what others call steps are its proposals.
        captions: it needs a model that writes captions (`types.Captions`).
        aims: it is handed `aims`, the texts that the model is to say.
    """

    function: Callable[..., Adversarial]
    title: str
    on_images: bool = False
    on_text: bool = False
    contains: tuple[str, ...] = ()
    step_size: StepSize | None = step_size
    steps: Callable[[ThreatModel], int] = lambda threat: threat.steps
    usual: bool = True
    tasks: tuple[str, ...] = (*PAIRS, *ENTAILMENT, *VQA)
    characters: bool = False
    fuses: bool = False
    norms: tuple[str, ...] = ("linf", "l2")
    stops: bool = False
    gallery: bool = False
    passes: Callable[[ThreatModel, Preset], tuple[int, int]] | None = None
    batchwise: bool = False
    classifies: bool = False
    targeted: bool = False
    random: bool = False
    searches: bool = False
    captions: bool = False
    aims: bool = False


# Those that are asked for by name; the first have step sizes of their own.
_image = partial(Attack, on_images=True, step_size=None, usual=False, tasks=PAIRS)
_classes = partial(_image, classifies=True, tasks=ZERO_SHOT)
_captions = partial(_image, captions=True, tasks=CAPTIONING, usual=True)
_both = partial(Attack, on_images=True, on_text=True, usual=False)

ATTACKS = {
    "none": Attack(
        images.no_attack, "clean", tasks=(*PAIRS, *ENTAILMENT, *VQA, *ZERO_SHOT, *CAPTIONING)
    ),
    "pgd": Attack(images.pgd_attack, "PGD", on_images=True, stops=True),
    "bert_attack": Attack(bert_attack, "BERT-Attack", on_text=True),
    "sep": Attack(
        sep_attack, "Sep-Attack", on_images=True, on_text=True, contains=("pgd", "bert_attack")
    ),
    "co_attack": Attack(
        co_attack,
        "Co-Attack",
        on_images=True,
        on_text=True,
        contains=("pgd", "bert_attack"),
        stops=True,
    ),
    "sga": Attack(
        sga_attack,
        "SGA",
        on_images=True,
        on_text=True,
        contains=("pgd", "bert_attack"),
        step_size=sga_step_size,
        stops=True,
    ),
    "sga_plain": _both(
        sga_plain_attack,
        "SGA, no views",
        contains=("pgd", "bert_attack"),
        step_size=sga_step_size,
        stops=True,
    ),
    "exhaustive": _both(
        exhaustive_attack,
        "exhaustive",
        contains=("pgd", "bert_attack", "sga_plain"),
        step_size=sga_step_size,
        stops=True,
    ),
    "dra": _both(
        dra_attack,
        "DRA",
        contains=("pgd", "bert_attack"),
        step_size=sga_step_size,
        batchwise=True,
    ),
    "sa_aet": _both(
        sa_aet_attack,
        "SA-AET",
        contains=("pgd", "bert_attack"),
        step_size=sga_step_size,
        gallery=True,
        batchwise=True,
    ),
    "vlp_attack": _both(vlp_attack, "VLP-attack", step_size=vlp_step_size, gallery=True),
    "co_attack_fused": _both(co_attack_fused, "Co-Attack (fused)", fuses=True),
    "match": _both(match_attack, "match score", step_size=sga_step_size, fuses=True, tasks=PAIRS),
    "verdict": _both(
        verdict_attack,
        "verdict",
        step_size=sga_step_size,
        fuses=True,
        usual=True,
        tasks=ENTAILMENT,
    ),
    "answer": _both(
        answer_attack,
        "answer likelihood",
        step_size=sga_step_size,
        fuses=True,
        usual=True,
        tasks=VQA,
    ),
    "leaf": Attack(leaf_attack, "LEAF", on_text=True, usual=False, characters=True),
    "mmcoa_text": Attack(
        mmcoa_text_attack, "prompts (BERT-Attack)", on_text=True, usual=False, tasks=ZERO_SHOT
    ),
    "mmcoa": _both(mmcoa_attack, "MMCoA", step_size=mmcoa_step_size, tasks=ZERO_SHOT),
    "mmcoa_joint": _both(
        mmcoa_joint_attack, "MMCoA (joint)", step_size=mmcoa_step_size, tasks=ZERO_SHOT
    ),
    "pgd_ce": _classes(
        classification.pgd_ce_attack,
        "PGD-CE",
        step_size=lambda threat, preset: step_size(threat),
        usual=True,
    ),
    "apgd_ce": _classes(classification.apgd_ce_attack, "APGD-CE", usual=True),
    "apgd_dlr": _classes(classification.apgd_dlr_attack, "APGD-DLR"),
    "apgd_targeted": _classes(
        classification.apgd_targeted_attack, "APGD-T", targeted=True, usual=True
    ),
    "fab_targeted": _classes(classification.fab_targeted_attack, "FAB-T", targeted=True),
    "square_margin": _classes(
        classification.square_margin_attack,
        "Square (margin)",
        steps=proposals,
        searches=True,
    ),
    "apgd_ce_rand": _classes(
        random_classification.apgd_ce_rand_attack, "APGD-CE (mean of draws)", random=True
    ),
    "apgd_dlr_rand": _classes(
        random_classification.apgd_dlr_rand_attack, "APGD-DLR (mean of draws)", random=True
    ),
    "caption_away": _captions(caption_away_attack, "away from own captions"),
    "caption_towards": _captions(caption_towards_attack, "towards another's captions", aims=True),
    "fgsm": _image(images.fgsm_attack, "FGSM", steps=lambda threat: 1),
    "apgd": _image(images.apgd_attack, "APGD", contains=("fgsm", "square")),
    # It contains none: it climbs what TR asks alone, and others may do more to IR.
    "apgd_margin": _image(images.apgd_margin_attack, "APGD (margin)", gallery=True),
    "square": _image(
        images.square_attack, "Square", steps=proposals, norms=("linf",), searches=True
    ),
}
