import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mat_jax.attacks.words.substitution import away, kl, plan, substitute
from mat_jax.types.arrays import Tokens, Words, unit
from mat_jax.types.text_format import TextFormat, compose
from tests.tools.narrow import host

FORMAT = TextFormat(start=1, end=2, pad=0, length=12, mask=(3, 4, 5))
VOCABULARY, EMBED = 40, 8


def embedder(seed=0):
    """Unit embeddings in which every token at every place counts."""
    table = np.random.RandomState(seed).randn(FORMAT.length, VOCABULARY, EMBED)
    table = jnp.asarray(table.astype(np.float32))

    def embed(tokens, captions=None):
        places = jnp.arange(FORMAT.length)
        each = jax.vmap(lambda ids: table[places, ids])(tokens.ids)
        return unit(jnp.sum(each * tokens.mask[..., None].astype(jnp.float32), axis=1))

    return embed


def captions(seed=0, lead=(3, 2), words=5, candidates=3, parts=2):
    draw = np.random.RandomState(seed)
    lengths = draw.randint(1, parts + 1, (*lead, words))
    lengths[..., -1] *= draw.rand(*lead) < 0.5  # some captions are shorter
    shape = (*lead, words, candidates)
    there = (draw.rand(*shape) < 0.6) & (lengths[..., None] > 0)
    there[..., 1, :] = False  # a word that may not change
    there = -np.sort(-there.astype(int), axis=-1)  # substitutes come first, then padding
    arrays = (
        draw.randint(6, VOCABULARY, (*lead, words, parts)),
        lengths,
        draw.randint(6, VOCABULARY, (*shape, parts)),
        there * draw.randint(1, parts + 1, shape),
    )
    return Words(*(host(x.astype(np.int32)) for x in arrays))


@functools.cache
def compiled(objective, guided, budget, mask):
    @jax.jit
    def run(words, image):
        embed = embedder()
        tokens = compose(words.parts, words.lengths, FORMAT)
        prepared = plan(embed, words, tokens, text_format=FORMAT, mask=mask)
        reference = image if guided else prepared.clean
        found = substitute(
            embed, words, tokens, objective, reference, prepared, text_format=FORMAT, budget=budget
        )
        return tokens, prepared, found

    return run


def attack(words, objective, reference, *, budget=1, mask=()):
    return compiled(objective, reference is not None, budget, mask)(words, reference)


def images(lead, seed=1):
    vectors = np.random.RandomState(seed).randn(*lead, EMBED).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


once = jax.jit(embedder())


def embed_list(ids):
    """One caption, given as a list of words that are lists of ids."""
    flat = [1, *itertools.chain(*ids)][: FORMAT.length - 1] + [2]
    row = np.zeros((1, FORMAT.length), np.int32)
    row[0, : len(flat)] = flat
    mask = np.arange(FORMAT.length)[None] < len(flat)
    return np.asarray(once(Tokens(jnp.asarray(row), jnp.asarray(mask))))[0], row[0]


def double_kl(a, b):
    a, b = (np.asarray(x, np.float64) for x in (a, b))
    log_p, log_q = (x - np.log(np.exp(x).sum()) for x in (a, b))
    return float((np.exp(log_p) * (log_p - log_q)).sum())


def slow_walk(parts, lengths, subs, sub_lengths, score, budget, mask):
    """One caption of the algorithm, with lists."""
    caption = [list(p[:n]) for p, n in zip(parts, lengths, strict=True)]
    options = [
        [list(s[:n]) for s, n in zip(ss, ns, strict=True) if n]
        for ss, ns in zip(subs, sub_lengths, strict=True)
    ]
    clean, _ = embed_list(caption)
    importance = {}
    for w in range(len(caption)):
        if options[w]:
            without = caption[:w] + [list(mask)] + caption[w + 1 :]
            importance[w] = double_kl(clean, embed_list(without)[0])
    choice, changed = [-1] * len(caption), 0
    for w in sorted(importance, key=lambda w: -importance[w]):
        if changed == budget:
            break
        tries = [caption[w], *options[w]]
        values = [
            score(clean, embed_list(caption[:w] + [one] + caption[w + 1 :])[0]) for one in tries
        ]
        best = int(np.argmax(values))
        if best:
            caption[w], choice[w], changed = tries[best], best - 1, changed + 1
    return choice, embed_list(caption)[1]


def test_kl_is_the_divergence_in_double_precision():
    draw = np.random.RandomState(0)
    for scale, rtol in ((1e-3, 1e-3), (0.1, 2e-5), (1.0, 2e-5)):
        a = draw.randn(200, 512)
        b = a + scale * draw.randn(200, 512)
        a, b = ((x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32) for x in (a, b))
        expected = [double_kl(x, y) for x, y in zip(a, b, strict=True)]
        ours = kl(jnp.asarray(a), jnp.asarray(b))
        np.testing.assert_allclose(ours, expected, rtol=rtol)


def test_kl_of_a_vector_with_itself_is_zero_with_zero_gradient():
    e = jnp.asarray(images((4,)))
    np.testing.assert_allclose(kl(e, e), 0, atol=1e-12)
    np.testing.assert_allclose(jax.grad(lambda x: jnp.sum(kl(e, x)))(e), 0, atol=1e-6)


@pytest.mark.parametrize(
    ("budget", "mask", "guided"),
    [(1, (), False), (1, FORMAT.mask, True), (2, (), True), (4, FORMAT.mask, False), (4, (), True)],
)
def test_equals_the_walk_written_with_lists(budget, mask, guided):
    words = captions(seed=budget)
    reference = images((3, 2)) if guided else None
    _, _, found = attack(words, away if guided else kl, reference, budget=budget, mask=mask)
    for b, m in itertools.product(range(3), range(2)):
        parts, lengths, others, sizes = (np.asarray(x)[b, m] for x in words)
        image = None if reference is None else np.asarray(reference)[b, m]
        choice, ids = slow_walk(
            parts,
            lengths,
            others,
            sizes,
            double_kl if image is None else lambda clean, e, image=image: -float(e @ image),
            budget,
            mask,
        )
        assert np.asarray(found.choice)[b, m].tolist() == choice
        assert np.asarray(found.tokens.ids)[b, m].tolist() == ids.tolist()
        expected, _ = embed_list([[i for i in ids if i > 2]])
        np.testing.assert_allclose(found.unit[b, m], expected, atol=1e-5)


def test_one_word_search_is_exhaustive_where_one_word_may_change():
    """Every one-word caption of a vocabulary of ten, tried out."""
    count = 10
    parts = np.full((1, 1, 3, 1), 7, np.int32)
    lengths = np.ones((1, 1, 3), np.int32)
    substitutes = np.zeros((1, 1, 3, count, 1), np.int32)
    substitutes[0, 0, 2, :, 0] = np.arange(20, 20 + count)
    sizes = np.zeros((1, 1, 3, count), np.int32)
    sizes[0, 0, 2] = 1
    words = Words(host(parts), host(lengths), host(substitutes), host(sizes))
    for seed in range(5):
        image = images((1, 1), seed)
        _, _, found = attack(words, away, image)
        values = [
            -float(embed_list([[7], [7], [last]])[0] @ np.asarray(image)[0, 0])
            for last in (7, *range(20, 20 + count))
        ]
        assert int(found.choice[0, 0, 2]) == int(np.argmax(values)) - 1


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), budget=st.sampled_from([0, 2]), guided=st.booleans())
def test_what_always_holds(seed, budget, guided):
    words = captions(seed=seed)
    image = images((3, 2), seed)
    tokens, prepared, found = attack(
        words, away if guided else kl, image if guided else None, budget=budget
    )
    choice = np.asarray(found.choice)
    changed = (choice >= 0).sum(-1)
    np.testing.assert_array_equal(changed, found.changed)
    assert (changed <= budget).all()
    # What was chosen exists.
    sizes = np.asarray(words.substitute_lengths)
    for index in np.argwhere(choice >= 0):
        assert sizes[(*index, choice[tuple(index)])] > 0
    untouched = changed == 0
    np.testing.assert_array_equal(
        np.asarray(found.tokens.ids)[untouched], np.asarray(tokens.ids)[untouched]
    )
    # The attack never does worse than no attack.
    if guided:
        assert (np.sum(image * (found.unit - prepared.clean), axis=-1) <= 1e-6).all()


def test_a_larger_budget_never_does_worse():
    words, image = captions(seed=5), images((3, 2))
    values = [
        -np.sum(image * attack(words, away, image, budget=budget)[2].unit, axis=-1)
        for budget in (0, 1, 2, 4)
    ]
    for less, more in itertools.pairwise(values):
        assert (more >= less - 1e-6).all()
    assert (values[1] > values[0]).any() and (values[2] > values[1]).any()


def test_a_caption_without_substitutes_keeps_its_tokens():
    words = captions()
    words.substitute_lengths[0] = 0
    tokens, prepared, found = attack(words, kl, None, budget=2)
    np.testing.assert_array_equal(found.tokens.ids[0], tokens.ids[0])
    np.testing.assert_array_equal(found.changed[0], 0)
    np.testing.assert_array_equal(prepared.attackable[0], 0)
    assert (np.asarray(found.changed[1:]) > 0).all()


def test_no_caption_depends_on_the_others():
    words, image = captions(seed=4), images((3, 2))
    _, _, whole = attack(words, away, image, budget=2)
    order = np.array([2, 0, 1])
    _, _, mixed = attack(jax.tree.map(lambda x: x[order], words), away, image[order], budget=2)
    np.testing.assert_array_equal(mixed.choice, np.asarray(whole.choice)[order])
    for b in range(3):
        one = jax.tree.map(lambda x, b=b: x[b : b + 1], words)
        _, _, alone = attack(one, away, image[b : b + 1], budget=2)
        np.testing.assert_array_equal(alone.choice[0], whole.choice[b])
