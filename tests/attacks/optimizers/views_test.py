import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mat_jax.attacks.optimizers.projected_gradient import example_keys
from mat_jax.attacks.optimizers.views import SCALES, bicubic_matrix, resize, scale_views
from tests.tools.narrow import some

IMAGES = np.random.RandomState(0).rand(3, 16, 12, 3).astype(np.float32)


def torch_resize(images, height, width):
    nchw = torch.as_tensor(images).permute(0, 3, 1, 2)
    out = F.interpolate(
        nchw, size=(height, width), mode="bicubic", align_corners=False, antialias=False
    )
    return out.permute(0, 2, 3, 1)


@pytest.mark.parametrize("size", [(8, 6), (12, 9), (20, 15), (24, 18), (16, 12), (7, 31)])
def test_resize_is_torch_bicubic_without_antialiasing(size):
    np.testing.assert_allclose(
        resize(jnp.asarray(IMAGES), *size), torch_resize(IMAGES, *size).numpy(), atol=2e-6
    )


def test_a_constant_stays_constant():
    for target in (3, 8, 13):
        np.testing.assert_allclose(bicubic_matrix(8, target).sum(1), 1, atol=1e-6)


def test_views_go_down_and_up_as_in_sga_and_the_gradient_follows():
    keys = example_keys(jax.random.key(0), jnp.arange(3))
    weights = np.random.RandomState(1).randn(5, *IMAGES.shape).astype(np.float32)

    def ours(x):
        return scale_views(x, keys, noise=0.0)

    x = torch.tensor(IMAGES * 1.2 - 0.1, requires_grad=True)  # so that the clip clips
    theirs = [x]
    for scale in SCALES:
        small = torch_resize(x, int(scale * 16), int(scale * 12)).clamp(0, 1)
        theirs.append(torch_resize(small, 16, 12))
    theirs = torch.stack(theirs)
    (theirs * torch.tensor(weights)).sum().backward()
    clean = jnp.asarray(x.detach().numpy())
    np.testing.assert_allclose(ours(clean), theirs.detach().numpy(), atol=3e-6)
    slope = jax.grad(lambda x: jnp.sum(ours(x) * jnp.asarray(weights)))(clean)
    np.testing.assert_allclose(slope, some(x.grad).numpy(), atol=3e-5)


def test_noise_has_its_deviation_and_leaves_view_zero_alone():
    flat = jnp.full((2, 64, 64, 3), 0.5)
    keys = example_keys(jax.random.key(0), jnp.array([4, 8]))
    views = np.asarray(scale_views(flat, keys, scales=(1.0, 1.0), noise=0.05))
    np.testing.assert_array_equal(views[0], flat)
    for view in views[1:].reshape(4, -1):
        assert abs(view.std() - 0.05) < 0.002 and abs(view.mean() - 0.5) < 0.002
    assert np.abs(views[1] - views[2]).max() > 0.01
    assert np.abs(views[1, 0] - views[1, 1]).max() > 0.01
    alone = scale_views(flat[1:], keys[1:], scales=(1.0, 1.0), noise=0.05)
    np.testing.assert_allclose(alone[:, 0], views[:, 1], atol=1e-6)
