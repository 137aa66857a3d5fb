"""The defences by name, with the paper each is from and what it is good for."""

from typing import Any, NamedTuple

from mat_jax.defenses.base import Defense
from mat_jax.defenses.fare import FARE
from mat_jax.defenses.fine_tune import FineTune
from mat_jax.defenses.leaf import FARELEAF, LEAF
from mat_jax.defenses.masked_words import MaskedWords
from mat_jax.defenses.mat import MAT
from mat_jax.defenses.mat_plus import MATPlus
from mat_jax.defenses.mava import MAVA
from mat_jax.defenses.mmcoa import MMCoA
from mat_jax.defenses.pmg_aft import PMGAFT
from mat_jax.defenses.qt_aft import QTAFT
from mat_jax.defenses.sim_clip import SimCLIP
from mat_jax.defenses.tecoa import TeCoA
from mat_jax.defenses.tecoa_itr import TeCoAITR
from mat_jax.defenses.tga_zsr import TGAZSR


class Entry(NamedTuple):
    """What is known of a defence besides its code.

    Attributes:
        kind: the class; an experiment names an instance of it.
        source: the paper, authors and year, and its number on arXiv.
        when: what it is good for, in a sentence or two.
    """

    kind: type[Defense[Any]]
    source: str
    when: str


DEFENSES = {
    "FineTune": Entry(
        FineTune,
        "-",
        "The baseline: clean pairs and no attack. What a defence gains, it gains over this.",
    ),
    "MAT": Entry(
        MAT,
        "Waseda et al. 2026, arXiv:2405.18770",
        "Retrieval, where pictures and words are both attacked. It needs pairs, and costs some "
        "clean accuracy.",
    ),
    "MATPlus": Entry(
        MATPlus,
        "Waseda et al. 2026, arXiv:2405.18770",
        "As MAT, where a picture has several captions, or partners can be made for it.",
    ),
    "TeCoAITR": Entry(
        TeCoAITR,
        "Mao et al. 2023, as arXiv:2405.18770 has it",
        "Retrieval, where pictures alone are attacked. It is the peer that MAT is compared with.",
    ),
    "FARE": Entry(
        FARE,
        "Schlarmann et al. 2024, arXiv:2402.12336",
        "Pictures without captions or labels. Whatever was built on the original image tower still "
        "fits.",
    ),
    "SimCLIP": Entry(
        SimCLIP,
        "Hossain and Imteaj 2024, arXiv:2407.14971",
        "As FARE, with the model's own clean view in the place of the original's.",
    ),
    "LEAF": Entry(
        LEAF,
        "Rocamora et al. 2025",
        "Captions without pictures, against typing errors. The image tower stays.",
    ),
    "FARELEAF": Entry(
        FARELEAF,
        "Rocamora et al. 2025",
        "Both towers, each held to the original by itself: pictures against pixels, captions "
        "against typing errors.",
    ),
    "MAVA": Entry(
        MAVA,
        "Wang et al. 2025",
        "Pictures with several captions, where the clean model must be kept. Words are not "
        "attacked.",
    ),
    "QTAFT": Entry(
        QTAFT,
        "Waseda et al. 2025, arXiv:2507.16257",
        "Pictures with captions but no labels, for zero-shot classification.",
    ),
    "TeCoA": Entry(
        TeCoA,
        "Mao et al. 2023, arXiv:2212.07016",
        "Classified pictures, for zero-shot classification. It forgets what its classes do not "
        "name.",
    ),
    "PMGAFT": Entry(
        PMGAFT,
        "Wang et al. 2024, arXiv:2401.04350",
        "As TeCoA, held to what the original says of the same picture.",
    ),
    "TGAZSR": Entry(
        TGAZSR,
        "Yu et al. 2024, arXiv:2410.21802",
        "As TeCoA, held to where the original looks. For CLIP alone.",
    ),
    "MMCoA": Entry(
        MMCoA,
        "Zhou et al. 2024, arXiv:2404.19287",
        "Classified pictures, where class prompts may be attacked too.",
    ),
    "MaskedWords": Entry(
        MaskedWords,
        "Devlin et al. 2019",
        "No defence: it trains the language model that proposes substitutes on captions of yours.",
    ),
}
