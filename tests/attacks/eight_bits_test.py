"""Pictures of 8 bits stay in the ball."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mat_jax.attacks import as_bytes

LEVELS = np.float32(255)


def moved(seed: int, eps: float, norm: str) -> tuple[np.ndarray, np.ndarray]:
    """Clean bytes, and floats at the very edge of the ball around them."""
    rng = np.random.default_rng(seed)
    clean = rng.integers(0, 256, (2, 5, 4, 3)).astype(np.uint8)
    delta = rng.normal(size=clean.shape)
    if norm == "linf":
        delta = eps * np.sign(delta)
    else:
        delta *= eps / np.sqrt((delta**2).sum(axis=(1, 2, 3), keepdims=True))
    return clean, np.clip(clean / LEVELS + delta, 0, 1).astype(np.float32)


@given(seed=st.integers(0, 10_000), levels=st.floats(0, 20))
def test_linf(seed, levels):
    """Within eps, and no whole level of the ball is nearer to the point than the one taken."""
    eps = levels / 255
    clean, adv = moved(seed, eps, "linf")
    found = as_bytes(clean, adv, eps=eps).astype(int)
    assert np.abs(found - clean).max() <= levels + 1e-5
    assert np.abs(found - adv * 255).max() < max(1.0, levels + 1e-4 if levels < 1 else 0)


@given(seed=st.integers(0, 10_000), eps=st.floats(0, 2))
def test_l2(seed, eps):
    clean, adv = moved(seed, eps, "l2")
    found = as_bytes(clean, adv, eps=eps, norm="l2")
    length = np.sqrt(((found / 255.0 - clean / 255.0) ** 2).sum(axis=(1, 2, 3)))
    assert (length <= eps + 1e-6).all()


@pytest.mark.parametrize("levels", [1, 2, 4, 8])
def test_whole_levels_are_kept(levels):
    """Where eps is a whole number of levels, a point on levels comes out as it is."""
    rng = np.random.default_rng(levels)
    clean = rng.integers(0, 256, (3, 6, 6, 3)).astype(np.uint8)
    want = np.clip(clean + rng.integers(-levels, levels + 1, clean.shape), 0, 255)
    assert np.array_equal(as_bytes(clean, want / LEVELS, eps=levels / 255), want)
