"""What must hold before an attack says anything: a violation stops the run."""

from typing import Any

import jax
import numpy as np

from mat_jax.evaluate.checks.sample import Sample, judged, read, see
from mat_jax.evaluate.invariants import Broken
from mat_jax.evaluate.results import Check
from mat_jax.types.arrays import Tokens
from mat_jax.types.protocols import ComputesIn, EncodesImages, HasImageTower

REPEATS = 5
ROUNDING = 1e-6  # by which a device may add up otherwise the second time


def check_preconditions(sample: Sample, tokens: Tokens) -> list[Check]:
    """All of them; `tokens` are those of the whole gallery.

    Raises:
        Broken: pixels outside [0, 1], features that are no numbers, or a model that answers
            otherwise when asked again.
    """
    return [
        pixels(sample),
        finite(sample),
        repeatable(sample),
        precision(sample),
        apart(sample),
        rivals(sample),
        captions(tokens),
    ]


def pixels(sample: Sample) -> Check:
    """Images are float32 in [0, 1], so that eps means what it says."""
    images = np.asarray(sample.images)
    low, high = float(images.min()), float(images.max())
    if images.dtype != np.float32 or low < 0 or high > 1:
        raise Broken(
            f"pixels are {images.dtype} from {low:g} to {high:g}, expected float32 in [0, 1]: eps "
            "is in those units; leave the normalisation to the model"
        )
    return judged(
        "pixels",
        True,
        "Pixels are float32 in [0, 1] at the model's own size, and eps is in those units; the "
        "model normalises them itself.",
        low=low,
        high=high,
    )


def finite(sample: Sample) -> Check:
    """No feature is infinite or NaN."""
    for what, features in (("images", sample.clean), ("captions", sample.texts)):
        if not np.isfinite(features).all():
            raise Broken(
                f"some features of {what} are not finite numbers; check the weights of the model"
            )
    return judged("finite features", True, "Every feature is a finite number.")


def repeatable(sample: Sample) -> Check:
    """The same images and captions have the same features each time (AutoAttack's first flag).

    What the model holds besides weights (random streams, running statistics) is carried from one
    look to the next, as in a model that is called again and again.
    """
    farthest, changed = 0.0, False
    for look, seen in ((see, sample.images), (read, sample.tokens)):
        graph, params, rest = sample.parts
        first, held = look(graph, params, rest, seen)
        changed |= _differ(rest, held)
        for _ in range(REPEATS - 1):
            again, held = look(graph, params, held, seen)
            away = np.linalg.norm(np.asarray(again) - np.asarray(first), axis=-1)
            farthest = max(farthest, float(away.max()))
    if farthest > ROUNDING:
        raise Broken(
            f"the model is random: seen {REPEATS} times, an input's features differ by "
            f"{farthest:.2g}; switch dropout and noise off (model.eval()), or its numbers would "
            "be luck"
        )
    how = "differ in the last digit" if farthest else "are the same bit for bit"
    sentence = f"Seen {REPEATS} times, an input's features {how}"
    sentence += "; but the model changes what it holds while it looks." if changed else "."
    return judged(
        "repeatable", not farthest and not changed, sentence, repeats=REPEATS, farthest=farthest
    )


def precision(sample: Sample) -> Check:
    """The model computes in float32."""
    dtype = computes_in(sample.model)
    if dtype == "float32":
        return judged("precision", True, "The model computes in float32.", dtype=dtype)
    return judged(
        "precision",
        False,
        f"The model computes in {dtype}, whose gradients are coarse: an attack may look weaker "
        "than it is; measure once in float32.",
        dtype=dtype,
    )


def apart(sample: Sample) -> Check:
    """Features depend on the input: no two images, and no two captions, look all the same."""
    spreads = {
        what: float(np.linalg.norm(features - features[:1], axis=1).max())
        for what, features in (("pictures", sample.clean), ("captions", sample.texts))
        if len(features) > 1
    }
    same = [what for what, spread in spreads.items() if spread <= ROUNDING]
    if same:
        said = f"All {' and all '.join(same)} have the same features: the model does not look."
    else:
        said = "Features of different inputs differ."
    return judged("features depend on the input", not same, said, **spreads)


def rivals(sample: Sample) -> Check:
    """Captions of other pictures, of which DLR needs two and its targeted form three."""
    few = int((~sample.right).sum(axis=1).min())
    said = f"Each picture is told apart from at least {few} captions of others"
    if few >= 3:
        said += "."
    else:
        said += ": too few for losses that compare the second and third place (DLR)."
    return judged("captions of others", few >= 3, said, fewest=few)


def captions(tokens: Tokens) -> Check:
    """How captions are read, and how many reach the longest length and may be cut."""
    mask = np.asarray(tokens.mask)
    full, length = int(mask.all(axis=1).sum()), mask.shape[1]
    return judged(
        "captions",
        full <= 0.01 * len(mask),
        "Captions are read in lower case without punctuation, at most "
        f"{length} tokens long; {full} of {len(mask)} are that long and may have lost their end.",
        length=length,
        full=full,
        captions=len(mask),
    )


def computes_in(model: EncodesImages) -> str:
    """The dtype of the image tower."""
    tower = model.vision if isinstance(model, HasImageTower) else None
    return tower.dtype.name if isinstance(tower, ComputesIn) else "float32"


def _differ(one: Any, other: Any) -> bool:
    """Whether any number of two states differs; keys are compared as the numbers they are."""

    def number(leaf: Any) -> np.ndarray:
        key = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return np.asarray(jax.random.key_data(leaf) if key else leaf)

    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return any((number(a) != number(b)).any() for a, b in pairs)
