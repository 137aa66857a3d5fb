"""BERT's masked language model (Devlin et al., 2019): which words could stand here?"""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from mat_jax.models.formats.sizes import BertConfig
from mat_jax.models.layers import Dense, LayerNorm, gelu
from mat_jax.models.methods import bert_format
from mat_jax.models.text import TextTower
from mat_jax.types.arrays import Tokens


class MLMHead(nnx.Module):
    """`ln(gelu(dense x)) table' + bias`, where `table` is the one that embeds the tokens."""

    def __init__(self, sizes: BertConfig, rngs: nnx.Rngs):
        self.dense = Dense(sizes.width, sizes.width, std=0.02, rngs=rngs)
        self.ln = LayerNorm(sizes.width, eps=sizes.eps)
        self.bias = nnx.Param(jnp.zeros(sizes.vocab_size, jnp.float32))

    def __call__(
        self, x: Float[Array, "batch length width"], table: Float[Array, "vocab width"]
    ) -> Float[Array, "batch length vocab"]:
        """Logits of every vocabulary entry."""
        x = self.ln(gelu(self.dense(x)))
        flat = x.reshape(-1, x.shape[-1]) @ table.T.astype(x.dtype)
        flat = flat.astype(jnp.float32) + self.bias[...][None, :]
        return flat.reshape(*x.shape[:2], -1)


class BertMLM(nnx.Module):
    """A bidirectional text tower that predicts, at each position, the token standing there."""

    def __init__(self, config: BertConfig, rngs: nnx.Rngs):
        self.config = config
        self.text_format = bert_format(config, config.length)
        self.text = TextTower(config, rngs)
        self.mlm = MLMHead(config, rngs)

    def logits(self, tokens: Tokens) -> Float[Array, "batch length vocab"]:
        """Unnormalised log-probability of every vocabulary entry at every position."""
        hidden, _ = self.text(jnp.asarray(tokens.ids), jnp.asarray(tokens.mask))
        return self.mlm(hidden, self.text.tok[...])
