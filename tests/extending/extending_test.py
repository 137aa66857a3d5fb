"""What a user adds in one file works through the whole machine, and the file stays short."""

import dataclasses
import itertools
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import mat_jax
from mat_jax import attacks, data, evaluate, models
from mat_jax.evaluate import Evaluation
from tests.extending.attack import MI_FGSM_SWAP, mi_fgsm_swap
from tests.extending.defense import Trades
from tests.extending.model import MeanPooledSpec
from tests.extending.task import CaptionToClass
from tests.toy_experiment import Blocks, Tiny

HERE = Path(__file__).parent
LIMITS = {"attack": 60, "task": 60, "defense": 80, "model": 120}
EPS = 16 / 255


@dataclasses.dataclass(frozen=True)
class Coloured(Blocks):
    """Blocks of colour, whose class is the colour to the left."""

    template: str = "a {} block"
    classes: tuple[str, ...] = ("red", "green", "blue", "white", "grey", "yellow")

    def label(self, index):
        return index % 6


def others(corpus):
    """A candidate table by hand: every colour may be any other."""
    colours = Coloured().classes
    vocabulary = [*colours, "beside", "left", "right"]
    number = {word: n for n, word in enumerate(vocabulary)}
    tokenizer = Tiny().build(0)[1]
    parts = [tokenizer.parts(word) for word in vocabulary]
    lengths = np.array([len(ids) for ids in parts], np.int32)
    table = np.zeros((len(parts), lengths.max()), np.int32)
    for row, ids in zip(table, parts, strict=True):
        row[: len(ids)] = ids
    captions = [[number[word] for word in text.split()] for text in corpus.caption_list]
    width = max(map(len, captions))
    words = np.full((len(captions), width), -1, np.int32)
    substitutes = np.full((len(captions), width, 5), -1, np.int32)
    for row, caption in enumerate(captions):
        words[row, : len(caption)] = caption
        for slot, word in enumerate(caption):
            if word < len(colours):
                substitutes[row, slot] = [n for n in range(len(colours)) if n != word]
    return data.WordTable(tuple(vocabulary), table, lengths, words, substitutes)


@pytest.fixture(scope="module")
def toy():
    model, tokenizer = Tiny().build(0)
    corpus = data.Corpus.prepare(Coloured(), tokenizer, image_size=16)
    return model, tokenizer, corpus.with_words(others(corpus))


@pytest.mark.parametrize("name", LIMITS)
def test_each_is_one_short_file(name):
    text = (HERE / f"{name}.py").read_text()
    assert len(text.splitlines()) <= LIMITS[name]


@pytest.mark.parametrize("name", LIMITS)
def test_the_documents_show_the_file(name):
    page = (HERE.parents[1] / "docs/extending.md").read_text()
    assert f"```python\n{(HERE / f'{name}.py').read_text().rstrip()}\n```" in page


def test_the_attack_stays_in_its_ball_and_does_harm(toy):
    model, _, corpus = toy
    threat = attacks.ThreatModel(eps=EPS, steps=5)
    batch = corpus.batch(range(12))
    call = attacks.compile_attack(mi_fgsm_swap, model, threat=threat)
    adv = call(batch, jax.random.key(0))
    assert 0 < np.abs(adv.images - batch.images).max() <= EPS + 1e-6
    assert ((np.asarray(adv.choice) >= 0).sum(axis=-1) <= 1).all()
    assert (np.asarray(adv.choice) >= 0).any()
    embed = jax.jit(lambda images, tokens: (model.encode_image(images), model.encode_text(tokens)))
    cosines = []
    for images, tokens in ((batch.images, batch.first), (adv.images, adv.tokens)):
        first = jax.tree.map(lambda x: x[:, 0] if np.ndim(x) == 3 else x, tokens)
        image, text = embed(images, first)
        cosines.append(np.sum(image.unit * text.unit, axis=-1))
    assert (cosines[1] < cosines[0]).mean() > 0.9


def test_the_attack_takes_the_passes_that_it_says(toy, monkeypatch):
    monkeypatch.setitem(attacks.ATTACKS, "mi_fgsm_swap", MI_FGSM_SWAP)
    threat = attacks.ThreatModel(eps=EPS, steps=7)
    found = attacks.cost.passes("mi_fgsm_swap", threat)
    assert (found.image_forwards, found.image_backwards) == (8, 7)
    nameless = MI_FGSM_SWAP._replace(passes=None)
    monkeypatch.setitem(attacks.ATTACKS, "mi_fgsm_swap", nameless)
    with pytest.raises(ValueError, match="the passes of 'mi_fgsm_swap' are not counted"):
        attacks.cost.passes("mi_fgsm_swap", threat)


def test_the_attack_runs_in_an_evaluation(toy, monkeypatch):
    model, tokenizer, corpus = toy
    monkeypatch.setitem(attacks.ATTACKS, "mi_fgsm_swap", MI_FGSM_SWAP)
    asked = Evaluation(
        data=Coloured(), attacks=("mi_fgsm_swap",), eps=EPS, steps=3, mlm="none", checks=0
    )
    pairs = evaluate.tasks.retrieval.Pairs(corpus)
    victim = evaluate.Victim(model, tokenizer, pairs)
    result = evaluate.evaluate(asked, model, tokenizer, victim=victim, quiet=True)
    row = result.row("mi_fgsm_swap")
    assert row.changed > 0.5 and row.checks["images_moved"] == len(Coloured())
    assert row.ranks.mean() <= result.clean.ranks.mean()


def test_the_defence_trains_and_its_loss_falls(tmp_path):
    experiment = mat_jax.Experiment(
        model=Tiny(),
        data=Blocks(),
        defense=Trades(beta=1.0),
        optimizer=optax.adam(1e-2),
        steps=30,
        batch_size=12,
        log_every=1,
    )
    mat_jax.fit(experiment, tmp_path, mesh=1, quiet=True)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    assert all(json.loads(line)["divergence"] >= -1e-6 for line in lines)


def test_the_defence_is_the_clean_loss_without_its_second_term(toy):
    """beta = 0 is InfoNCE, whatever the images have become (Zhang et al. 2019, equation 5)."""
    model, _, corpus = toy
    batch = jax.tree.map(jnp.asarray, corpus.batch(range(6), slots=np.zeros((6, 1), int)))
    dark = batch._replace(images=0.5 * batch.images)
    key = jax.random.key(0)
    plain, _ = Trades(beta=0.0).loss(model, None, batch, dark, key)
    logits = model.scale * (
        model.encode_image(batch.images).unit @ model.encode_text(batch.first).unit.T
    )
    down, across = (np.asarray(jax.nn.log_softmax(logits, axis=axis)) for axis in (0, 1))
    expected = -(np.diag(down) + np.diag(across)) / 2
    np.testing.assert_allclose(plain, expected, rtol=1e-5)
    same, figures = Trades(beta=6.0).loss(model, None, batch, batch, key)
    np.testing.assert_allclose(same, expected, rtol=1e-5)
    assert abs(float(figures["divergence"])) < 1e-6


def test_the_task_counts_captions_of_the_nearest_class(toy):
    model, tokenizer, corpus = toy
    asked = Evaluation(data=Coloured(), attacks=("none",), checks=0)
    task = CaptionToClass()
    result = evaluate.evaluate(asked, model, tokenizer, task=task, quiet=True)
    prompts = tokenizer([f"a {name}" for name in Coloured().classes])
    classes = np.asarray(model.encode_text(prompts).unit)
    texts = np.asarray(model.encode_text(tokenizer(corpus.caption_list)).unit)
    labels = [Coloured().label(i) for i in range(36) for _ in range(2)]
    right = np.argmax(texts @ classes.T, axis=1) == labels
    figures = result.figures(result.clean)
    assert figures["caption@1"]["value"] == pytest.approx(100 * right.mean())
    assert figures["caption@1"]["n"] == 72 and result.protocol["task"] == "caption_to_class"


def test_the_task_refuses_what_it_cannot_use(toy):
    model, tokenizer, _ = toy
    with pytest.raises(ValueError, match="'blocks' has no classes"):
        evaluate.evaluate(
            Evaluation(data=Blocks(), attacks=("none",)), model, tokenizer, task=CaptionToClass()
        )
    with pytest.raises(ValueError, match="'pgd' is not made for caption_to_class"):
        evaluate.evaluate(
            Evaluation(data=Coloured(), attacks=("pgd",)), model, tokenizer, task=CaptionToClass()
        )


def test_the_model_is_attacked_and_measured_like_any_other():
    _, tokenizer = Tiny().build(0)
    model, _ = MeanPooledSpec(tokenizer).build(0)
    asked = Evaluation(data=Blocks(), attacks=("pgd",), eps=EPS, steps=3, checks=0, batch_size=12)
    result = evaluate.evaluate(asked, model, tokenizer, quiet=True)
    assert result.row("pgd").checks["images_moved"] == 36
    # Padding is no part of the mean: a longer frame leaves the features alone.
    captions = [text for text in itertools.islice((Blocks()[i].captions[0] for i in range(4)), 4)]
    short = tokenizer(captions)
    wider = jax.tree.map(lambda x: np.pad(x, ((0, 0), (0, 5))), short)
    np.testing.assert_allclose(
        model.encode_text(short).embed, model.encode_text(wider).embed, atol=1e-5
    )


def test_a_vocabulary_too_large_is_refused():
    tokenizer = models.Tokenizer.train_bert(["a b c"], 90, 12)
    small = dataclasses.replace(
        MeanPooledSpec(tokenizer).config, text=models.BertConfig(2, 12, 16, layers=1, heads=2)
    )
    with pytest.raises(ValueError, match="give a larger vocab_size"):
        MeanPooledSpec(tokenizer, small).build(0)
