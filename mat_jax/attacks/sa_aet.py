"""SA-AET (Jia et al. 2025): DRA nearer the clean image, and blind to what all captions share."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from mat_jax.attacks.dra import MIX, SAMPLES, guided, weights
from mat_jax.attacks.embeddings import embed_texts
from mat_jax.attacks.optimizers.early_stopping import Gallery
from mat_jax.attacks.threat import Preset, ThreatModel
from mat_jax.types.arrays import Adversarial, Batch
from mat_jax.types.protocols import EncodesPairs

SHARE = 0.4  # of the test set's captions, whose common direction the released program takes


def sa_aet_attack(
    model: EncodesPairs,
    batch: Batch,
    key: Key[Array, ""],
    *,
    threat: ThreatModel,
    preset: Preset = "strict",
    shared: Float[Array, " embed"] | None = None,
    gallery: Gallery | None = None,
    samples: int = SAMPLES,
) -> Adversarial:
    """DRA with two changes (released code; presets as there).

    - Of the points `a x' + b x + c y` only those with `a < c < b` are tried: mostly clean.
    - The image flees from the captions in the space without their common direction u:
      `sum_i -cos` becomes `-e' (I - u u^T) sum_i t_i'`, u the first left singular vector of a
      matrix of caption embeddings. A direction that all captions have tells none of them apart.

    Args:
        shared: u, from `shared_direction` over a corpus of your choice. None takes the captions of
            the gallery.
        gallery: its clean captions give u: under `strict` all of them; under `official` 40 %, drawn
            by the key, as the released code draws them from the test set (it draws anew for every
            batch). None takes those of the batch, on which the result then depends.
        samples: points tried at each step.

    Raises:
        ValueError: the batch carries no words to substitute.
    """
    if shared is None and gallery is not None:
        count = gallery.texts.shape[0]
        some = max(1, round(SHARE * count)) if preset == "official" else count
        drawn = jax.random.permutation(jax.random.fold_in(key, count), count) < some
        shared = shared_direction(gallery.texts, drawn)
    elif shared is None:
        shared = shared_direction(embed_texts(model, batch.tokens), batch.present)
    axis = shared
    return guided(
        model,
        batch,
        key,
        threat,
        preset,
        draw=lambda key: weights(key, samples, ordered=True),
        mix=MIX,
        towards=lambda target: target - (target @ axis)[:, None] * axis[None],
        trials_stay=True,
    )


def shared_direction(
    units: Float[Array, "*lead embed"], present: Bool[Array, "*lead"] | None = None
) -> Float[Array, " embed"]:
    """The unit vector u that maximises `sum_i (u . t_i)^2` over caption embeddings t_i."""
    rows = units.reshape(-1, units.shape[-1])
    if present is not None:
        rows = rows * present.reshape(-1, 1).astype(rows.dtype)
    # The first eigenvector of the small matrix; its sign does not matter.
    _, vectors = jnp.linalg.eigh(rows.T @ rows)
    return vectors[:, -1]
