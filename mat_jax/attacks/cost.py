"""What attacks cost, in passes through the encoders, counted from their settings beforehand."""

from typing import NamedTuple

from mat_jax.attacks.characters import POSITIONS
from mat_jax.attacks.classification import TARGETS
from mat_jax.attacks.dra import SAMPLES
from mat_jax.attacks.expectation import DRAWS
from mat_jax.attacks.optimizers.views import SCALES
from mat_jax.attacks.registry import ATTACKS
from mat_jax.attacks.threat import Preset, ThreatModel, proposals
from mat_jax.attacks.vlp import COPIES
from mat_jax.data.substitutes.characters import CHARACTERS

VIEWS = 1 + len(SCALES)


class Passes(NamedTuple):
    """Passes for one image with its captions; those of images are exact."""

    image_forwards: int
    image_backwards: int
    text_forwards: float

    @property
    def weight(self) -> int:
        """Image passes in forwards: a backward pass costs two."""
        return self.image_forwards + 2 * self.image_backwards


def passes(
    attack: str,
    threat: ThreatModel,
    *,
    preset: Preset = "strict",
    captions: float = 5.0,
    open_words: float = 7.0,
) -> Passes:
    """What an attack of `attacks.ATTACKS` costs for one image with its captions.

    An attack on words encodes each caption itself, without each of its open words, and with each
    candidate for the most important one: `1 + open_words + candidates`. Later passes over the same
    captions reuse these; more words that may change cost their candidates in every pass. A
    caption that no candidate harms has more words visited than counted here.

    Args:
        attack: its name.
        threat: steps, restarts, words and candidates.
        preset: see `attacks`.
        captions: of an image.
        open_words: words of a caption that have candidates.

    >>> passes("pgd", ThreatModel(steps=10))
    Passes(image_forwards=12, image_backwards=10, text_forwards=0.0)
    >>> passes("sga", ThreatModel(steps=10)).weight
    153
    """
    forwards, backwards = _image_passes(attack, threat, preset)
    each = float(attack in ("fgsm", "apgd", "square"))  # away from captions, which are read once
    if ATTACKS[attack].captions:  # every look at an image is a look at its captions, and back
        each = forwards + 2 * backwards
    elif ATTACKS[attack].characters:
        each = 1 + POSITIONS + len(CHARACTERS)  # at most
    elif ATTACKS[attack].on_text:
        again = 1 + int(attack in ("sga", "sga_plain", "dra", "sa_aet", "vlp_attack"))
        more = again * max(threat.words - 1, 0)
        each = 1 + open_words + threat.candidates * (1 + more)
        if attack == "exhaustive":
            # A word is replaced once.
            each = 1 + sum(max(open_words - n, 0) for n in range(threat.words)) * threat.candidates
        if attack in ("match", "verdict", "answer"):
            # Scores depend on the image: both passes are whole.
            each = 2 * (1 + open_words + threat.candidates * max(threat.words, 1))
    return Passes(forwards, backwards, captions * each)


def _image_passes(attack: str, threat: ThreatModel, preset: Preset) -> tuple[int, int]:
    """Forwards and backwards of the image encoder."""
    of, steps, starts = ATTACKS[attack], threat.steps, threat.restarts
    if of.passes is not None:
        return of.passes(threat, preset)
    # The last point of each start.
    judged = starts * int(preset == "strict" or starts > 1 or attack == "exhaustive")
    match attack:
        case "fgsm":
            return 1, 1
        case "apgd" | "apgd_margin" | "apgd_ce" | "apgd_dlr" | "caption_away" | "caption_towards":
            return starts * (steps + 1), starts * steps
        # With fewer than 10 classes the targeted ones have fewer targets, and cost less.
        case "apgd_targeted":
            runs = TARGETS * starts
            return 1 + TARGETS + runs * (steps + 1), runs * steps
        case "fab_targeted":
            runs = TARGETS * starts
            return 1 + runs * (2 * steps + 1), runs * steps
        case "apgd_ce_rand" | "apgd_dlr_rand":
            return starts * DRAWS * (2 * steps + 1), starts * DRAWS * steps
        case "pgd_ce":
            last = starts * int(preset == "strict" or starts > 1)
            return starts * steps + last, starts * steps
        case "square" | "square_margin":
            return starts * (proposals(threat) + 1), 0
        case "pgd" | "sep" | "co_attack" | "co_attack_fused" | "mmcoa" | "mmcoa_joint":
            return 1 + starts * steps + judged, starts * steps
        case "match" | "verdict" | "answer" | "sga_plain" | "exhaustive":
            return 2 + starts * steps + judged, starts * steps
        case "sga":
            return 2 + starts * steps * VIEWS + judged, starts * steps * VIEWS
        case "dra" | "sa_aet":
            each = 2 * SAMPLES + VIEWS + int(preset == "strict")
            return 3 + starts * (1 + steps * each), starts * steps * (SAMPLES + VIEWS)
        case "vlp_attack":
            each = COPIES + int(preset == "strict")
            return VIEWS + 1 + starts * (1 + steps * each), starts * steps * COPIES
    if not of.on_images:
        return 0, 0
    raise ValueError(
        f"the passes of {attack!r} are not counted: give its record in the registry `passes`, or "
        "add it to attacks.cost"
    )
