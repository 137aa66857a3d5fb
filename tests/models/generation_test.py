"""Captions: id for id those of transformers' `generate`, on weights drawn at random."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from transformers.generation.logits_process import TopPLogitsWarper

from mat_jax import models
from mat_jax.models import generation
from mat_jax.models.formats.preprocessing import OPENAI
from mat_jax.types.arrays import Tokens
from tests.models.parity import run
from tests.tools.narrow import host

IMAGES = 32
PROMPT = "a red"


@pytest.fixture(autouse=True)
def _exact_products():
    with jax.default_matmul_precision("highest"):
        yield


@pytest.fixture(scope="module")
def pair(blip_folder):
    """A captioner that now and then ends a caption, and whose captions differ."""
    reference, folder = blip_folder("BlipForConditionalGeneration")
    end = reference.config.text_config.sep_token_id
    with torch.no_grad():
        reference.text_decoder.cls.predictions.transform.LayerNorm.weight.mul_(6.0)
        reference.text_decoder.cls.predictions.bias[end] += 2.5
        reference.vision_model.embeddings.patch_embedding.weight.mul_(4.0)
        for layer in reference.text_decoder.bert.encoder.layer:
            layer.crossattention.self.value.weight.mul_(4.0)
            layer.crossattention.output.dense.weight.mul_(2.0)
    reference.save_pretrained(folder)
    return reference, *models.load(folder)


@pytest.fixture(scope="module")
def images():
    """Pictures of few colours, so that each has something of its own."""
    rng = np.random.default_rng(0)
    coarse = rng.random((IMAGES, 4, 4, 3)) * (rng.random((IMAGES, 1, 1, 3)) < 0.6)
    return np.kron(coarse, np.ones((1, 8, 8, 1))).astype(np.float32)


def theirs(reference, images, *, prompt=(), length=20, **options):
    """Ids of `generate`, with padding after the end, where transformers repeats the end."""
    text = reference.config.text_config
    pixels = (torch.as_tensor(images) - torch.tensor(OPENAI.mean)) / torch.tensor(OPENAI.std)
    start = torch.tensor([[text.bos_token_id, *prompt, text.sep_token_id]] * len(images))
    found = reference.generate(
        pixels.permute(0, 3, 1, 2),
        input_ids=start,
        max_length=length,
        min_length=5,
        do_sample=False,
        **options,
    ).numpy()
    ids = np.full((len(images), length), text.pad_token_id)
    ids[:, : found.shape[1]] = found
    over = np.cumsum(ids == text.sep_token_id, axis=1) - (ids == text.sep_token_id) > 0
    return np.where(over, text.pad_token_id, ids)


def check_that_it_could_fail(ids, end):
    lengths = np.where((ids == end).any(axis=1), (ids == end).argmax(axis=1), 20)
    assert len(np.unique(ids, axis=0)) > IMAGES // 2
    assert len(np.unique(lengths)) > 4


def test_greedy(pair, images):
    reference, model, _ = pair
    expected = theirs(reference, images, num_beams=1)
    check_that_it_could_fail(expected, model.config.eos)
    np.testing.assert_array_equal(generation.greedy(model, images), expected)


def test_beams(pair, images):
    reference, model, _ = pair
    expected = theirs(reference, images, num_beams=3)
    check_that_it_could_fail(expected, model.config.eos)
    np.testing.assert_array_equal(generation.beam_search(model, images), expected)
    assert (expected != theirs(reference, images, num_beams=1)).any(axis=1).sum() > IMAGES // 4


def test_with_a_prompt(pair, images):
    reference, model, tokenizer = pair
    prompt = tuple(tokenizer.parts(PROMPT))
    assert len(prompt) == 2
    ours = generation.beam_search(model, images, prompt=prompt)
    np.testing.assert_array_equal(ours, theirs(reference, images, prompt=prompt, num_beams=3))
    texts = tokenizer.captions(np.asarray(ours))
    assert all(text.startswith(PROMPT) for text in texts) and len(set(texts)) > IMAGES // 2


def all_logits(model, images, tokens):
    return model.caption_logits(model.encode_image(images), tokens)


def test_step_by_step_is_all_at_once(pair, images):
    # What the decoder keeps between steps gives the logits of the whole caption.
    _, model, _ = pair
    ids = np.asarray(generation.greedy(model, images))
    ends = ids == model.config.eos
    mask = np.cumsum(ends, axis=1) - ends == 0
    logits = np.array(run(all_logits, model, images, Tokens(host(ids), host(mask))))
    logits[:, :4, model.config.eos] = -np.inf  # too early to end
    again = np.where(mask[:, 1:], logits.argmax(axis=-1)[:, :-1], 0)
    np.testing.assert_array_equal(again, ids[:, 1:])


def test_nucleus(pair, images):
    _, model, _ = pair
    keys = jax.random.split(jax.random.key(0), IMAGES)
    ids = generation.nucleus(model, images, keys)
    # Nothing but the likeliest id is in so small a nucleus.
    likeliest = generation.nucleus(model, images, keys, top_p=1e-6)
    np.testing.assert_array_equal(likeliest, generation.greedy(model, images))
    assert (np.asarray(ids) != np.asarray(likeliest)).any(axis=1).sum() > IMAGES // 2
    # What is drawn for an image depends on its key and on nothing else.
    other = jnp.arange(IMAGES)[::-1]
    turned = generation.nucleus(model, images[other], keys[other])
    np.testing.assert_array_equal(turned[other], ids)


@pytest.mark.parametrize("top_p", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_what_is_likely(top_p):
    logits = np.random.default_rng(0).normal(size=(8, 50)).astype(np.float32) * 2
    expected = TopPLogitsWarper(top_p)(None, torch.as_tensor(logits)).numpy()
    np.testing.assert_array_equal(generation.likely(jnp.asarray(logits), top_p), expected)


def test_beams_that_see_everything_find_the_best(pair, images):
    # As many beams as ids, and two ids to write: every caption there is.
    _, model, _ = pair
    size, end = model.config.text.vocab_size, model.config.eos
    found = generation.beam_search(model, images[:2], beams=size, min_length=1, max_length=3)
    ids = jnp.tile(jnp.stack([jnp.zeros(size, int), jnp.arange(size)], axis=1), (2, 1))
    every = Tokens(ids, jnp.ones(ids.shape, bool))
    log_probs = jax.nn.log_softmax(run(all_logits, model, images[:2], every))
    for image, log_prob in enumerate(np.asarray(log_probs).reshape(2, size, 2, size)):
        both = (log_prob[0, 0][:, None] + log_prob[:, 1]) / 2
        both[end] = log_prob[0, 0, end]  # for this one nothing follows
        first, second = np.unravel_index(both.argmax(), both.shape)
        best = [first, 0 if first == end else second]
        np.testing.assert_array_equal(found[image, 1:], best)


@pytest.mark.parametrize("length", [1, 25])
def test_lengths_that_do_not_fit(pair, images, length):
    with pytest.raises(ValueError, match=rf"max_length={length} does not do .*; choose 2 to 24"):
        generation.greedy(pair[1], images, max_length=length)


ASKED = ["a red ball", "two dogs run", "the blue box", "a man and a lazy dog", "dogs", "t-shirt"]


@pytest.fixture(scope="module")
def answerer(blip_folder):
    """One that now and then ends an answer, whose answers depend on the question and the image."""
    reference, folder = blip_folder(
        "BlipForQuestionAnswering", hidden_size=48, num_attention_heads=3
    )
    end = reference.config.text_config.sep_token_id
    with torch.no_grad():
        reference.text_decoder.cls.predictions.transform.LayerNorm.weight.mul_(6.0)
        reference.text_decoder.cls.predictions.bias[end] += 4.5
        reference.vision_model.embeddings.patch_embedding.weight.mul_(4.0)
        for tower in (reference.text_decoder.bert, reference.text_encoder):
            for layer in tower.encoder.layer:
                layer.crossattention.self.value.weight.mul_(4.0)
                layer.crossattention.output.dense.weight.mul_(2.0)
    reference.save_pretrained(folder)
    return reference, *models.load(folder)


def test_answers_are_those_of_transformers(answerer, images):
    """Id for id, of questions that are all padded here and asked alone without padding there."""
    reference, model, tokenizer = answerer
    questions = tokenizer([ASKED[row % len(ASKED)] for row in range(IMAGES)])
    pixels = (torch.as_tensor(images) - torch.tensor(OPENAI.mean)) / torch.tensor(OPENAI.std)
    expected = np.full((IMAGES, 10), model.config.text.pad)
    # transformers names other ids than the released program, for questions and for answers.
    reference.decoder_start_token_id = model.config.dec
    for row in range(IMAGES):
        ids = torch.as_tensor(questions.ids[row : row + 1][questions.mask[row : row + 1]])[None]
        found = reference.generate(
            input_ids=torch.cat([torch.tensor([[model.config.enc]]), ids[:, 1:]], 1).long(),
            pixel_values=pixels[row : row + 1].permute(0, 3, 1, 2).float(),
            num_beams=3,
            min_length=1,
            max_length=10,
            do_sample=False,
        )
        expected[row, : found.shape[1]] = found[0].numpy()
    assert len(np.unique(expected, axis=0)) > IMAGES // 4
    lengths = (expected == model.config.eos).argmax(axis=1)
    assert len(np.unique(lengths)) > 3
    text = model.encode_text(questions)
    ours = generation.write_answers(model, model.encode_image(images), text)
    np.testing.assert_array_equal(ours, expected)
