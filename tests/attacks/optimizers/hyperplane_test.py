"""Steps onto a hyperplane against a linear program, and against bisection of the multiplier."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from mat_jax.attacks.optimizers.hyperplane import to_hyperplane

BATCH, SHAPE = 12, (4, 4, 3)
SIZE = int(np.prod(SHAPE))


def given():
    """Pixels, some at the edges of the box, normals with zeros, and offsets that can be undone."""
    draw = np.random.RandomState(0)
    x = draw.rand(BATCH, SIZE)
    x[:, :6] = np.round(x[:, :6])
    normal = draw.randn(BATCH, SIZE) * draw.choice([0.01, 1, 10], (BATCH, SIZE))
    normal[:, 6:12] = 0
    # How far <w, d> can go in either direction.
    most = np.sum(np.where(normal > 0, x, x - 1) * normal, axis=1)
    least = np.sum(np.where(normal > 0, x - 1, x) * normal, axis=1)
    share = draw.uniform(0.05, 0.95, BATCH)
    share[0] = 0
    offset = np.where(np.arange(BATCH) % 2, most, least) * share
    return x, normal, offset


def ours(x, normal, offset, norm):
    def tall(one):
        return jnp.asarray(one.reshape(-1, *SHAPE), jnp.float32)

    found = jax.jit(to_hyperplane, static_argnums=3)
    return np.asarray(found(tall(x), tall(normal), jnp.asarray(offset, jnp.float32), norm)).reshape(
        x.shape
    )


def test_linf_is_the_optimum_of_a_linear_program():
    x, normal, offset = given()
    found = ours(x, normal, offset, "linf")
    for d, t, w, c in zip(found, x, normal, offset, strict=True):
        assert np.dot(w, d) == pytest.approx(-c, abs=2e-4)
        assert (t + d).min() >= -1e-6 and (t + d).max() <= 1 + 1e-6
        # Minimise r over (d, r) with |d_i| <= r.
        eye, one = np.eye(SIZE), np.ones((SIZE, 1))
        best = optimize.linprog(
            np.eye(SIZE + 1)[-1],
            A_ub=np.block([[eye, -one], [-eye, -one]]),
            b_ub=np.zeros(2 * SIZE),
            A_eq=np.append(w, 0)[None],
            b_eq=[-c],
            bounds=[*zip(-t, 1 - t, strict=True), (0, None)],
        )
        assert np.abs(d).max() == pytest.approx(best.fun, rel=1e-4, abs=1e-6)


def test_l2_is_the_optimum_by_its_multiplier():
    x, normal, offset = given()
    found = ours(x, normal, offset, "l2")
    for d, t, w, c in zip(found, x, normal, offset, strict=True):

        def moved(multiplier, t=t, w=w):
            return np.clip(t - multiplier * w, 0, 1) - t

        # Lagrange: d is the box's point nearest to -multiplier w.
        root = optimize.brentq(lambda m: w @ moved(m) + c, -1e4, 1e4, xtol=1e-12)  # noqa: B023
        np.testing.assert_allclose(d, moved(root), atol=2e-5)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_hyperplane_out_of_reach_is_approached_as_far_as_the_box_allows(norm):
    x, normal, _ = given()
    found = ours(x, normal, np.full(BATCH, 1e6), norm)
    corner = np.where(normal > 0, 0.0, np.where(normal < 0, 1.0, x))
    np.testing.assert_allclose(x + found, corner, atol=1e-6)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_only_the_direction_of_the_normal_matters(norm):
    x, normal, offset = given()
    one, small = (ours(x, s * normal, s * offset, norm) for s in (1.0, 1e-25))
    np.testing.assert_allclose(one, small, atol=1e-5)
    assert np.abs(one[1:]).max() > 0.01 and not one[0].any()
    assert not ours(x, 0 * normal, offset, norm).any()
