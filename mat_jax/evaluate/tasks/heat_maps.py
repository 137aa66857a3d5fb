"""Where a text looks in an image (GradCAM; Selvaraju et al., 2017), and how much in each box."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mat_jax.models.albef import ALBEF
from mat_jax.models.formats.sizes import grid_side
from mat_jax.types.arrays import ImageFeatures, TextFeatures


def grad_cam(
    model: ALBEF,
    image: ImageFeatures,
    text: TextFeatures,
    *,
    layer: int = 8,
) -> Float[Array, "batch rows columns"]:
    """How much each patch speaks for the match of its image and text.

    `mean over heads and tokens of P * max(dm/dP, 0)`, where P are the probabilities of the
    cross-attention of block `layer` and m is the logit of a match. Tokens that are padding count
    as zero, and count. The derivative is taken with respect to a zero added to P.

    Args:
        model: an ALBEF for retrieval.
        image: features of the images, from `encode_image`.
        text: features of a text for each, from `encode_text`.
        layer: which block of the text tower, counted from 0; 8 is the published choice.

    Raises:
        ValueError: a block that does not read the image.
    """
    first, blocks = model.config.first_fusion, model.text.blocks
    cross = blocks[layer].cross if 0 <= layer < len(blocks) else None
    if cross is None:
        raise ValueError(
            f"layer={layer} does not read the image; choose {first} to {len(blocks) - 1}"
        )
    block, keys, at = blocks[layer], model.image_keys(image), layer - first
    readable = text.mask[:, None]
    before = model.text.fuse(text.tokens, readable, keys[:at], first)
    attended = block.attend(before, readable)
    probs = cross.attn.probs(attended, keys[at])

    def match(delta: Array) -> Array:
        x = block.feed(cross(attended, keys[at], delta))
        fused = model.text.fuse(x, readable, keys[at + 1 :], layer + 1)
        return jnp.sum(model.match_logits(fused)[:, 1])

    gradient = jax.grad(match)(jnp.zeros_like(probs))
    cam = jnp.where(text.mask[:, None, :, None], probs * jnp.maximum(gradient, 0), 0)
    grid = grid_side(model.config.image_size, model.config.patch_size)
    return jnp.mean(cam, axis=(1, 2))[:, 1:].reshape(-1, grid, grid)


def enlarged(
    maps: Float[Array, "batch rows columns"], *, size: int, covered: int
) -> Float[Array, "batch size size"]:
    """Maps at the size of the picture, of which the patches cover so many pixels of a side."""
    large = jax.image.resize(maps, (len(maps), covered, covered), "cubic")
    return jnp.pad(large, ((0, 0), (0, size - covered), (0, size - covered)))


def box_scores(
    maps: Float[Array, "batch rows columns"],
    boxes: Float[Array | np.ndarray, "batch boxes 4"],
    *,
    size: int,
    covered: int | None = None,
) -> Float[Array, "batch boxes"]:
    r"""How much of a map lies in each box: the largest is the answer.

    $$\frac{1}{\sqrt{|B|}} \sum_{p \in B} M_p$$

    with M the map, enlarged to the pixels it covers by cubic interpolation, and p the pixels whose
    centre is in the box B. The root keeps large boxes from winning by their size.

    Args:
        maps: from `grad_cam`.
        boxes: x, y, width and height, shares of the picture's sides, y downwards; padding with
            boxes of no pixel scores 0.
        size: of the picture.
        covered: pixels of a side that the patches cover, from the left and from above. They are
            fewer than `size` where it is no multiple of the patch: the model does not see the rest,
            and M is 0 there. None: all of them.
    """
    large = enlarged(maps, size=size, covered=size if covered is None else covered)
    middles = ((jnp.arange(size, dtype=large.dtype) + 0.5) / size)[None, None, None]
    corner, sides = jnp.split(jnp.asarray(boxes)[..., None], 2, axis=2)
    inside = ((middles >= corner) & (middles < corner + sides)).astype(large.dtype)
    across, down = inside[:, :, 0], inside[:, :, 1]
    total = jnp.einsum("bhw,bnh,bnw->bn", large, down, across)
    return total / jnp.sqrt(jnp.maximum(across.sum(-1) * down.sum(-1), 1.0))
