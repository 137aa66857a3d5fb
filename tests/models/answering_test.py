"""Answers to questions: BLIP against transformers' own, ALBEF against its parts put together."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
import torch
import transformers
from flax import nnx
from torch.nn.functional import cross_entropy

from mat_jax import models
from mat_jax.data.corpus import answer_tokens
from mat_jax.models import files
from mat_jax.models.answer_ranking import rank_answers
from mat_jax.models.answering import ALBEFAnswerer, BLIPAnswerer
from mat_jax.models.formats import detection
from mat_jax.types.arrays import Tokens
from mat_jax.types.protocols import AnswersQuestions, Captions, JudgesPairs, MatchesPairs, Model
from tests.models.albef_reference import original, published
from tests.models.albef_test import HEAD, small
from tests.models.blip_test import normalised, starting
from tests.models.parity import pixels, relative, run, torch_ids

QUESTIONS = ["a red ball lies on the sofa", "dogs", "two green boxes play in the blue field"]
ANSWERS = ["two", "red ball", "dog", "the lazy dog", "blue", "t-shirt", "two boxes", "man"]


@pytest.fixture(autouse=True)
def _exact_products():
    with jax.default_matmul_precision("highest"):
        yield


@pytest.fixture(scope="module")
def blip(blip_folder):
    reference, folder = blip_folder(
        "BlipForQuestionAnswering", hidden_size=48, num_attention_heads=3
    )
    return reference, *models.load(folder), folder


@pytest.fixture(scope="module")
def albef(bert_tokenizer, randomised):
    """The reference, its decoder, and all tensors as the released program names them."""
    reference = small(bert_tokenizer, randomised)
    of_text = reference.text.config
    sizes = ("vocab_size", "hidden_size", "num_attention_heads", "intermediate_size")
    config = transformers.BertConfig(
        **{name: getattr(of_text, name) for name in (*sizes, "max_position_embeddings")},
        num_hidden_layers=3,
        is_decoder=True,
        add_cross_attention=True,
    )
    decoder = randomised(transformers.BertLMHeadModel(config))
    heads = ("vision_proj", "text_proj", "itm_head", "temp")
    tensors = {
        name: tensor
        for name, tensor in original(reference, "retrieval").items()
        if name.split(".")[0] not in heads
    }
    for name, tensor in decoder.state_dict().items():
        tensors[f"text_decoder.{name}"] = tensor.numpy()
    config, layout = detection.original(tensors, head=HEAD)
    model = files.assemble(config, files.fitted(tensors, config, layout, source="file"))
    model.text_format = bert_tokenizer.text_format
    return reference, decoder, model, tensors


def logits_of(model, images, questions, answers):
    text = model.encode_text(questions)
    fused = model.fuse(model.encode_image(images), text)
    return model.answer_logits(fused, text.mask, answers)


def away_from(model, images, questions, answers):
    """The pixel gradient of the loss of all answers."""

    def loss(images):
        logits = logits_of(model, images, questions, answers)
        return jnp.sum(model.answer_losses(logits, answers))

    return jax.grad(loss)(images)


def blip_states(reference, model, images, tokens):
    """Tokens of the questions, which start with [ENC], after they read the images."""
    image = reference.vision_model(pixel_values=normalised(images)).last_hidden_state
    asked = starting(tokens, model.config.enc)
    return reference.text_encoder(**asked, encoder_hidden_states=image).last_hidden_state


def decoded_alone(decoder, states, questions, row, ids):
    """Of one question without its padding.

    transformers 5 hands its BLIP the mask of the question and does not use it: there padding is
    read, which the released program hides.
    """
    real = int(questions.mask[row].sum())
    own = Tokens(questions.ids[row : row + 1, :real], questions.mask[row : row + 1, :real])
    return decoded(decoder, states[row : row + 1, :real], own, ids, None)


def decoded(decoder, states, questions, ids, mask):
    return decoder(
        input_ids=ids,
        attention_mask=mask,
        encoder_hidden_states=states,
        encoder_attention_mask=torch.as_tensor(questions.mask, dtype=torch.long),
    ).logits


def loss_by_torch(logits, tokens, smoothing):
    """The released loss: of the ids after the first, padding left out, summed."""
    truth = torch.as_tensor(np.where(tokens.mask, tokens.ids, -100)[:, 1:], dtype=torch.long)
    each = cross_entropy(
        logits[:, :-1].transpose(1, 2), truth, reduction="none", label_smoothing=smoothing
    )
    return each.sum(1)


@pytest.fixture(scope="module")
def questions(bert_tokenizer):
    return bert_tokenizer(QUESTIONS)


@pytest.fixture(scope="module")
def answers(bert_tokenizer):
    return answer_tokens(bert_tokenizer, ANSWERS)


def test_blip_as_transformers_has_it(blip, questions, answers):
    """Logits, losses and pixel gradients of one answer a question; all questions are padded."""
    reference, model, _, _ = blip
    few = Tokens(answers.ids[:3], answers.mask[:3])
    leaf = torch.tensor(pixels(32), requires_grad=True)
    states = blip_states(reference, model, leaf, questions)
    ids = starting(few, model.config.dec)["input_ids"]
    # What pads an answer comes after it, where nothing of it is read.
    rows = [
        decoded_alone(reference.text_decoder, states, questions, row, ids[row : row + 1])
        for row in range(len(QUESTIONS))
    ]
    theirs = torch.cat(rows)
    losses = loss_by_torch(theirs, few, 0.1)
    losses.sum().backward()
    ours = run(logits_of, model, pixels(32), questions, few)
    error = np.abs(np.asarray(ours) - theirs.detach().numpy())[few.mask].max()
    assert error < 2e-5
    found = model.answer_losses(jnp.asarray(ours), few)
    np.testing.assert_allclose(found, losses.detach(), rtol=1e-5)
    np.testing.assert_array_equal(model.answer_scores(jnp.asarray(ours), few), -found)
    gradient = run(away_from, model, pixels(32), questions, few)
    assert leaf.grad is not None and relative(gradient, leaf.grad) < 1e-4


def test_albef_as_its_parts_put_together(albef, questions, answers):
    reference, decoder, model, _ = albef
    few = Tokens(answers.ids[:3], answers.mask[:3])
    leaf = torch.tensor(pixels(32), requires_grad=True)
    hidden, _ = reference.encode_text(questions)
    states = reference.fuse(reference.encode_image(leaf)[0], hidden, questions)
    theirs = decoded(decoder, states, questions, *torch_ids(few).values())
    losses = loss_by_torch(theirs, few, 0.0)
    losses.sum().backward()
    ours = run(logits_of, model, pixels(32), questions, few)
    assert np.abs(np.asarray(ours) - theirs.detach().numpy())[few.mask].max() < 2e-5
    np.testing.assert_allclose(
        model.answer_losses(jnp.asarray(ours), few), losses.detach(), rtol=1e-5
    )
    gradient = run(away_from, model, pixels(32), questions, few)
    assert leaf.grad is not None and relative(gradient, leaf.grad) < 1e-4


def test_padding_and_the_image_matter_as_they_should(albef, questions, answers):
    """What is behind a question's end is not read; nothing looks ahead in an answer."""
    *_, model, _ = albef
    few = Tokens(answers.ids[:3], answers.mask[:3])
    ours = np.asarray(run(logits_of, model, pixels(32), questions, few))
    junk = questions._replace(ids=np.where(questions.mask, questions.ids, 9))
    np.testing.assert_allclose(run(logits_of, model, pixels(32), junk, few), ours, atol=2e-5)
    open_mask = Tokens(questions.ids, np.ones_like(questions.mask))
    assert np.abs(run(logits_of, model, pixels(32), open_mask, few) - ours).max() > 1e-3
    last = Tokens(few.ids.copy(), few.mask)
    last.ids[:, 2] = 9
    change = np.abs(run(logits_of, model, pixels(32), questions, last) - ours).max(axis=(0, 2))
    assert change[:2].max() < 2e-5 < 1e-3 < change[2]


def ranked_by_hand(start, whole, k):
    """The program's reading, a question and an answer at a time.

    Args:
        start: question -> logits [vocab] after the start.
        whole: question, answer -> (sum of its log-probabilities as it counts them, first id).
    """
    found = []
    for question in range(len(QUESTIONS)):
        log_p = torch.log_softmax(start(question), -1)
        first = [float(log_p[whole(question, a)[1]]) for a in range(len(ANSWERS))]
        kept = sorted(range(len(ANSWERS)), key=lambda a: (-first[a], a))[:k]
        scores = {a: whole(question, a)[0](first[a]) for a in kept}
        found.append(sorted(scores.items(), key=lambda pair: -pair[1]))
    return found


@pytest.mark.parametrize("family", ["albef", "blip"])
@pytest.mark.parametrize("k", [3, 128])
def test_answers_are_ranked_as_by_the_released_programs(family, k, albef, blip, questions, answers):
    """Each answer alone in torch, unpadded; here all of them in one call."""
    with torch.no_grad():
        if family == "albef":
            reference, decoder, model, _ = albef
            hidden, _ = reference.encode_text(questions)
            image, _ = reference.encode_image(torch.tensor(pixels(32)))
            states = reference.fuse(image, hidden, questions)
            begin, smoothing = int(answers.ids[0, 0]), 0.0
        else:
            reference, model, _, _ = blip
            decoder = reference.text_decoder
            states = blip_states(reference, model, pixels(32), questions)
            begin, smoothing = model.config.dec, 0.1

        def logits(question, ids):
            return decoded_alone(decoder, states, questions, question, torch.tensor([ids]))[0]

        def whole(question, answer):
            real = answers.ids[answer][answers.mask[answer]]
            ids = [begin, *map(int, real[1:])]
            loss = cross_entropy(
                logits(question, ids)[:-1],
                torch.tensor(ids[1:]),
                reduction="sum",
                label_smoothing=smoothing,
            )
            return lambda first: (first if family == "albef" else 0.0) - float(loss), ids[1]

        expected = ranked_by_hand(lambda q: logits(q, [begin])[0], whole, k)
    image, text = model.encode_image(pixels(32)), model.encode_text(questions)
    ranked = rank_answers(model, image, text, answers, k=k)
    assert ranked.rows.shape == (3, min(k, len(ANSWERS)))
    for row, scores, pairs in zip(ranked.rows, ranked.scores, expected, strict=True):
        np.testing.assert_array_equal(row, [answer for answer, _ in pairs])
        np.testing.assert_allclose(scores, [score for _, score in pairs], atol=1e-4)


def test_a_list_of_no_answers_is_refused(albef, questions, answers):
    *_, model, _ = albef
    image, text = model.encode_image(pixels(32)), model.encode_text(questions)
    with pytest.raises(ValueError, match="k=0 ranks no answer"):
        rank_answers(model, image, text, answers, k=0)


def test_answers_are_framed_whole(bert_tokenizer):
    tokens = answer_tokens(bert_tokenizer, ["T-shirt", "dog"])
    form = bert_tokenizer.text_format
    shirt = [*bert_tokenizer.parts("t-shirt")]
    assert len(shirt) > len(bert_tokenizer.parts("t shirt"))  # the hyphen is an id
    assert tokens.ids[0].tolist() == [form.start, *shirt, form.end]
    assert tokens.ids[1][tokens.mask[1]].tolist()[0] == form.start
    assert tokens.ids.shape[1] == 2 + max(len(shirt), len(bert_tokenizer.parts("dog")))


def test_published_layouts(albef, blip, bert_tokenizer, tmp_path):
    """ALBEF's vqa.pth, BLIP's released file and transformers' folder, there and back."""
    _, _, model, tensors = albef
    assert isinstance(model, ALBEFAnswerer)
    assert (model.config.task, model.config.embed, model.config.decoder_layers) == (
        "answering",
        0,
        3,
    )
    models.save(model, bert_tokenizer, tmp_path / "albef")
    again, _ = models.load(tmp_path / "albef")
    assert again.config == model.config
    saved = safetensors.numpy.load_file(tmp_path / "albef" / "model.safetensors")
    tied = {name for name in tensors if ".cls.predictions.decoder." in name}
    assert saved.keys() == tensors.keys() - tied and tied
    assert all(saved[name].tobytes() == tensors[name].tobytes() for name in saved)
    # Slow copies are left out.
    slow = {name.replace(".", "_m.", 1): tensor for name, tensor in tensors.items()}
    config, layout = detection.original(tensors | slow, head=HEAD)
    assert config == model.config
    files.fitted(tensors | slow, config, layout, source="file")

    _, model, tokenizer, folder = blip
    assert isinstance(model, BLIPAnswerer) and model.config.task == "answering"
    models.save(model, tokenizer, tmp_path / "blip")
    ours, theirs = (
        safetensors.numpy.load_file(place / "model.safetensors")
        for place in (tmp_path / "blip", folder)
    )
    assert ours.keys() == theirs.keys()
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in theirs)
    loaded = transformers.BlipForQuestionAnswering.from_pretrained(tmp_path / "blip")
    assert sum(p.numel() for p in loaded.parameters()) == sum(
        leaf.size for leaf in jax.tree.leaves(nnx.state(model))
    )
    own = {
        published(name): tensor[None] if name.endswith("class_embedding") else tensor
        for name, tensor in theirs.items()
    }
    own = {name: t.reshape(1, 1, -1) if "cls_token" in name else t for name, t in own.items()}
    config, layout = detection.original(own, head=HEAD)
    assert config.task == "answering"
    again = files.assemble(config, files.fitted(own, config, layout, source="file"))
    for one, other in zip(jax.tree.leaves(again), jax.tree.leaves(model), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_they_can_do(albef, blip):
    for model in (albef[2], blip[1]):
        assert isinstance(model, AnswersQuestions)
        for other in (Model, MatchesPairs, JudgesPairs, Captions):
            assert not isinstance(model, other)
    with pytest.raises(ValueError, match="decoder_layers=0 writes no answer"):
        dataclasses.replace(albef[2].config, decoder_layers=0)


def test_two_answers_of_a_question_read_it_alike(albef, questions, answers):
    """n answers a question give what each gives alone."""
    *_, model, _ = albef
    together = np.asarray(
        run(logits_of, model, pixels(32), questions, Tokens(answers.ids[:6], answers.mask[:6]))
    )
    for n in range(2):
        few = Tokens(answers.ids[n:6:2], answers.mask[n:6:2])
        alone = run(logits_of, model, pixels(32), questions, few)
        np.testing.assert_allclose(together[n::2], alone, atol=2e-5)
    assert math.isfinite(together.max())
