"""BERT's masked language model (Devlin et al., 2019): which words could stand here?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from mat_jax.models.nn import Dense, LayerNorm, gelu
from mat_jax.models.text import TextTower
from mat_jax.records import Tokens


@dataclass(frozen=True)
class BertConfig:
    """The sizes of a BERT; the defaults are `bert-base-uncased`'s.

    `length` is how many positions there are; texts may be shorter. `hidden` defaults to four
    times the width.
    """

    vocab_size: int = 30522
    length: int = 512
    width: int = 768
    layers: int = 12
    heads: int = 12
    hidden: int = 0
    segments: int = 2
    eps: float = 1e-12
    pad: int = 0

    def __post_init__(self) -> None:
        if not self.hidden:
            object.__setattr__(self, "hidden", 4 * self.width)
        if self.width % self.heads:
            raise ValueError(
                f"width={self.width} does not divide into heads={self.heads} heads; choose a "
                f"number of heads that divides the width"
            )

    @classmethod
    def from_hf(cls, settings: Mapping[str, Any]) -> "BertConfig":
        """Read a transformers config.json; a setting it leaves out has transformers' default."""
        expected = {
            "hidden_act": "gelu",
            "position_embedding_type": "absolute",
            "tie_word_embeddings": True,
        }
        for name, value in expected.items():
            if settings.get(name, value) != value:
                raise ValueError(f"{name}={settings[name]!r} is not a BERT's; expected {value!r}")
        return cls(
            vocab_size=settings.get("vocab_size", 30522),
            length=settings.get("max_position_embeddings", 512),
            width=settings.get("hidden_size", 768),
            layers=settings.get("num_hidden_layers", 12),
            heads=settings.get("num_attention_heads", 12),
            hidden=settings.get("intermediate_size", 3072),
            segments=settings.get("type_vocab_size", 2),
            eps=settings.get("layer_norm_eps", 1e-12),
            pad=settings.get("pad_token_id", 0),
        )

    def to_hf(self) -> dict[str, Any]:
        """The config.json that makes transformers build the same model."""
        return {
            "architectures": ["BertForMaskedLM"],
            "model_type": "bert",
            "hidden_act": "gelu",
            "vocab_size": self.vocab_size,
            "max_position_embeddings": self.length,
            "hidden_size": self.width,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "intermediate_size": self.hidden,
            "type_vocab_size": self.segments,
            "layer_norm_eps": self.eps,
            "pad_token_id": self.pad,
            "tie_word_embeddings": True,
        }


def bert_tower(
    config: BertConfig, rngs: nnx.Rngs, *, cross_width: int | None = None, first_cross: int = 0
) -> TextTower:
    """BERT without its head, its blocks from `first_cross` on able to read tokens of an image."""
    return TextTower(
        style="bidirectional",
        vocab_size=config.vocab_size,
        length=config.length,
        width=config.width,
        layers=config.layers,
        heads=config.heads,
        hidden=config.hidden,
        segments=config.segments,
        act=gelu,
        eps=config.eps,
        cross_width=cross_width,
        first_cross=first_cross,
        rngs=rngs,
    )


class MLMHead(nnx.Module):
    """`ln(gelu(dense x)) table' + bias`, where `table` is the one that embeds the tokens."""

    def __init__(self, vocab_size: int, width: int, *, eps: float, rngs: nnx.Rngs):
        self.dense = Dense(width, width, std=0.02, rngs=rngs)
        self.ln = LayerNorm(width, eps=eps)
        self.bias = nnx.Param(jnp.zeros(vocab_size, jnp.float32))

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
        self.text = bert_tower(config, rngs)
        self.mlm = MLMHead(config.vocab_size, config.width, eps=config.eps, rngs=rngs)

    def logits(self, tokens: Tokens) -> Float[Array, "batch length vocab"]:
        """Unnormalised log-probability of every vocabulary entry at every position."""
        ids, mask = jnp.asarray(tokens.ids), jnp.asarray(tokens.mask)
        hidden, _ = self.text(ids, mask, jnp.zeros(len(ids), jnp.int32))
        return self.mlm(hidden, self.text.tok[...])
