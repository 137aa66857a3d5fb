"""Class prompts in open_clip's form: names of classes, and templates that names are put into."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from mat_jax.types.arrays import Tokens
from mat_jax.types.protocols import Tokenizer
from mat_jax.types.text_format import TextFormat
from mat_jax.utils.text_files import read_text

# A text with `{}` or `{c}`, or a function of the name, as open_clip's own lists hold them.
Template = str | Callable[[str], str]


def prompts_of(classes: Sequence[str], templates: Sequence[Template]) -> list[str]:
    """All prompts, class by class: those of the first class first, in the templates' order."""
    return [filled(template, name) for name in classes for template in templates]


def filled(template: Template, name: str) -> str:
    """A template with the name of a class in it.

    Raises:
        ValueError: the template has no place for a name.
    """
    if not isinstance(template, str):
        return template(name)
    if "{}" not in template and "{c}" not in template:
        raise ValueError(
            f"the template {template!r} has no place for the class: write {{}} or {{c}} where its "
            "name goes, as in 'a photo of a {}.'"
        )
    return template.replace("{}", name).replace("{c}", name)


def class_weights(
    units: Float[np.ndarray, "prompts embed"], classes: int
) -> Float[np.ndarray, "classes embed"]:
    r"""One unit vector a class: the mean of its prompts' unit embeddings, scaled to length 1.

    $$w_c = m_c / \|m_c\|, \qquad m_c = \frac{1}{T} \sum_{t=1}^T g(p_{c,t}) / \|g(p_{c,t})\|$$

    (Radford et al. 2021, section 3.1.4; open_clip's `build_zero_shot_classifier`).

    Args:
        units: embeddings of the prompts on the unit sphere, in the order of `prompts_of`.
        classes: how many classes there are.
    """
    mean = units.reshape(classes, -1, units.shape[-1]).mean(axis=1)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def read_list(path: str | Path, what: str) -> tuple[str, ...]:
    """A list of texts from a JSON file: the names of classes, or templates.

    Raises:
        ValueError: the file is not there, or holds something else.
    """
    path = Path(path)
    try:
        found = json.loads(read_text(path, expected=f"a JSON list of {what}"))
    except (OSError, ValueError) as error:
        raise ValueError(f"the {what} file {str(path)!r} cannot be read ({error})") from None
    texts = isinstance(found, list) and all(isinstance(one, str) and one.strip() for one in found)
    if not texts or not found:
        raise ValueError(f"{str(path)!r} holds no JSON list of texts, as {what} must be")
    return tuple(found)


@dataclass(frozen=True)
class AsWritten:
    """A tokenizer that keeps the punctuation of prompts, as open_clip and transformers do.

    Captions are made plain before they are read (`data.clean_caption`). Prompts are not: their
    last full stop is part of what models were tuned with.
    """

    tokenizer: Tokenizer

    @property
    def text_format(self) -> TextFormat:
        """How texts are framed."""
        return self.tokenizer.text_format

    def __call__(
        self, texts: Sequence[str], /, *, clean: Callable[[str], str] | None = None
    ) -> Tokens:
        """Tokens [texts, length]."""
        return self.tokenizer(texts, clean=clean or one_spaced)

    def parts(self, word: str, /) -> list[int]:
        """The ids of one word."""
        return self.tokenizer.parts(word)


def one_spaced(text: str) -> str:
    """The text with single spaces between its words."""
    return " ".join(text.split())


def places_of(
    logits: Float[np.ndarray, "images classes"], labels: Int[np.ndarray, " images"], *, tie: float
) -> Int[np.ndarray, " images"]:
    """The place of each image's class, 1 for the first; what is as high stands before it.

    A logit that is not a number counts as the lowest; of the image's own class, it takes the last
    place.
    """
    scores = np.where(np.isnan(logits), -np.inf, logits)
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    ahead = (scores >= own - tie).sum(axis=1)  # the class itself is one of them
    return np.where(np.isfinite(own[:, 0]), ahead, logits.shape[1]).astype(np.int32)
