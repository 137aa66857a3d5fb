"""The passes that are counted from the settings are those that a step makes."""

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mat_jax import defenses
from mat_jax.defenses.cost import Passes, passes
from mat_jax.defenses.inner.images import WithCleanTexts, kl_from_clean
from mat_jax.train import mesh, state
from mat_jax.train.step import compile_step
from tests.defenses.linear import BATCH, Linear, Tower, batch, model, prompts
from tests.defenses.one_to_many_test import rich

seen: dict[str, set[bytes]] = {}
rows: Counter[str] = Counter()


def note(kind, *arrays):
    """Count the rows of an encoding, unless the same has been encoded before."""
    what = b"".join(np.round(np.asarray(x), 4).tobytes() for x in arrays)
    if what not in seen.setdefault(kind, set()):
        seen[kind].add(what)
        rows[kind] += len(arrays[0])


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def watched(kind, given, embed):
    """`embed`, and what it was made of is noted, forward and backward."""
    jax.debug.callback(partial(note, f"{kind} forward"), given, embed)
    return embed


def forward(kind, given, embed):
    return watched(kind, given, embed), given


def backward(kind, given, slope):
    jax.debug.callback(partial(note, f"{kind} backward"), given, slope)
    return jnp.zeros_like(given), slope


watched.defvjp(forward, backward)


class Watched(NamedTuple):
    """`Linear`, which tells what it encodes."""

    vision: Tower
    text: Tower
    logit_scale: jax.Array

    text_format, patch_embeddings = Linear.text_format, Linear.patch_embeddings
    scale = Linear.scale

    def encode_image(self, images):
        found = Linear.encode_image(Linear(*self), images)
        given = jax.lax.stop_gradient(images)
        return found._replace(embed=watched("image", given, found.embed))

    def encode_text(self, tokens, shift=None, /):
        found = Linear.encode_text(Linear(*self), tokens)
        given = jnp.asarray(tokens.ids, jnp.float32)
        return found._replace(embed=watched("text", given, found.embed))


PROMPTS = prompts()
PGD: dict[str, Any] = {"eps": 0.1, "steps": 3}
# Of a caption every change raises the divergence, so one word is visited.
WORDS: dict[str, Any] = {**PGD, "candidates": 4, "text_objective": "kl"}
Order = defenses.Strategy
CASES = {
    "fine_tune": defenses.FineTune(),
    "mat": defenses.MAT(**WORDS),
    "mat_away": defenses.MAT(
        **PGD, words=0, pairs=defenses.Pairs(both=0.5, image=0.2, text=0.0, clean=0.3)
    ),
    "mat_vision": defenses.MAT(
        **PGD, words=0, part="vision", strategy=Order(objective=kl_from_clean)
    ),
    "mat_clean_too": defenses.MAT(**WORDS, strategy=Order(objective=WithCleanTexts())),
    "mat_random_word": defenses.MAT(**WORDS, search="random"),
    "mat_every_word": defenses.MAT(**WORDS, search="every"),
    "mat_replays": defenses.MAT(**PGD, words=0, replays=3),
    "mat_plus": defenses.MATPlus(mat=defenses.MAT(**WORDS), texts=2),
    "mat_plus_pictures": defenses.MATPlus(
        mat=defenses.MAT(**WORDS, pairs=defenses.Pairs(both=0.5, clean=0.5)),
        texts=2,
        images=1,
        views=1,
        augment=lambda images, key: 0.9 * images,
        attack_partners=False,
    ),
    "mat_plus_replays": defenses.MATPlus(
        mat=defenses.MAT(**PGD, words=0, replays=3), texts=2, images=1
    ),
    "mat_plus_pairs": defenses.MATPlus(
        mat=defenses.MAT(**PGD, words=0), use="pairs", texts=2, images=2
    ),
    "mmcoa": defenses.MMCoA(PROMPTS, **PGD, candidates=4),
    "tecoa": defenses.TeCoA(PROMPTS, **PGD),
    "tecoa_itr": defenses.TeCoAITR(**PGD),
    "pmg_aft": defenses.PMGAFT(PROMPTS, **PGD),
    "fare": defenses.FARE(**PGD),
    "sim_clip": defenses.SimCLIP(**PGD),
    "qt_aft": defenses.QTAFT(**PGD),
    "mava": defenses.MAVA(**PGD, texts=2),
    "mava_trajectory": defenses.MAVA(**PGD, texts=2, count=1, neighbours="trajectory"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_step_makes_the_passes_that_were_counted(name):
    defense = CASES[name]
    trained = Watched(*model(0))
    layout, weights = state.flatten(trained)
    optimizer = optax.sgd(0.1)
    begin = state.create(weights, optimizer, defense.trains, 0)
    step = compile_step(layout, defense, optimizer, mesh.make(1), begin)
    reference = state.flatten(Watched(*model(1)))[1] if defense.needs_reference else None
    seen.clear()
    rows.clear()
    given, partners = batch(getattr(defense, "texts", 1)), getattr(defense, "images", 0)
    step(begin, reference, rich(defense.texts, partners) if partners else given)
    jax.effects_barrier()
    counted = passes(defense, batch_size=BATCH, open_words=3.0)
    assert rows["image forward"] / BATCH == pytest.approx(counted.image_forwards)
    assert rows["text forward"] / BATCH == pytest.approx(counted.text_forwards)
    back = counted.text_backwards + counted.text_updates
    assert rows["text backward"] / BATCH == pytest.approx(back)
    back = counted.image_backwards + counted.image_updates
    assert rows["image backward"] / BATCH == pytest.approx(back)


def test_mat_is_one_step_of_fine_tuning_and_two_thirds_a_pgd_step_and_what_is_scored():
    plain = passes(defenses.FineTune(), batch_size=64)
    assert plain.relative(5.0, 2.0) == pytest.approx(1)
    mat = defenses.MAT(steps=2, words=0)
    assert passes(mat, batch_size=64).relative(1.0, 0.0) == pytest.approx(1 + 2 * 2 / 3)
    # The clean image, against which words are chosen; 1 + 7 + 10 captions besides the one learnt.
    both = passes(replace(mat, words=1), batch_size=64).relative(1.0, 1.0)
    assert both == pytest.approx(1 + (2 * 2 / 3 + 1 / 3 + 18 / 3) / 2)
    # The gradient names ten captions of all that a word makes: a pass back in the place of seven.
    named = passes(replace(mat, words=1, search="promising"), batch_size=64).relative(1.0, 1.0)
    assert named == pytest.approx(1 + (2 * 2 / 3 + 1 / 3 + (1 + 10 + 1) / 3) / 2)
    # An update of the fast form costs one of fine-tuning.
    free = passes(defenses.MAT(steps=0, words=0, replays=4), batch_size=64)
    assert free.relative(5.0, 2.0) == pytest.approx(4)


def test_leaf_tries_its_places_and_then_every_character():
    leaf = passes(defenses.LEAF(positions=50), batch_size=64)
    # The alphabet of the paper's code after cleaning: space, nothing, 26 letters, 10 figures.
    assert leaf == Passes(text_forwards=50 + 38 + 3, text_updates=1)
    both = passes(defenses.FARELEAF(), batch_size=64)
    assert both == Passes(12, 10, 1, 91, 1)


def test_what_nobody_counted_is_said():
    with pytest.raises(ValueError, match="passes of MaskedWords are not counted"):
        passes(defenses.MaskedWords(mask=1, first=2, vocabulary=9), batch_size=4)
