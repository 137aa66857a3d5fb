"""Computing in bfloat16: near float32, and float32 where bfloat16 will not do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.extend.core import jaxprs_in_params

from mat_jax import models
from mat_jax.models import files
from mat_jax.models.layers import compute_in
from mat_jax.types.arrays import Tokens

VIT = models.ViTConfig(width=32, layers=2, heads=2)
BERT = models.BertConfig(vocab_size=60, length=8, width=32, layers=2, heads=2)
MED = models.BertConfig(vocab_size=60, length=8, width=32, layers=2, heads=2, segments=0)
NET = models.EfficientNetConfig(1.0, 1.0, 8, (8, 8), (8, 16), (3, 3), (1, 2), (1, 1), (1, 2))
CONFIGS = {
    "clip": models.CLIPConfig(16, 8, VIT, BERT, 16),
    "albef": models.ALBEFConfig(16, 8, VIT, BERT, first_fusion=1, embed=16),
    "blip": models.BLIPConfig(16, 8, VIT, MED, embed=16),
    "captioner": models.BLIPConfig(16, 8, VIT, MED, task="captioning"),
    "align": models.ALIGNConfig(16, NET, BERT),
    "bert": BERT,
}
KEY = jax.random.key(0)
IDS = jax.random.randint(KEY, (6, 8), 3, 59).at[:, 0].set(1).at[:, 7].set(59)
TOKENS = Tokens(IDS, jnp.ones(IDS.shape, bool))
IMAGES = jax.random.uniform(KEY, (6, 16, 16, 3))


def built(name, dtype):
    model = files.build(CONFIGS[name], 0)
    # Weights that say something: with fresh ones all inputs look alike.
    nnx.update(model, jax.tree.map(lambda x: x * 4 if x.ndim > 1 else x, nnx.state(model)))
    compute_in(model, dtype)
    return model


def scores(model, images):
    """All that losses and rankings are made of."""
    if hasattr(model, "logits"):
        return {"logits": model.logits(TOKENS)}
    image = model.encode_image(images)
    if hasattr(model, "caption_logits"):
        return {"logits": model.caption_logits(image, TOKENS)}
    text = model.encode_text(TOKENS)
    found = {"image": image.embed, "text": text.embed}
    if hasattr(model, "fuse"):
        found["match"] = model.match_logits(model.fuse(image, text))
    return found


def alike(one, other):
    """Correlation over the batch: what all inputs have in common does not count."""
    one, other = (np.asarray(x, np.float64) - np.asarray(x).mean(0) for x in (one, other))
    return (one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum())


# Of each kind of tower one is compared at every run: compiling a gradient takes long.
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in ("clip", "blip") else pytest.mark.slow)
        for name in CONFIGS
    ],
)
def test_scores_and_gradients_are_near_those_of_float32(name):
    def total(model, images):
        found = scores(model, images)
        return sum(jnp.sum(jnp.square(x)) for x in found.values()), found

    found, gradients = {}, {}
    for dtype in ("float32", "bfloat16"):
        both = jax.jit(jax.grad(total, argnums=(0, 1), has_aux=True))
        gradients[dtype], found[dtype] = both(built(name, dtype), IMAGES)
    for part, full in found["float32"].items():
        half = found["bfloat16"][part]
        assert half.dtype == jnp.float32
        assert alike(full, half) > 0.99, part
        assert not np.array_equal(full, half), "nothing was computed in bfloat16"
    for leaf in jax.tree.leaves(gradients["bfloat16"]):
        assert leaf.dtype == jnp.float32
    if name != "bert":
        full, half = (np.asarray(gradients[dtype][1]).ravel() for dtype in gradients)
        assert full @ half / np.sqrt((full @ full) * (half @ half)) > 0.99


def equations(jaxpr):
    for equation in jaxpr.eqns:
        yield equation
        for inner in jaxprs_in_params(equation.params):
            yield from equations(inner)


@pytest.mark.parametrize("name", CONFIGS)
def test_softmax_and_norms_are_float32_and_products_are_not(name):
    model = built(name, "bfloat16")
    found = list(equations(jax.make_jaxpr(lambda images: scores(model, images))(IMAGES).jaxpr))

    def kinds(*names):
        wanted = (eqn.invars[0].aval for eqn in found if eqn.primitive.name in names)
        return [aval.dtype for aval in wanted if aval.ndim]

    assert set(kinds("exp", "rsqrt")) == {jnp.dtype("float32")}
    products = kinds("dot_general", "conv_general_dilated")
    assert np.mean([kind == jnp.bfloat16 for kind in products]) > 0.7


def test_a_pixel_less_than_bfloat16_can_tell_is_still_seen():
    model = built("clip", "bfloat16")
    image = jnp.full((1, 16, 16, 3), 0.898)
    seen = [model.encode_image(image + step).tokens for step in (0.0, 0.25 / 255)]
    assert jnp.array_equal((image + 0.25 / 255).astype("bfloat16"), image.astype("bfloat16"))
    assert not jnp.array_equal(*seen)


def test_another_dtype_is_refused():
    with pytest.raises(ValueError, match="dtype='float16': models compute in"):
        compute_in(built("clip", "float32"), "float16")
