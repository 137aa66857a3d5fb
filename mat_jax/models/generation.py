"""Captions of images and answers to questions: decoding, each way one compiled call.

A text is `[DEC]`, the ids of a prompt, what the model writes, and the end; `min_length` and
`max_length` count all of that, as in BLIP's code and in transformers. What the rows of a batch
have read is kept: keys and values of the image once for all its beams, those of the caption in
arrays of the final length, so that nothing changes shape.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from mat_jax.models.answering import ALBEFAnswerer, BLIPAnswerer
from mat_jax.models.blip import BLIPCaptioner
from mat_jax.models.layers import ImageMask, Keys
from mat_jax.types.arrays import ImageFeatures, TextFeatures
from mat_jax.types.protocols import AnswersQuestions

# Pixels, or what the model's image tower made of them.
Images = Float[Array | np.ndarray, "batch h w 3"] | ImageFeatures
Writer = BLIPCaptioner | BLIPAnswerer | ALBEFAnswerer
# What a text reads besides itself, of each block: an image, or a question that has read one.
Seen = tuple[list[Keys], ImageMask]
NEVER = -1e9  # the score of what must not be chosen, finite because scores are subtracted
SIZES = ("prompt", "min_length", "max_length")  # what a compilation is for


@partial(jax.jit, static_argnames=SIZES)
def greedy(
    model: BLIPCaptioner,
    images: Images,
    *,
    prompt: tuple[int, ...] = (),
    min_length: int = 5,
    max_length: int = 20,
) -> Int[Array, "batch max_length"]:
    """The likeliest next id, again and again; padding after the end."""

    def likeliest(logits: Array, at: Array) -> Array:
        return jnp.argmax(logits, axis=-1)

    return _write(model, images, likeliest, prompt, min_length, max_length)


@partial(jax.jit, static_argnames=SIZES)
def nucleus(
    model: BLIPCaptioner,
    images: Images,
    keys: Key[Array, " batch"],
    *,
    top_p: float | Float[Array, ""] = 0.9,
    prompt: tuple[int, ...] = (),
    min_length: int = 5,
    max_length: int = 20,
) -> Int[Array, "batch max_length"]:
    """Ids drawn from the likeliest ones that hold `top_p` of the probability (Holtzman, 2020).

    With a key for each image, what is drawn for one does not depend on the others.
    """

    def draw(logits: Array, at: Array) -> Array:
        now = jax.vmap(jax.random.fold_in, (0, None))(keys, at)
        return jax.vmap(jax.random.categorical)(now, likely(logits, top_p))

    return _write(model, images, draw, prompt, min_length, max_length)


def likely(
    logits: Float[Array, "rows vocab"], top_p: float | Float[Array, ""]
) -> Float[Array, "rows vocab"]:
    """Logits, -inf for ids outside the smallest set whose probability reaches `top_p`.

    The likeliest is in it, also of `top_p` 0.
    """
    falling = jnp.sort(logits, axis=-1, descending=True)
    probs = jax.nn.softmax(falling, axis=-1)
    inside = (jnp.cumsum(probs, axis=-1) - probs < top_p).at[..., 0].set(True)
    least = jnp.min(jnp.where(inside, falling, jnp.inf), axis=-1, keepdims=True)
    return jnp.where(logits < least, -jnp.inf, logits)


@partial(jax.jit, static_argnames=("beams", *SIZES))
def beam_search(
    model: BLIPCaptioner,
    images: Images,
    *,
    beams: int = 3,
    prompt: tuple[int, ...] = (),
    min_length: int = 5,
    max_length: int = 20,
) -> Int[Array, "batch max_length"]:
    """The caption of highest mean log-probability among those the search meets.

    Of each image, `beams` unfinished captions are continued by every id, and the `2 beams` best
    continuations looked at. Those that end, and are among the first `beams`, compete for a place
    among the `beams` finished ones by the mean log-probability of what was written; the others
    go on. An image is done when its best unfinished caption, were it to end now, would not be
    among the finished ones. This is `generate` of transformers with its defaults (a length
    penalty of 1 and no early stopping), which BLIP's own code calls.
    """
    whole = images if isinstance(images, ImageFeatures) else model.encode_image(images)
    seen = model.image_keys(whole), None
    return _search(model, seen, beams, prompt, min_length, max_length)


@partial(jax.jit, static_argnames=("beams", "min_length", "max_length"))
def write_answers(
    model: AnswersQuestions,
    image: ImageFeatures,
    question: TextFeatures,
    *,
    beams: int = 3,
    min_length: int = 1,
    max_length: int = 10,
) -> Int[Array, "questions max_length"]:
    """The answer to each question by `beam_search`, which no list of answers binds.

    This is the mode "generate" of BLIP's program for VQA, with its width and its lengths; its
    configuration ranks a list (`rank_answers`). There the padding of a batch is read as if it were
    part of the question, so that an answer depends on the longest question beside it. Here padding
    is not read. ALBEF's program only ranks; its decoder, which starts at `[CLS]`, can write too.

    Args:
        model: whose answers they are.
        image, question: features of the questions and their images, as many of each.
        beams: unfinished answers at a time; 1 is greedy.
        min_length, max_length: in ids, with the start and the end.
    """
    fused = model.fuse(image, question)
    assert isinstance(model, BLIPAnswerer | ALBEFAnswerer)  # whose decoders are alike
    seen = model.decoder.image_keys(fused), jnp.asarray(question.mask)[:, None]
    return _search(model, seen, beams, (), min_length, max_length)


def _search(
    model: Writer, seen: Seen, beams: int, prompt: tuple[int, ...], min_length: int, max_length: int
) -> Int[Array, "batch max_length"]:
    """`beam_search` of texts that read what is `seen`."""
    batch, first, end = len(seen[0][0][0]), 1 + len(prompt), model.text_format.end
    ids, past = _start(model, seen, beams, prompt, max_length)
    ids = ids.reshape(batch, beams, max_length)
    # All beams are the same at first: only one of them may be continued.
    scores = jnp.where(jnp.arange(beams) == 0, 0.0, NEVER)[None] + jnp.zeros((batch, 1))
    nothing = jnp.full((batch, beams), NEVER)

    def going(state: Any) -> Array:
        return (state[0] < max_length) & jnp.any(state[-1])

    def grow(state: Any) -> Any:
        at, ids, scores, past, finished, values, ended, hope = state
        logits, past = _read(model, ids[:, :, at - 1].reshape(-1), at - 1, past, seen)
        log_probs = _not_yet(jax.nn.log_softmax(logits), end, at < min_length)
        log_probs = log_probs.reshape(batch, beams, -1) + scores[..., None]
        best, place = jax.lax.top_k(log_probs.reshape(batch, -1), 2 * beams)
        parent, token = jnp.divmod(place, logits.shape[-1])
        grown = _pick(ids, parent).at[:, :, at].set(token)
        ends = (token == end) | (at + 1 == max_length)
        # What goes on.
        scores, kept = jax.lax.top_k(best + jnp.where(ends, NEVER, 0.0), beams)
        ids, rows = _pick(grown, kept), _pick(parent, kept)
        past = jax.tree.map(lambda x: _rows(x, rows), past)
        # What is finished, old and new.
        written = (at + 1 - first).astype(jnp.float32)
        new = ends & (jnp.arange(2 * beams) < beams)[None] & hope[:, None]
        all_values = jnp.concatenate([values, jnp.where(new, best / written, NEVER)], axis=1)
        values, kept = jax.lax.top_k(all_values, beams)
        finished = _pick(jnp.concatenate([finished, grown], axis=1), kept)
        ended = _pick(jnp.concatenate([ended, new], axis=1), kept)
        worst = jnp.where(jnp.all(ended, axis=1), jnp.min(values, axis=1), NEVER)
        hope = hope & (scores[:, 0] / written > worst)
        return at + 1, ids, scores, past, finished, values, ended, hope

    ended, hope = jnp.zeros((batch, beams), bool), jnp.ones(batch, bool)
    state = (jnp.asarray(first), ids, scores, past, ids, nothing, ended, hope)
    return jax.lax.while_loop(going, grow, state)[4][:, 0]


def _write(
    model: BLIPCaptioner,
    images: Images,
    choose: Callable[[Array, Array], Array],
    prompt: tuple[int, ...],
    min_length: int,
    max_length: int,
) -> Array:
    """Captions whose next id is `choose(logits, position)`."""
    end, pad = model.text_format.end, model.text_format.pad
    whole = images if isinstance(images, ImageFeatures) else model.encode_image(images)
    seen = model.image_keys(whole), None
    ids, past = _start(model, seen, 1, prompt, max_length)

    def going(state: Any) -> Array:
        return (state[0] < max_length) & ~jnp.all(state[-1])

    def write(state: Any) -> Any:
        at, ids, past, done = state
        logits, past = _read(model, ids[:, at - 1], at - 1, past, seen)
        chosen = choose(_not_yet(logits, end, at < min_length), at)
        chosen = jnp.where(done, pad, chosen).astype(ids.dtype)
        return at + 1, ids.at[:, at].set(chosen), past, done | (chosen == end)

    state = (jnp.asarray(1 + len(prompt)), ids, past, jnp.zeros(len(ids), bool))
    return jax.lax.while_loop(going, write, state)[1]


def _start(
    model: Writer, seen: Seen, beams: int, prompt: tuple[int, ...], max_length: int
) -> tuple[Array, list[Keys]]:
    """Texts that hold no more than the prompt, and what they have read of themselves."""
    positions = model.decoder.pos.shape[0]
    if not len(prompt) + 2 <= max_length <= positions:
        raise ValueError(
            f"max_length={max_length} does not do for a prompt of {len(prompt)} ids and a model of "
            f"{positions} positions; choose {len(prompt) + 2} to {positions}"
        )
    keys = seen[0]
    rows = len(keys[0][0]) * beams
    begin = model.text_format.start if isinstance(model, ALBEFAnswerer) else model.config.dec
    start = jnp.asarray((begin, *prompt), jnp.int32)
    ids = jnp.full((rows, max_length), model.text_format.pad, jnp.int32)
    ids = ids.at[:, : len(start)].set(start[None])
    _, heads, _, head = keys[0][0].shape
    empty = jnp.zeros((rows, heads, max_length, head), keys[0][0].dtype)
    past = [(empty, empty) for _ in keys]
    if prompt:
        past = jax.lax.fori_loop(
            0, len(prompt), lambda at, past: _read(model, ids[:, at], at, past, seen)[1], past
        )
    return ids, past


def _read(
    model: Writer, ids: Int[Array, " rows"], at: Int[Array, ""], past: list[Keys], seen: Seen
) -> tuple[Float[Array, "rows vocab"], list[Keys]]:
    """Read one more id of each text, at position `at`: logits of the next, and what is read."""
    image, mask = seen
    x = model.decoder.embed(ids[:, None], at)
    readable = (jnp.arange(past[0][0].shape[2]) <= at)[None, None]
    read = []
    for block, (k, v), other in zip(model.decoder.blocks, past, image, strict=True):
        new_k, new_v = block.attn.keys(x)
        keys = (
            jax.lax.dynamic_update_slice_in_dim(k, new_k, at, axis=2),
            jax.lax.dynamic_update_slice_in_dim(v, new_v, at, axis=2),
        )
        x = block(x, readable, keys=keys, image=other, image_mask=mask)
        read.append(keys)
    return model.mlm(x, model.decoder.tok[...])[:, 0], read


def _not_yet(scores: Float[Array, "rows vocab"], end: int, early: Array) -> Array:
    """Scores that let no caption end too early."""
    return jnp.where((jnp.arange(scores.shape[1]) == end)[None] & early, -jnp.inf, scores)


def _pick(x: Array, chosen: Int[Array, "batch few"]) -> Array:
    """Some of the beams of each image."""
    return jnp.take_along_axis(x, chosen.reshape(*chosen.shape, *[1] * (x.ndim - 2)), axis=1)


def _rows(x: Array, chosen: Int[Array, "batch beams"]) -> Array:
    """`_pick` for arrays whose rows are the beams of all images."""
    return _pick(x.reshape(*chosen.shape, *x.shape[1:]), chosen).reshape(x.shape)
