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
        stops: handed a `gallery` (`attacks.Gallery`), it leaves images that are lost in it.
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
        source: the paper it is from, authors and year, and its number on arXiv.
        when: what it is good for, in a sentence or two.
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
    source: str = "ours"
    when: str = ""


# Those that are asked for by name; the first have step sizes of their own.
_image = partial(Attack, on_images=True, step_size=None, usual=False, tasks=PAIRS)
_classes = partial(_image, classifies=True, tasks=ZERO_SHOT)
_captions = partial(_image, captions=True, tasks=CAPTIONING, usual=True)
_both = partial(Attack, on_images=True, on_text=True, usual=False)

ATTACKS = {
    "none": Attack(
        images.no_attack,
        "clean",
        when="Always: it is what all other figures are compared with.",
        tasks=(*PAIRS, *ENTAILMENT, *VQA, *ZERO_SHOT, *CAPTIONING),
    ),
    "pgd": Attack(
        images.pgd_attack,
        "PGD",
        when="A baseline of the image alone, as papers report it. What images alone can do, "
        "apgd tells.",
        source="Madry et al. 2018, arXiv:1706.06083",
        on_images=True,
        stops=True,
    ),
    "bert_attack": Attack(
        bert_attack,
        "BERT-Attack",
        when="A baseline of the text alone, as papers report it.",
        source="Li et al. 2020, arXiv:2004.09984",
        on_text=True,
    ),
    "sep": Attack(
        sep_attack,
        "Sep-Attack",
        when="A baseline: what both halves do where neither knows of the other.",
        source="Zhang et al. 2022, arXiv:2206.09391",
        on_images=True,
        on_text=True,
        contains=("pgd", "bert_attack"),
    ),
    "co_attack": Attack(
        co_attack,
        "Co-Attack",
        when="A cheap joint attack, a fifth of SGA's image passes, and one that most papers "
        "report.",
        source="Zhang et al. 2022, arXiv:2206.09391",
        on_images=True,
        on_text=True,
        contains=("pgd", "bert_attack"),
        stops=True,
    ),
    "sga": Attack(
        sga_attack,
        "SGA",
        when="The published joint attack to report, on the model itself and carried over to "
        "others.",
        source="Lu et al. 2023, arXiv:2307.14061",
        on_images=True,
        on_text=True,
        contains=("pgd", "bert_attack"),
        step_size=sga_step_size,
        stops=True,
    ),
    "sga_plain": _both(
        sga_plain_attack,
        "SGA, no views",
        when="On the model itself, where SGA's views are a cost and no gain.",
        source="ours, of Lu et al. 2023",
        contains=("pgd", "bert_attack"),
        step_size=sga_step_size,
        stops=True,
    ),
    "exhaustive": _both(
        exhaustive_attack,
        "exhaustive",
        when="On the model itself, above all if it was trained against words. It is in all suites.",
        contains=("pgd", "bert_attack", "sga_plain"),
        step_size=sga_step_size,
        stops=True,
    ),
    "dra": _both(
        dra_attack,
        "DRA",
        when="Crafted on one model to carry over to another.",
        source="Gao et al. 2024",
        contains=("pgd", "bert_attack"),
        step_size=sga_step_size,
        batchwise=True,
    ),
    "sa_aet": _both(
        sa_aet_attack,
        "SA-AET",
        when="Crafted on one model to carry over to another, as DRA.",
        source="Jia et al. 2025",
        contains=("pgd", "bert_attack"),
        step_size=sga_step_size,
        gallery=True,
        batchwise=True,
    ),
    "vlp_attack": _both(
        vlp_attack,
        "VLP-attack",
        when="To compare with papers that report it; they give it up to 16/255.",
        source="Wang et al. 2025",
        step_size=vlp_step_size,
        gallery=True,
    ),
    "co_attack_fused": _both(
        co_attack_fused,
        "Co-Attack (fused)",
        when="Models that read picture and text together, beside attacks on their embeddings.",
        source="Zhang et al. 2022, arXiv:2206.09391",
        fuses=True,
    ),
    "match": _both(
        match_attack,
        "match score",
        when="Retrieval by a matching head (ALBEF, TCL, BLIP): the attack that knows of the head.",
        step_size=sga_step_size,
        fuses=True,
        tasks=PAIRS,
    ),
    "verdict": _both(
        verdict_attack,
        "verdict",
        when="Entailment: the attack to believe.",
        step_size=sga_step_size,
        fuses=True,
        usual=True,
        tasks=ENTAILMENT,
    ),
    "answer": _both(
        answer_attack,
        "answer likelihood",
        when="Questions: the attack to believe.",
        step_size=sga_step_size,
        fuses=True,
        usual=True,
        tasks=VQA,
    ),
    "leaf": Attack(
        leaf_attack,
        "LEAF",
        when="Typing errors in the place of other words, as LEAF is measured.",
        source="Rocamora et al. 2025",
        on_text=True,
        usual=False,
        characters=True,
    ),
    "mmcoa_text": Attack(
        mmcoa_text_attack,
        "prompts (BERT-Attack)",
        when="Classification where the adversary may change the prompts alone.",
        source="Zhou et al. 2024, arXiv:2404.19287",
        on_text=True,
        usual=False,
        tasks=ZERO_SHOT,
    ),
    "mmcoa": _both(
        mmcoa_attack,
        "MMCoA",
        when="Classification where images and prompts may change, as MMCoA reports it.",
        source="Zhou et al. 2024, arXiv:2404.19287",
        step_size=mmcoa_step_size,
        tasks=ZERO_SHOT,
    ),
    "mmcoa_joint": _both(
        mmcoa_joint_attack,
        "MMCoA (joint)",
        when="Classification, as mmcoa, with the prompt in the image's objective.",
        source="Zhou et al. 2024, arXiv:2404.19287",
        step_size=mmcoa_step_size,
        tasks=ZERO_SHOT,
    ),
    "pgd_ce": _classes(
        classification.pgd_ce_attack,
        "PGD-CE",
        when="To compare with TeCoA and MMCoA. A claim of robustness needs the suite autoattack.",
        source="Madry et al. 2018, arXiv:1706.06083",
        step_size=lambda threat, preset: step_size(threat),
        usual=True,
    ),
    "apgd_ce": _classes(
        classification.apgd_ce_attack,
        "APGD-CE",
        when="Classification: a strong first look, without a step size to choose.",
        source="Croce and Hein 2020, arXiv:2003.01690",
        usual=True,
    ),
    "apgd_dlr": _classes(
        classification.apgd_dlr_attack,
        "APGD-DLR",
        when="Classification where the logits' scale hides the gradient of the cross-entropy.",
        source="Croce and Hein 2020, arXiv:2003.01690",
    ),
    "apgd_targeted": _classes(
        classification.apgd_targeted_attack,
        "APGD-T",
        when="Classification: with apgd_ce what FARE reports, and nearly all of AutoAttack.",
        source="Croce and Hein 2020, arXiv:2003.01690",
        targeted=True,
        usual=True,
    ),
    "fab_targeted": _classes(
        classification.fab_targeted_attack,
        "FAB-T",
        when="Classification: a member of AutoAttack that looks for the nearest wrong image.",
        source="Croce and Hein 2020, arXiv:1907.02044",
        targeted=True,
    ),
    "square_margin": _classes(
        classification.square_margin_attack,
        "Square (margin)",
        when="Classification without gradients: it finds what a masked gradient hides.",
        source="Andriushchenko et al. 2020, arXiv:1912.00049",
        steps=proposals,
        searches=True,
    ),
    "apgd_ce_rand": _classes(
        random_classification.apgd_ce_rand_attack,
        "APGD-CE (mean of draws)",
        when="Models that draw at random, in the suite autoattack_rand.",
        source="Croce and Hein 2020, arXiv:2003.01690",
        random=True,
    ),
    "apgd_dlr_rand": _classes(
        random_classification.apgd_dlr_rand_attack,
        "APGD-DLR (mean of draws)",
        when="Models that draw at random, in the suite autoattack_rand.",
        source="Croce and Hein 2020, arXiv:2003.01690",
        random=True,
    ),
    "caption_away": _captions(
        caption_away_attack,
        "away from own captions",
        when="Captioners: any other caption will do.",
    ),
    "caption_towards": _captions(
        caption_towards_attack,
        "towards another's captions",
        when="Captioners that are to say a given text.",
        aims=True,
    ),
    "fgsm": _image(
        images.fgsm_attack,
        "FGSM",
        when="The cheapest look, one step. It is no evidence that a model is robust.",
        source="Goodfellow et al. 2015, arXiv:1412.6572",
        steps=lambda threat: 1,
    ),
    "apgd": _image(
        images.apgd_attack,
        "APGD",
        when="Images alone, without a step size to choose.",
        source="Croce and Hein 2020, arXiv:2003.01690",
        contains=("fgsm", "square"),
    ),
    # It contains none: it climbs what TR asks alone, and others may do more to IR.
    "apgd_margin": _image(
        images.apgd_margin_attack,
        "APGD (margin)",
        when="Images alone, where only the nearest caption of each counts (TR@1).",
        source="ours, by APGD of Croce and Hein 2020",
        gallery=True,
    ),
    "square": _image(
        images.square_attack,
        "Square",
        when="Images alone, without gradients: it finds what a masked gradient hides.",
        source="Andriushchenko et al. 2020, arXiv:1912.00049",
        steps=proposals,
        norms=("linf",),
        searches=True,
    ),
}
