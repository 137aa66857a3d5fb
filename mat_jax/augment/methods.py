"""The ways to make partners by name, with what the command line must know of each."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from mat_jax import models
from mat_jax.augment import caption_methods, picture_methods, pictures, rewriter, synonyms
from mat_jax.augment.jobs import Make
from mat_jax.augment.manifest import Entry
from mat_jax.augment.recipe import Recipe
from mat_jax.types.sources import Source


class Way(NamedTuple):
    """A way to make partners.

    Attributes:
        build: `(source, entries, recipe) -> make`, and `make(jobs)` gives a partner each.
        title: as the paper has it.
        pictures: it makes pictures; else captions.
        crossed: it makes them from the other modality.
        knobs: settings of `Recipe` it listens to, besides the common ones.
        check: refuses a recipe that cannot be, before the images are looked for or drawn.
    """

    build: Callable[[Source, Sequence[Entry], Recipe], Make]
    title: str
    pictures: bool = False
    crossed: bool = False
    knobs: tuple[str, ...] = ()
    check: Callable[[Recipe], object] = lambda recipe: None


def _check_synonyms(recipe: Recipe) -> None:
    if recipe.file is not None:
        synonyms.from_file(recipe.file)
    elif recipe.model is not None:
        models.located(recipe.model)


def _check_rewrites(recipe: Recipe) -> None:
    if recipe.file is not None:
        rewriter.from_file(recipe.file)


def _check_decoding(recipe: Recipe) -> None:
    if recipe.decode != "nucleus" and recipe.count > 1:
        raise ValueError(
            f"{recipe.decode} decoding writes one caption of a picture, not {recipe.count}: choose "
            "count=1, or nucleus"
        )
    if recipe.model is not None:
        models.located(recipe.model)


def _check_pictures(recipe: Recipe) -> None:
    if recipe.wrong and (recipe.file is not None or recipe.model is not None):
        raise ValueError("wrong mistakes facts of scenes before they are drawn: leave it out here")
    if recipe.file is not None:
        pictures.read(recipe.file)


_ASKED = ("model", "file")
_DRAWN = ("style", "wrong", *_ASKED)
WAYS = {
    "eda": Way(caption_methods.eda, "EDA", knobs=("alpha", *_ASKED), check=_check_synonyms),
    "langrw": Way(
        caption_methods.langrw, "LangRW", knobs=("prompt", "top_p", *_ASKED), check=_check_rewrites
    ),
    "randaug": Way(
        picture_methods.randaug,
        "RandAug",
        pictures=True,
        knobs=("style", "ops", "magnitude", "size"),
    ),
    "i2t_human": Way(caption_methods.i2t_human, "I2T (Human)", crossed=True, knobs=("wrong",)),
    "i2t_cap": Way(
        caption_methods.i2t_cap,
        "I2T (Cap)",
        crossed=True,
        knobs=("decode", "top_p", "prompt", "model"),
        check=_check_decoding,
    ),
    "t2i": Way(
        picture_methods.t2i, "T2I", pictures=True, crossed=True, knobs=_DRAWN, check=_check_pictures
    ),
    "t_i2i": Way(
        picture_methods.t_i2i,
        "T-I2I",
        pictures=True,
        crossed=True,
        knobs=("strength", *_DRAWN),
        check=_check_pictures,
    ),
}
