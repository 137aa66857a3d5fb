"""Models as an experiment names them: what to build, before anything is built."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flax import nnx

from mat_jax.models.align import ALIGN, ALIGNConfig
from mat_jax.models.bert import BertConfig, BertMLM
from mat_jax.models.clip import CLIP, CLIPConfig
from mat_jax.models.files import load
from mat_jax.models.tokenizer import Tokenizer


@dataclass(frozen=True)
class Pretrained:
    """A model that `load` finds: a folder, a shipped name or a hub name."""

    name: str | Path
    image_size: int | None = None
    text_length: int | None = None

    def build(self, seed: int) -> tuple[Any, Tokenizer]:
        """Load it; the seed changes nothing."""
        return load(self.name, image_size=self.image_size, text_length=self.text_length)


@dataclass(frozen=True)
class Fresh:
    """A model with random weights. The tokenizer decides vocabulary and length of captions."""

    config: CLIPConfig | ALIGNConfig | BertConfig
    tokenizer: Tokenizer

    def build(self, seed: int) -> tuple[Any, Tokenizer]:
        """Draw the weights from the seed."""
        form, size = self.tokenizer.text_format, self.tokenizer.vocab_size
        if isinstance(self.config, BertConfig):
            return BertMLM(self._fitted(self.config), nnx.Rngs(seed)), self.tokenizer
        if isinstance(self.config, ALIGNConfig):
            align = dataclasses.replace(self.config, text=self._fitted(self.config.text))
            model = ALIGN(align, nnx.Rngs(seed))
            model.text_format = form
            return model, self.tokenizer
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

    def _fitted(self, bert: BertConfig) -> BertConfig:
        form, size = self.tokenizer.text_format, self.tokenizer.vocab_size
        return dataclasses.replace(bert, vocab_size=size, length=form.length, pad=form.pad)
