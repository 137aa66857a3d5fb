"""Methods that make pictures: RandAugment, T2I and T-I2I."""

from collections.abc import Sequence
from functools import partial

import jax
import numpy as np
from jaxtyping import Array

from mat_jax.augment import diffusion, pictures
from mat_jax.augment.batches import in_batches
from mat_jax.augment.jobs import Drawn, Job, Make, Partner, own_caption
from mat_jax.augment.manifest import Entry
from mat_jax.augment.randaugment import rand_augment
from mat_jax.augment.recipe import Recipe
from mat_jax.augment.world import as_seen, is_world, require_world, scene_of
from mat_jax.data.images import read_image, resize
from mat_jax.data.scenes import imagine, reimagine
from mat_jax.data.scenes.draw import render
from mat_jax.types.sources import Source

PHOTOGRAPHS = 256  # pixels of augmented photographs along a side


def randaug(source: Source, entries: Sequence[Entry], recipe: Recipe) -> Make:
    """The picture after random operations, of the world's size or of a photograph's."""
    size = recipe.size or (None if is_world(source) else PHOTOGRAPHS)
    augment = jax.jit(partial(rand_augment, ops=recipe.ops, magnitude=recipe.magnitude))

    def make(jobs: Sequence[Job]) -> list[Partner]:
        images = [source[job.index].image for job in jobs]
        images = images if size is None else [resize(image, size) for image in images]
        return in_batches(lambda x, keys: _bytes(augment(x, keys)), images, jobs)

    return make


def t2i(source: Source, entries: Sequence[Entry], recipe: Recipe) -> Make:
    """Other scenes that the caption is true of; or pictures from outside."""
    if recipe.file is not None or recipe.model is not None:
        return _from_outside(source, entries, recipe)
    require_world(source, recipe, "pictures (--file) or a diffusion model (--model)")

    def draw(job: Job) -> Partner:
        rng = job.rng
        scene = as_seen(imagine(own_caption(entries, job), rng), recipe, rng)
        return Drawn(render(scene, len(source[job.index].image)), scene)

    return lambda jobs: [draw(job) for job in jobs]


def t_i2i(source: Source, entries: Sequence[Entry], recipe: Recipe) -> Make:
    """The layout of the picture, redrawn as far as strength says; or pictures from outside."""
    if recipe.file is not None or recipe.model is not None:
        return _from_outside(source, entries, recipe, strength=recipe.strength)
    require_world(source, recipe, "pictures (--file) or a diffusion model (--model)")

    def draw(job: Job) -> Partner:
        rng, example = job.rng, source[job.index]
        scene = reimagine(
            scene_of(example), own_caption(entries, job), rng, strength=recipe.strength
        )
        scene = as_seen(scene, recipe, rng)
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


def _bytes(images: Array) -> np.ndarray:
    return np.clip(np.round(255 * np.asarray(images)), 0, 255).astype(np.uint8)
