"""Several models as one, for attacks that shall carry over to models not at hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from mat_jax.models.formats.tokenizer import Tokenizer
from mat_jax.models.joint_tokens import JointTokenizer, split_ids
from mat_jax.types.arrays import ImageFeatures, TextFeatures, Tokens
from mat_jax.types.protocols import ImagePreparation, SizedModel
from mat_jax.types.text_format import TextFormat

# What the members are put together by: the mean of their cosines, or of their logits.
Joint = Literal["cosines", "logits"]


@dataclass(frozen=True)
class EnsembleConfig:
    """The size of the images that the ensemble sees: that of its largest member."""

    image_size: int


class ModelEnsemble(nnx.Module):
    r"""n models $f_m$ with scales $s_m$, of which every attack climbs all at once.

    Its embedding is $(\sqrt{w_1} e_1, ..., \sqrt{w_n} e_n)$ of the members' unit embeddings, so
    that a cosine of it is $\sum_m w_m \cos_m$. With "cosines" $w_m = 1 / n$: an objective that is
    linear in cosines, as that of SGA, is then the mean of the members' (mean of losses). The KL
    that PGD, Sep-Attack and Co-Attack climb is not: to second order it is, up to a factor, the mean
    of the members' $1 - \cos_m$, whatever their widths. With "logits" $w_m = s_m / \sum s$, and
    `scale` times a cosine is the mean of the members' logits $\frac1n \sum_m s_m \cos_m$.

    Each member sees the images at its own size (bicubic, within the gradient), normalises them in
    its own way, and reads the ids of its own tokenizer. What reads image and text together is not
    put together: attacks on a fusion need one model.

    Args:
        members: the models.
        readers: of each, its place in `bases`: which of the tokenizers it reads.
        formats: of each, how its own tokenizer frames texts.
        bases: of the `JointTokenizer`.
        text_format: of the `JointTokenizer`.
        joint: the mean of what.
    """

    def __init__(
        self,
        members: Sequence[SizedModel],
        *,
        readers: tuple[int, ...],
        formats: tuple[TextFormat, ...],
        bases: tuple[int, ...],
        text_format: TextFormat,
        joint: Joint,
    ) -> None:
        self.members = nnx.List(members)
        self.config = EnsembleConfig(max(one.config.image_size for one in members))
        self.readers, self.formats, self.bases = readers, formats, bases
        self.text_format, self.joint = text_format, joint

    @property
    def pixels(self) -> ImagePreparation:
        """How images become squares: as the first member has it."""
        return self.members[0].pixels

    def encode_image(self, images: Float[Array, "batch height width 3"]) -> ImageFeatures:
        """The embeddings of all members, one after another; in the place of patches the same."""
        found = [
            one.encode_image(resized(images, one.config.image_size)).unit for one in self.members
        ]
        embed = self._joined(found)
        return ImageFeatures(embed[:, None], embed)

    def encode_text(
        self, tokens: Tokens, shift: Float[Array, "batch length width"] | None = None
    ) -> TextFeatures:
        """The embeddings of all members, one after another.

        Raises:
            TypeError: a shift, since members do not share what ids are embedded as.
        """
        if shift is not None:
            raise TypeError("an ensemble has no word embeddings of its own: attack one model")
        found = [
            one.encode_text(split_ids(tokens, self.bases, reader, form)).unit
            for one, reader, form in zip(self.members, self.readers, self.formats, strict=True)
        ]
        embed = self._joined(found)
        return TextFeatures(embed[:, None], embed, tokens.mask)

    @property
    def scale(self) -> Float[Array, ""]:
        """The mean of the members'."""
        return jnp.mean(self._scales)

    @property
    def _scales(self) -> Float[Array, " members"]:
        return jnp.stack([jnp.asarray(one.scale, jnp.float32) for one in self.members])

    def _joined(self, units: Sequence[Float[Array, "batch _"]]) -> Float[Array, "batch all"]:
        weights = jnp.full(len(units), 1 / len(units))
        if self.joint == "logits":
            weights = self._scales / jnp.sum(self._scales)
        roots = jnp.sqrt(weights)
        parts = [root * one.astype(jnp.float32) for root, one in zip(roots, units, strict=True)]
        return jnp.concatenate(parts, axis=-1)


def resized(images: Float[Array, "batch height width 3"], size: int) -> Float[Array, "..."]:
    """Images at another size: bicubic, and within [0, 1] again; at their own they stay."""
    if images.shape[1] == size:
        return images
    return jnp.clip(jax.image.resize(images, (len(images), size, size, 3), "cubic"), 0.0, 1.0)


def ensemble_of(
    loaded: Sequence[tuple[SizedModel, Tokenizer]], *, joint: Joint = "cosines"
) -> tuple[ModelEnsemble, JointTokenizer]:
    """Models as one model, and their tokenizers as one.

    Args:
        loaded: two or more models with their tokenizers, as `models.load` gives them.
        joint: the mean of what attacks climb, "cosines" or "logits".

    Raises:
        ValueError: fewer than two models, or too large vocabularies.
    """
    if len(loaded) < 2:
        raise ValueError(f"an ensemble of {len(loaded)} model is none: give two or more")
    distinct: list[Tokenizer] = []
    readers = []
    for _, tokenizer in loaded:
        like = [n for n, one in enumerate(distinct) if _alike(one, tokenizer)]
        readers.append(like[0] if like else len(distinct))
        distinct += [] if like else [tokenizer]
    length = max(tokenizer.text_format.length for _, tokenizer in loaded)
    reader = JointTokenizer(distinct, length=length)
    model = ModelEnsemble(
        [one for one, _ in loaded],
        readers=tuple(readers),
        formats=tuple(tokenizer.text_format for _, tokenizer in loaded),
        bases=reader.bases,
        text_format=reader.text_format,
        joint=joint,
    )
    return model, reader


def _alike(one: Tokenizer, other: Tokenizer) -> bool:
    """Whether two tokenizers give words the same ids: BLIP's has two special ones more."""
    frames = [(t.text_format.start, t.text_format.end, t.text_format.pad) for t in (one, other)]
    if one.family != other.family or frames[0] != frames[1]:
        return False
    ours, theirs = one.backend.get_vocab(), other.backend.get_vocab()
    apart = {token for token, _ in ours.items() ^ theirs.items()}
    return all(token.startswith("[") and token.endswith("]") for token in apart)
