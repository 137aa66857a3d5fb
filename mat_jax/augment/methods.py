"""The ways to make partners by name, with what the command line must know of each."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from mat_jax import models
from mat_jax.augment import diffusion, pictures, rewriter, synonyms
from mat_jax.augment.eda import edited
from mat_jax.augment.manifest import Entry
from mat_jax.augment.randaugment import rand_augment
from mat_jax.augment.recipe import Recipe
from mat_jax.data.clean import clean_caption
from mat_jax.data.images import read_image, resize
from mat_jax.data.scenes import caption, imagine, reimagine, rewrite
from mat_jax.data.scenes.builder import SceneExample
from mat_jax.data.scenes.careless import mistaken
from mat_jax.data.scenes.draw import render
from mat_jax.data.scenes.facts import Scene
from mat_jax.models import generation
from mat_jax.types.protocols import Captioned, HasCaptions, Source

BATCH = 32  # pictures that a device call is for
PHOTOGRAPHS = 256  # pixels of augmented photographs along a side


class Job(NamedTuple):
    """One partner to be made.

    Attributes:
        index: position of the image it is made of; of another one, if it shall not belong.
        number: k, which partner of its image it is.
        seed: numbers that no other job of a recipe has, all that is drawn for it follows from.
    """

    index: int
    number: int
    seed: tuple[int, int, int]

    @property
    def rng(self) -> np.random.Generator:
        """Of what is drawn on the host."""
        return np.random.default_rng(self.seed)

    @property
    def torch_seed(self) -> int:
        """Of what torch draws."""
        return int(np.random.SeedSequence(self.seed).generate_state(1)[0])


class Drawn(NamedTuple):
    """A picture of which the world knows what is in it."""

    pixels: np.ndarray
    scene: Any


# A caption, a picture, or none: there are no more.
Partner = str | np.ndarray | Drawn | None
Make = Callable[[Sequence[Job]], list[Partner]]


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

    build: Callable[[Any, Sequence[Entry], Recipe], Make]
    title: str
    pictures: bool = False
    crossed: bool = False
    knobs: tuple[str, ...] = ()
    check: Callable[[Recipe], object] = lambda recipe: None


def _eda(source: Source, entries: Sequence[Entry], recipe: Recipe) -> Make:
    """Synonyms from a file, from a model, or else from the world's lexicon."""
    if recipe.file is not None:
        options = synonyms.from_file(recipe.file)
    elif recipe.model is not None:
        options = synonyms.from_model(recipe.model)
    else:
        _scene(source, recipe, "a word file (--file) or a masked language model (--model)")
        options = synonyms.of_the_world

    def make(jobs: Sequence[Job]) -> list[Partner]:
        captions = [clean_caption(own_caption(entries, job)) for job in jobs]
        pairs = zip(jobs, captions, options(captions), strict=True)
        return [edited(text, own, job.rng, alpha=recipe.alpha) for job, text, own in pairs]

    return make


def _langrw(source: Source, entries: Sequence[Entry], recipe: Recipe) -> Make:
    """Rewrites from a file, from a language model, or else by the world's grammar."""
    if recipe.file is not None:
        known = rewriter.from_file(recipe.file)
        if not any(known(text) for entry in entries for text in entry.captions):
            raise ValueError(
                f"{str(recipe.file)!r} has no rewrite of any caption, such as "
                f"{entries[0].captions[0]!r}: its keys must be the captions"
            )

        def look_up(job: Job) -> Partner:
            number = job.number // len(entries[job.index].captions)
            return dict(enumerate(known(own_caption(entries, job)))).get(number)

        return lambda jobs: [look_up(job) for job in jobs]
    if recipe.model is not None:
        write = rewriter.from_model(recipe.model, ask=recipe.prompt, top_p=recipe.top_p)

        def ask(jobs: Sequence[Job]) -> list[Partner]:
            found = []
            for start in range(0, len(jobs), BATCH):
                part = jobs[start : start + BATCH]
                captions, seeds = zip(
                    *((own_caption(entries, j), j.torch_seed) for j in part), strict=True
                )
                found += write(captions, seeds)
            return [text or None for text in found]

        return ask
    _scene(source, recipe, "rewrites (--file) or a language model (--model)")
    return lambda jobs: [rewrite(own_caption(entries, job), job.rng) for job in jobs]


def _randaug(source: Source, entries: Sequence[Entry], recipe: Recipe) -> Make:
    size = recipe.size or (None if _is_world(source) else PHOTOGRAPHS)
    augment = jax.jit(partial(rand_augment, ops=recipe.ops, magnitude=recipe.magnitude))

    def make(jobs: Sequence[Job]) -> list[Partner]:
        images = [source[job.index].image for job in jobs]
        images = images if size is None else [resize(image, size) for image in images]
        return _in_batches(lambda x, keys: _bytes(augment(x, keys)), images, jobs)

    return make


def _i2t_human(source: Source, entries: Sequence[Entry], recipe: Recipe) -> Make:
    """The captions that are no originals; of a scene, further writers' when they are used up."""
    if recipe.wrong and not _is_world(source):
        raise ValueError(
            "wrong mistakes facts of scenes, which photographs do not tell: leave it out"
        )

    everyone = zip(range(len(entries)), entries, strict=True)
    if not _is_world(source) and not any(
        len(_captions(source, index)) > len(entry.captions) for index, entry in everyone
    ):
        raise ValueError(
            "no image has captions besides its originals, so none is left as a partner: lower "
            "--originals, or choose another way"
        )

    def one(job: Job) -> Partner:
        captions = _captions(source, job.index)
        number = len(entries[job.index].captions) + job.number
        if number < len(captions) and not recipe.wrong:
            return captions[number]
        if not _is_world(source):
            return None
        rng = job.rng
        return caption(_seen(_scene_of(source[job.index]), recipe, rng), rng)

    return lambda jobs: [one(job) for job in jobs]


def _i2t_cap(source: Source, entries: Sequence[Entry], recipe: Recipe) -> Make:
    """What a captioner writes of the picture."""
    if recipe.model is None:
        _scene(source, recipe, "a captioner (--model), Salesforce/blip-image-captioning-base say")
    name = recipe.model or "scenes-captioner"
    model, tokenizer = models.load(name)
    if not isinstance(model, models.BLIPCaptioner):
        raise ValueError(f"{name} writes no captions; give a BLIP trained for captioning")
    words = clean_caption(recipe.prompt or "").split()
    prompt = tuple(i for word in words for i in tokenizer.parts(word))
    decode = {
        "nucleus": partial(generation.nucleus, top_p=recipe.top_p),
        "beam": lambda model, images, keys, **sizes: generation.beam_search(model, images, **sizes),
        "greedy": lambda model, images, keys, **sizes: generation.greedy(model, images, **sizes),
    }[recipe.decode]
    longest = min(20 + len(prompt), model.config.text.length)
    said = " ".join(words)

    def write(images: np.ndarray, keys: Any) -> list[str]:
        ids = decode(model, images, keys, prompt=prompt, max_length=longest)
        texts = tokenizer.captions(np.asarray(ids))
        return [text.removeprefix(said).strip() for text in texts]

    def make(jobs: Sequence[Job]) -> list[Partner]:
        size, fit = model.config.image_size, model.pixels.fit
        images = [resize(source[job.index].image, size, fit) for job in jobs]
        return [text or None for text in _in_batches(write, images, jobs)]

    return make


def _t2i(source: Source, entries: Sequence[Entry], recipe: Recipe) -> Make:
    """Other scenes that the caption is true of; or pictures from outside."""
    if recipe.file is not None or recipe.model is not None:
        return _from_outside(source, entries, recipe)
    _scene(source, recipe, "pictures (--file) or a diffusion model (--model)")

    def draw(job: Job) -> Partner:
        rng = job.rng
        scene = _seen(imagine(own_caption(entries, job), rng), recipe, rng)
        return Drawn(render(scene, len(source[job.index].image)), scene)

    return lambda jobs: [draw(job) for job in jobs]


def _t_i2i(source: Source, entries: Sequence[Entry], recipe: Recipe) -> Make:
    """The layout of the picture, redrawn as far as strength says; or pictures from outside."""
    if recipe.file is not None or recipe.model is not None:
        return _from_outside(source, entries, recipe, strength=recipe.strength)
    _scene(source, recipe, "pictures (--file) or a diffusion model (--model)")

    def draw(job: Job) -> Partner:
        rng, example = job.rng, source[job.index]
        scene = reimagine(
            _scene_of(example), own_caption(entries, job), rng, strength=recipe.strength
        )
        scene = _seen(scene, recipe, rng)
        return Drawn(render(scene, len(example.image)), scene)

    return lambda jobs: [draw(job) for job in jobs]


def _from_outside(
    source: Source, entries: Sequence[Entry], recipe: Recipe, *, strength: float | None = None
) -> Make:
    """Pictures of a folder or a list, or of a diffusion model."""
    if recipe.file is not None:
        found = pictures.find(recipe.file, entries)

        def read(job: Job) -> Partner:
            own = found[job.index]
            return read_image(own[job.number]) if job.number < len(own) else None

        return lambda jobs: [read(job) for job in jobs]
    paint = diffusion.painter(str(recipe.model), strength=strength)

    def draw(job: Job) -> Partner:
        start = None if strength is None else source[job.index].image
        return paint(own_caption(entries, job), job.torch_seed, start)

    return lambda jobs: [draw(job) for job in jobs]


def _check_synonyms(recipe: Recipe) -> None:
    if recipe.file is not None:
        synonyms.from_file(recipe.file)


def _check_rewrites(recipe: Recipe) -> None:
    if recipe.file is not None:
        rewriter.from_file(recipe.file)


def _check_decoding(recipe: Recipe) -> None:
    if recipe.decode != "nucleus" and recipe.count > 1:
        raise ValueError(
            f"{recipe.decode} decoding writes one caption of a picture, not {recipe.count}: choose "
            "count=1, or nucleus"
        )


def _check_pictures(recipe: Recipe) -> None:
    if recipe.wrong and (recipe.file is not None or recipe.model is not None):
        raise ValueError("wrong mistakes facts of scenes before they are drawn: leave it out here")
    if recipe.file is not None:
        pictures.read(recipe.file)


_ASKED = ("model", "file")
_DRAWN = ("style", "wrong", *_ASKED)
WAYS = {
    "eda": Way(_eda, "EDA", knobs=("alpha", *_ASKED), check=_check_synonyms),
    "langrw": Way(_langrw, "LangRW", knobs=("prompt", "top_p", *_ASKED), check=_check_rewrites),
    "randaug": Way(_randaug, "RandAug", pictures=True, knobs=("style", "ops", "magnitude", "size")),
    "i2t_human": Way(_i2t_human, "I2T (Human)", crossed=True, knobs=("wrong",)),
    "i2t_cap": Way(
        _i2t_cap,
        "I2T (Cap)",
        crossed=True,
        knobs=("decode", "top_p", "prompt", "model"),
        check=_check_decoding,
    ),
    "t2i": Way(_t2i, "T2I", pictures=True, crossed=True, knobs=_DRAWN, check=_check_pictures),
    "t_i2i": Way(
        _t_i2i,
        "T-I2I",
        pictures=True,
        crossed=True,
        knobs=("strength", *_DRAWN),
        check=_check_pictures,
    ),
}


def own_caption(entries: Sequence[Entry], job: Job) -> str:
    """The original caption that a partner is made of: they take turns."""
    captions = entries[job.index].captions
    return captions[job.number % len(captions)]


def _captions(source: Source, index: int) -> tuple[str, ...]:
    """The captions of an image, by the cheapest way the source offers."""
    if isinstance(source, HasCaptions):
        return tuple(source.captions(index))
    return tuple(source[index].captions)


def _seen(scene: Any, recipe: Recipe, rng: np.random.Generator) -> Any:
    """The scene with some of its facts mistaken."""
    return mistaken(scene, rng, wrong=recipe.wrong, ground=recipe.wrong) if recipe.wrong else scene


def _is_world(source: Source) -> bool:
    return isinstance(source[0], SceneExample)


def _scene_of(example: Captioned) -> Scene:
    assert isinstance(example, SceneExample)
    return example.scene


def _scene(source: Source, recipe: Recipe, instead: str) -> None:
    if not _is_world(source):
        raise ValueError(
            f"{recipe.how} knows what scenes hold, but not what photographs do: give {instead}"
        )


def _in_batches(
    call: Callable[[np.ndarray, Any], Iterable[Any]],
    images: Sequence[np.ndarray],
    jobs: Sequence[Job],
) -> list[Any]:
    """`call(images in [0, 1], keys)` on all of them, in batches of one size: one compilation."""
    results: list[Any] = []
    for start in range(0, len(jobs), BATCH):
        places = [min(start + i, len(jobs) - 1) for i in range(BATCH)]
        batch = np.stack([images[i] for i in places])
        batch = np.divide(batch, np.float32(255), dtype=np.float32)
        results += list(call(batch, _keys([jobs[i] for i in places])))[: len(jobs) - start]
    return results


def _keys(jobs: Sequence[Job]) -> Any:
    """A key a job, folded from its numbers."""
    numbers = np.array([job.seed for job in jobs], np.uint32)
    keys = jax.vmap(jax.random.key)(numbers[:, 0])
    for column in (1, 2):
        keys = jax.vmap(jax.random.fold_in)(keys, numbers[:, column])
    return keys


def _bytes(images: Any) -> np.ndarray:
    return np.clip(np.round(255 * np.asarray(images)), 0, 255).astype(np.uint8)
