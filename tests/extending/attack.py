"""An attack of one's own: MI-FGSM on the image, after the captions have been swapped word by word.

mat_jax.attacks.ATTACKS["mi_fgsm_swap"] = MI_FGSM_SWAP   # then attacks=("mi_fgsm_swap",)
"""

from jaxtyping import Array, Key

from mat_jax import attacks
from mat_jax.types import Adversarial, Batch, Model


def mi_fgsm_swap(
    model: Model,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: attacks.ThreatModel,
    preset: attacks.Preset = "strict",
) -> Adversarial:
    r"""Minimise the cosine of an image with its swapped captions, by momentum (Dong et al. 2018).

    $$v \leftarrow v + g / \|g\|_1, \qquad x' \leftarrow \Pi(x' + \alpha\, \mathrm{sign}\, v)$$

    with $g = -\nabla_{x'} \sum_i \cos(f(x'), g(t_i'))$, from the clean image. The captions $t'$ are
    BERT-Attack's. A step is `eps / steps` unless the threat says.
    """
    swapped = attacks.bert_attack(model, batch, key, threat=threat, preset=preset)
    images = attacks.attack_images(
        attacks.away_from_captions(model, batch._replace(tokens=swapped.tokens)),
        batch,
        key,
        threat,
        preset,
        default=step_size,
        one_sided=False,
        momentum=1.0,
        random_start=False,
    )
    return swapped._replace(images=images)


def step_size(threat: attacks.ThreatModel, preset: attacks.Preset) -> float:
    """The ball is crossed once; the protocol of an evaluation says it."""
    return threat.eps / max(threat.steps, 1)


def passes(threat: attacks.ThreatModel, preset: attacks.Preset) -> tuple[int, int]:
    """Forwards and backwards of the image encoder, for the forecast of a suite."""
    judged = threat.restarts * int(preset == "strict" or threat.restarts > 1)
    return threat.restarts * threat.steps + judged, threat.restarts * threat.steps


MI_FGSM_SWAP = attacks.Attack(
    mi_fgsm_swap,
    "MI-FGSM with swapped words",
    on_images=True,
    on_text=True,
    step_size=step_size,
    passes=passes,
)
