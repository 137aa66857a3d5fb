"""Visual question answering: ALBEF and BLIP with a decoder that reads the question and answers.

The question reads the image as in the models for retrieval. The decoder is a causal BERT whose
cross-attentions read the tokens of that question; its head has the table of its own embeddings.
"""

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Bool, Float

from mat_jax.models import methods
from mat_jax.models.albef import ALBEF
from mat_jax.models.bert import MLMHead
from mat_jax.models.blip import BLIP
from mat_jax.models.formats.preprocessing import PRESSED
from mat_jax.models.formats.sizes import ALBEFConfig, BLIPConfig
from mat_jax.models.layers import Dense, Hidden
from mat_jax.models.text import TextTower
from mat_jax.models.vision import VisionTower
from mat_jax.types.arrays import Tokens

SMOOTHING = 0.1  # of BLIP's language model, in training and in ranking (med.py)
Logits = Float[Array, "answers ids vocab"]
Losses = Float[Array, " answers"]
Readable = Bool[Array, "questions length"]


class ALBEFAnswerer(nnx.Module):
    """ALBEF for VQA (Li et al. 2021, section 4; `model_vqa.py`).

    One that was made of a model for retrieval keeps its space of images and texts. As published
    it has none, and embeds an image and a question each as its first token.
    """

    pixels = PRESSED
    vision_proj: Dense | None = None
    text_proj: Dense | None = None
    encode_image, image_keys = methods.encode_image, methods.image_keys
    encode_text, fuse = ALBEF.encode_text, ALBEF.fuse

    def __init__(self, config: ALBEFConfig, rngs: nnx.Rngs):
        wide, narrow = config.vision.width, config.text.width
        self.config = config
        self.text_format = methods.bert_format(config.text, 30)
        self.vision = VisionTower(config.vision, config.image_size, config.patch_size, rngs)
        self.text = TextTower(config.text, rngs, cross_width=wide, first_cross=config.first_fusion)
        if config.embed:
            self.vision_proj = Dense(wide, config.embed, std=wide**-0.5, rngs=rngs)
            self.text_proj = Dense(narrow, config.embed, std=narrow**-0.5, rngs=rngs)
        self.decoder = TextTower(config.decoder, rngs, cross_width=narrow)
        self.mlm = MLMHead(config.decoder, rngs)

    def answer_logits(self, fused: Hidden, mask: Readable, answers: Tokens) -> Logits:
        """Logits of the id after each id of n answers a question, those of the first one first.

        Args:
            fused: tokens of the questions after they read their images, from `fuse`.
            mask: which of these tokens are real.
            answers: framed as captions are, so the first id is `[CLS]`.
        """
        return _answer_logits(
            self, fused, mask, jnp.asarray(answers.ids), jnp.asarray(answers.mask)
        )

    def answer_losses(self, logits: Logits, answers: Tokens) -> Losses:
        r"""$-\sum_n \log p(a_n \mid x, q, a_{<n})$ of each answer with its end, in nats."""
        return _losses(logits, answers, 0.0)

    def answer_scores(self, logits: Logits, answers: Tokens) -> Losses:
        r"""What answers are ranked by: $\log p(a_1) + \sum_n \log p(a_n \mid a_{<n})$.

        The first id counts twice, as in the released `rank_answer`.
        """
        first = jax.nn.log_softmax(logits[:, 0], axis=-1)
        ids = jnp.asarray(answers.ids)[:, 1]
        return first[jnp.arange(len(ids)), ids] - self.answer_losses(logits, answers)


class BLIPAnswerer(nnx.Module):
    """BLIP for VQA (Li et al. 2022, section 5.3; `blip_vqa.py`).

    The first id of a question becomes `[ENC]` (`config.match_start`) and that of an answer
    `[DEC]`. There is no space that images and texts share: each embeds as its first token.
    The decoder reads tokens of the text's width, which transformers takes to be the image's.
    """

    pixels, vision_proj, text_proj = PRESSED, None, None
    encode_image, image_keys = methods.encode_image, methods.image_keys
    encode_text, fuse = BLIP.encode_text, BLIP.fuse

    def __init__(self, config: BLIPConfig, rngs: nnx.Rngs):
        self.config = config
        # Questions of 35 ids are the protocol of the paper's code.
        self.text_format = methods.bert_format(config.text, 35, end=config.eos)
        self.vision = VisionTower(config.vision, config.image_size, config.patch_size, rngs)
        self.text = TextTower(config.text, rngs, cross_width=config.vision.width)
        self.decoder = TextTower(config.text, rngs, cross_width=config.text.width)
        self.mlm = MLMHead(config.text, rngs)

    def answer_logits(self, fused: Hidden, mask: Readable, answers: Tokens) -> Logits:
        """Logits of the id after each id of n answers a question, those of the first one first.

        Args:
            fused: tokens of the questions after they read their images, from `fuse`.
            mask: which of these tokens are real.
            answers: whose first id becomes `[DEC]`.
        """
        ids = jnp.asarray(answers.ids).at[:, 0].set(self.config.dec)
        return _answer_logits(self, fused, mask, ids, jnp.asarray(answers.mask))

    def answer_losses(self, logits: Logits, answers: Tokens) -> Losses:
        r"""$-\sum_n \sum_v q_n(v) \log p(v \mid x, q, a_{<n})$ of each answer, in nats.

        With smoothed truth: $q_n(v) = (1 - s)\,[v = a_n] + s / \text{vocab}$ and $s = 0.1$.
        """
        return _losses(logits, answers, SMOOTHING)

    def answer_scores(self, logits: Logits, answers: Tokens) -> Losses:
        """What answers are ranked by: minus the smoothed loss, as in the released `rank_answer`."""
        return -self.answer_losses(logits, answers)


def _answer_logits(
    model: ALBEFAnswerer | BLIPAnswerer, fused: Hidden, mask: Array, ids: Array, real: Array
) -> Logits:
    place = jnp.arange(ids.shape[1])
    readable = (place[None, :] <= place[:, None])[None] & real[:, None]
    decoder = model.decoder
    x = decoder.embed(ids)
    x = decoder.fuse(x, readable, decoder.image_keys(fused), image_mask=mask[:, None])
    return model.mlm(x, decoder.tok[...])


def _losses(logits: Logits, answers: Tokens, smoothing: float) -> Losses:
    truth, weight = jnp.asarray(answers.ids)[:, 1:], jnp.asarray(answers.mask)[:, 1:]
    target = jax.nn.one_hot(truth, logits.shape[-1])
    if smoothing:
        target = optax.smooth_labels(target, smoothing)
    each = optax.softmax_cross_entropy(logits[:, :-1], target)
    return jnp.sum(each * weight.astype(each.dtype), axis=1)
