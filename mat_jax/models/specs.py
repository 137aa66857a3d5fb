"""Models as an experiment names them: what to build, before anything is built."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flax import nnx

from mat_jax.models.albef import ALBEF
from mat_jax.models.answering import ALBEFAnswerer
from mat_jax.models.blip import SPECIALS, BLIPConfig
from mat_jax.models.files import Config, build, load, sizes
from mat_jax.models.formats.sizes import BertConfig
from mat_jax.models.formats.tokenizer import Tokenizer
from mat_jax.types.protocols import AnswersQuestions, Captions, LanguageModel, Model


@dataclass(frozen=True)
class Pretrained:
    """A model that `load` finds: a folder or file, a shipped name or a hub name."""

    name: str | Path
    image_size: int | None = None
    dtype: str | None = None
    text_length: int | None = None
    tokenizer: str | Path | None = None
    activation: str | None = None

    def build(self, seed: int) -> tuple[Any, Tokenizer]:
        """Load it; the seed changes nothing."""
        return load(**vars(self))

    @property
    def sizes(self) -> Any:
        """The configuration alone; of what is published, files are not asked for."""
        config, changes = sizes(self.name), {}
        if self.image_size is not None:
            changes["image_size"] = self.image_size
        if self.text_length is not None:
            changes["text"] = dataclasses.replace(config.text, length=self.text_length)
        return dataclasses.replace(config, **changes)


@dataclass(frozen=True)
class Fresh:
    """A model with random weights. The tokenizer decides vocabulary and length of captions.

    Where it is a folder, it is read when the model is built, with as many ids a caption as the
    configuration has; until then the configuration is taken at its word.
    """

    config: Config
    tokenizer: Tokenizer | str | Path

    def build(self, seed: int) -> tuple[Any, Tokenizer]:
        """Draw the weights from the seed. BLIP's tokenizer gets the tokens BLIP adds."""
        tokenizer = self._read()
        model = build(_fitted(self.config, tokenizer), seed)
        model.text_format = tokenizer.text_format
        return model, tokenizer

    @property
    def sizes(self) -> Config:
        """The configuration; a folder is not asked for its vocabulary."""
        known = isinstance(self.tokenizer, Tokenizer)
        return _fitted(self.config, self._read()) if known else self.config

    def _read(self) -> Tokenizer:
        tokenizer = self.tokenizer
        if not isinstance(tokenizer, Tokenizer):
            text = self.config if isinstance(self.config, BertConfig) else self.config.text
            tokenizer = Tokenizer.from_dir(tokenizer, text.length)
        blip = isinstance(self.config, BLIPConfig)
        return tokenizer.with_tokens(*SPECIALS) if blip else tokenizer


@dataclass(frozen=True)
class ForEntailment:
    """A trained ALBEF or TCL with a new head, which says if a text follows from an image.

    Towers, fusion and the space of the embeddings are those of the model; the head that matches
    is left behind.
    """

    base: Pretrained

    def build(self, seed: int) -> tuple[ALBEF, Tokenizer]:
        """Load the model; the seed draws the head.

        Raises:
            ValueError: the model is no ALBEF.
        """
        old, tokenizer = _albef(self.base, seed, "whose head for entailment is trained here")
        model = build(dataclasses.replace(old.config, task="entailment"), seed)
        _keep(model, dict(nnx.to_flat_state(nnx.state(old))))
        model.text_format, model.pixels = old.text_format, old.pixels
        return model, tokenizer


@dataclass(frozen=True)
class ForAnswering:
    """A trained ALBEF or TCL with a decoder, which answers questions about an image.

    Towers, fusion and the space of the embeddings are those of the model. The decoder begins as
    the blocks that fuse, as in ALBEF's program; where the image is wider than the text, what they
    read of an image is drawn anew. The head that matches is left behind.
    """

    base: Pretrained

    def build(self, seed: int) -> tuple[ALBEFAnswerer, Tokenizer]:
        """Load the model; the seed draws the decoder's head.

        Raises:
            ValueError: the model is no ALBEF.
        """
        old, tokenizer = _albef(self.base, seed, "whose decoder of answers is trained here")
        first, layers = old.config.first_fusion, old.config.text.layers
        config = dataclasses.replace(old.config, task="answering", decoder_layers=layers - first)
        model = build(config, seed)
        kept = dict(nnx.to_flat_state(nnx.state(old)))
        for path, leaf in list(kept.items()):
            block = path[2] if path[:2] == ("text", "blocks") else None
            if isinstance(block, int) and block >= first:
                kept["decoder", "blocks", block - first, *path[3:]] = leaf
            elif path[0] == "text" and block is None:
                kept["decoder", *path[1:]] = leaf
        _keep(model, kept)
        model.text_format, model.pixels = old.text_format, old.pixels
        return model, tokenizer


def _albef(base: Pretrained, seed: int, what: str) -> tuple[ALBEF, Tokenizer]:
    old, tokenizer = base.build(seed)
    if not isinstance(old, ALBEF):
        raise ValueError(
            f"{str(base.name)!r} is a {type(old).__name__}; expected an ALBEF or TCL, {what}"
        )
    return old, tokenizer


def _keep(model: nnx.Module, kept: dict[Any, Any]) -> None:
    """Give a model the weights that it has at the same path and in the same shape."""
    leaves = []
    for path, leaf in nnx.to_flat_state(nnx.state(model)):
        old = kept.get(path, leaf)
        leaves.append((path, old if old.shape == leaf.shape else leaf))
    nnx.update(model, nnx.from_flat_state(leaves))


def _fitted(config: Any, tokenizer: Tokenizer) -> Any:
    """The configuration, or one inside it, with what the tokenizer decides."""
    form, size = tokenizer.text_format, tokenizer.vocab_size
    decided = {"vocab_size": size, "length": form.length}
    decided |= {"bos": form.start, "eos": form.end, "pad": form.pad}
    names = {field.name for field in dataclasses.fields(config)}
    changes = {name: value for name, value in decided.items() if name in names}
    if "text" in names:
        changes["text"] = _fitted(config.text, tokenizer)
    return dataclasses.replace(config, **changes)


def require_encoders(model: object, name: object) -> None:
    """Refuse a model that cannot compare images with texts."""
    if not isinstance(model, Model):
        # An ALBEF without a scale is one of visual entailment.
        kinds = {
            LanguageModel: "language model",
            Captions: "captioner",
            ALBEF: "classifier",
            AnswersQuestions: "model of answers",
        }
        kind = next((name for kind, name in kinds.items() if isinstance(model, kind)), "model")
        raise ValueError(
            f"{str(name)!r} is a {kind}, expected one of images and texts: name a CLIP, "
            "scenes-clip for example"
        )


def require_language_model(model: object, name: object) -> None:
    """Refuse a model that cannot say which words may stand in a place."""
    if not isinstance(model, LanguageModel):
        raise ValueError(
            f"{str(name)!r} is no masked language model: name a BERT, scenes-bert for example"
        )


def load_language_model(name: str | Path) -> tuple[Any, Tokenizer]:
    """`load`, of a masked language model and nothing else.

    Raises:
        ValueError: it is another kind of model.
    """
    model, tokenizer = load(name)
    require_language_model(model, name)
    return model, tokenizer
