"""Models as an experiment names them: what to build, before anything is built."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flax import nnx

from mat_jax.models.bert import BertConfig, BertMLM
from mat_jax.models.clip import CLIP, CLIPConfig
from mat_jax.models.files import load
from mat_jax.models.tokenizer import Tokenizer


@dataclass(frozen=True)
class Pretrained:
    """A model that `load` finds: a folder or file, a shipped name or a hub name."""

    name: str | Path
    image_size: int | None = None
    text_length: int | None = None
    tokenizer: str | Path | None = None

    def build(self, seed: int) -> tuple[Any, Tokenizer]:
        """Load it; the seed changes nothing."""
        return load(
            self.name,
            image_size=self.image_size,
            text_length=self.text_length,
            tokenizer=self.tokenizer,
        )


@dataclass(frozen=True)
class Fresh:
    """A model with random weights. The tokenizer decides vocabulary and length of captions."""

    config: CLIPConfig | BertConfig
    tokenizer: Tokenizer

    def build(self, seed: int) -> tuple[Any, Tokenizer]:
        """Draw the weights from the seed."""
        form, size = self.tokenizer.text_format, self.tokenizer.vocab_size
        if isinstance(self.config, BertConfig):
            bert = dataclasses.replace(
                self.config, vocab_size=size, length=form.length, pad=form.pad
            )
            return BertMLM(bert, nnx.Rngs(seed)), self.tokenizer
        clip = dataclasses.replace(
            self.config,
            vocab_size=size,
            text_length=form.length,
            bos=form.start,
            eos=form.end,
            pad=form.pad,
        )
        model = CLIP(clip, nnx.Rngs(seed))
        model.text_format = form
        return model, self.tokenizer
