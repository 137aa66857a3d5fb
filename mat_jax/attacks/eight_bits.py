"""Adversarial pictures as files hold them: whole grey levels, still inside the ball."""

import numpy as np
from jaxtyping import Float, UInt8

from mat_jax.attacks.threat import Norm

SLACK = 1e-6  # grey levels: 2/255 as a float is a little less or more than two of them


def as_bytes(
    clean: UInt8[np.ndarray, "*pictures height width 3"],
    adv: Float[np.ndarray, "*pictures height width 3"],
    *,
    eps: float,
    norm: Norm = "linf",
) -> UInt8[np.ndarray, "*pictures height width 3"]:
    r"""Round to 8 bits and stay within eps of the clean picture, which is of 8 bits itself.

    For `linf` the nearest level is taken of those at most $\lfloor 255\,eps \rfloor$ away: rounding
    alone may leave the ball where eps is no whole number of levels. For `l2` a picture that leaves
    it by rounding is rounded towards the clean one, which makes no change longer.

    Args:
        clean: the pictures as they were.
        adv: in [0, 1], inside the ball around `clean / 255`.
        eps: radius, in the units of pixels in [0, 1].
        norm: of the ball, of each picture by itself.

    >>> clean = np.full((1, 1, 1, 3), 100, np.uint8)
    >>> as_bytes(clean, np.full((1, 1, 1, 3), 102.6 / 255), eps=2.9 / 255).flatten().tolist()
    [102, 102, 102]
    """
    before, scaled = clean.astype(np.int32), np.asarray(adv, np.float64) * 255
    near = np.rint(scaled).astype(np.int32)
    if norm == "linf":
        levels = int(np.floor(eps * 255 + SLACK))
        near = np.clip(near, before - levels, before + levels)
    else:
        axes = tuple(range(clean.ndim - 3, clean.ndim))
        length = np.sqrt(np.sum((near - before) ** 2.0, axis=axes, keepdims=True))
        inward = before + np.trunc(scaled - before).astype(np.int32)
        near = np.where(length > eps * 255 + SLACK, inward, near)
    return np.clip(near, 0, 255).astype(np.uint8)
