"""Methods that make captions: EDA, rewrites, further writers and captioners."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from jaxtyping import Array, Key

from mat_jax import models
from mat_jax.augment import rewriter, synonyms
from mat_jax.augment.batches import BATCH, in_batches
from mat_jax.augment.eda import edited
from mat_jax.augment.jobs import Job, Make, Partner, own_caption
from mat_jax.augment.manifest import Entry
from mat_jax.augment.recipe import Recipe
from mat_jax.augment.world import as_seen, is_world, require_world, scene_of
from mat_jax.data.clean import clean_caption
from mat_jax.data.images import resize
from mat_jax.data.scenes import caption, rewrite
from mat_jax.models import generation
from mat_jax.types.sources import HasCaptions, Source


def eda(source: Source, entries: Sequence[Entry], recipe: Recipe) -> Make:
    """Synonyms from a file, from a model, or else from the world's lexicon."""
    if recipe.file is not None:
        options = synonyms.from_file(recipe.file)
    elif recipe.model is not None:
        options = synonyms.from_model(recipe.model)
    else:
        require_world(source, recipe, "a word file (--file) or a masked language model (--model)")
        options = synonyms.of_the_world

    def make(jobs: Sequence[Job]) -> list[Partner]:
        captions = [clean_caption(own_caption(entries, job)) for job in jobs]
        pairs = zip(jobs, captions, options(captions), strict=True)
        return [edited(text, own, job.rng, alpha=recipe.alpha) for job, text, own in pairs]

    return make


def langrw(source: Source, entries: Sequence[Entry], recipe: Recipe) -> Make:
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
    require_world(source, recipe, "rewrites (--file) or a language model (--model)")
    return lambda jobs: [rewrite(own_caption(entries, job), job.rng) for job in jobs]


def i2t_human(source: Source, entries: Sequence[Entry], recipe: Recipe) -> Make:
    """The captions that are no originals; of a scene, further writers' when they are used up."""
    if recipe.wrong and not is_world(source):
        raise ValueError(
            "wrong mistakes facts of scenes, which photographs do not tell: leave it out"
        )

    everyone = zip(range(len(entries)), entries, strict=True)
    if not is_world(source) and not any(
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
        if not is_world(source):
            return None
        rng = job.rng
        return caption(as_seen(scene_of(source[job.index]), recipe, rng), rng)

    return lambda jobs: [one(job) for job in jobs]


def i2t_cap(source: Source, entries: Sequence[Entry], recipe: Recipe) -> Make:
    """What a captioner writes of the picture."""
    if recipe.model is None:
        require_world(
            source, recipe, "a captioner (--model), Salesforce/blip-image-captioning-base say"
        )
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

    def write(images: np.ndarray, keys: Key[Array, " batch"]) -> list[str]:
        ids = decode(model, images, keys, prompt=prompt, max_length=longest)
        texts = tokenizer.captions(np.asarray(ids))
        return [text.removeprefix(said).strip() for text in texts]

    def make(jobs: Sequence[Job]) -> list[Partner]:
        size, fit = model.config.image_size, model.pixels.fit
        images = [resize(source[job.index].image, size, fit) for job in jobs]
        return [text or None for text in in_batches(write, images, jobs)]

    return make


def _captions(source: Source, index: int) -> tuple[str, ...]:
    """The captions of an image, by the cheapest way the source offers."""
    if isinstance(source, HasCaptions):
        return tuple(source.captions(index))
    return tuple(source[index].captions)
