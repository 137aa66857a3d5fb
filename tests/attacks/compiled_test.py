"""An attack as one call: texts cut to what they need, and put back."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mat_jax import attacks, models
from mat_jax.attacks.compiled import longest
from mat_jax.types.arrays import Batch
from mat_jax.types.text_format import MULTIPLE, compose
from tests.attacks.toy import SIZE, VOCABULARY, Toy, toy_batch
from tests.tools.narrow import host, some

LENGTH = 40
FORMAT = dataclasses.replace(Toy().text_format, length=LENGTH)


def long_batch() -> Batch:
    """The toy's batch, framed for a model that reads 40 ids."""
    batch = toy_batch()
    words = some(batch.words)
    tokens = jax.jit(lambda a, b: compose(a, b, FORMAT))(words.parts, words.lengths)
    return batch._replace(tokens=jax.tree.map(np.asarray, tokens))


def family(name):
    vit = models.ViTConfig(width=8, layers=1, heads=2)
    text = models.BertConfig(VOCABULARY, LENGTH, width=8, layers=2, heads=2)
    if name == "clip":
        config = models.CLIPConfig(SIZE, 4, vit, text, embed=8, bos=1, eos=2)
    else:
        config = models.ALBEFConfig(SIZE, 4, vit, text, first_fusion=1, embed=8)
    model = models.files.build(config, 0)
    model.text_format = FORMAT
    return model


@pytest.mark.parametrize("name", [pytest.param("clip", marks=pytest.mark.slow), "albef"])
def test_a_text_cut_where_nothing_stands_is_attacked_as_it_was(name):
    batch, key = long_batch(), jax.random.key(0)
    threat = attacks.ThreatModel(eps=0.1, steps=2, words=2)
    call = attacks.compile_attack(attacks.sga_plain_attack, family(name), threat=threat)
    assert call.fitted(batch).tokens.ids.shape[-1] == MULTIPLE
    cut, whole = call(batch, key), call.func(call.state, batch, key)
    assert cut.tokens.ids.shape == (4, 3, LENGTH)
    np.testing.assert_array_equal(cut.choice, whole.choice)
    jax.tree.map(np.testing.assert_array_equal, cut.tokens, whole.tokens)
    # Rounding decides the sign of a gradient near zero.
    assert np.mean(np.abs(np.asarray(cut.images - whole.images)) > 1e-6) < 0.02
    assert (np.asarray(cut.choice) >= 0).any()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), changes=st.integers(0, 2))
def test_no_choice_of_words_is_longer(seed, changes):
    """Every set of at most `changes` words with any of their substitutes, and one word masked."""
    draw = np.random.RandomState(seed)
    words = some(toy_batch().words)._replace(
        lengths=host(draw.randint(0, 4, (1, 1, 4)).astype(np.int32)),
        substitute_lengths=host(draw.randint(0, 5, (1, 1, 4, 2)).astype(np.int32)),
    )
    lengths, others = words.lengths[0, 0], words.substitute_lengths[0, 0]
    most = 2 + lengths.sum()
    for slot in np.flatnonzero(others.max(axis=-1) > 0):
        most = max(most, 2 + lengths.sum() - lengths[slot] + len(FORMAT.mask))
    for count in range(1, changes + 1):
        for slots in itertools.combinations(range(4), count):
            for picks in itertools.product(range(2), repeat=count):
                sizes = [others[s, p] for s, p in zip(slots, picks, strict=True)]
                if min(sizes) > 0:
                    kept = lengths.sum() - lengths[list(slots)].sum()
                    most = max(most, 2 + kept + sum(sizes))
    batch = long_batch()
    clean = 2 + lengths.sum()
    mask = jnp.arange(LENGTH)[None, None] < clean
    batch = batch._replace(words=words, tokens=batch.tokens._replace(mask=mask))
    assert longest(batch, FORMAT, changes) >= most
    if changes:
        tight = longest(batch._replace(words=None), FORMAT, changes)
        assert tight == clean
