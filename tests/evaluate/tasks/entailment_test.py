"""Visual entailment: what is counted and by picture, who is refused, and what attacks do to it."""

import dataclasses
import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from PIL import Image

from mat_jax import Evaluation, attacks, data, evaluate, models
from mat_jax.evaluate.__main__ import main
from mat_jax.evaluate.fingerprint import store_of
from mat_jax.evaluate.gallery import Bench
from mat_jax.evaluate.statistics import clustered_wilson
from mat_jax.evaluate.tasks.entailment import Entailment, Judged, logits_of
from mat_jax.models.features import Encoded
from mat_jax.types.arrays import TextFeatures
from mat_jax.types.protocols import FusesPairs, JudgesPairs, MatchesPairs, Model
from mat_jax.types.sources import HasCaptions, HasVerdicts

SCENES = 12
PAIRS = 3 * SCENES
EPS = 6 / 255
ASKED = Evaluation(
    data=data.Verdicts(data.load_scenes("val", limit=SCENES)),
    task="entailment",
    attacks=("none", "verdict"),
    eps=EPS,
    steps=4,
    batch_size=12,
    checks=0,
    shown=2,
)
TASK = Entailment()


@pytest.fixture(scope="module")
def judge():
    return models.load("scenes-entailment")


@pytest.fixture(scope="module")
def victim(judge):
    return evaluate.prepare(ASKED, *judge, quiet=True)


@pytest.fixture(scope="module")
def result(judge, victim):
    return evaluate.evaluate(ASKED, *judge, name="judge", victim=victim, quiet=True)


@pytest.fixture(scope="module")
def seen(victim):
    """The pairs as the model reads them, without attack."""
    bench = Bench(evaluation=ASKED, task=TASK, crafter=victim, targets=(victim,), quiet=True)
    return bench.craft("none", ASKED.threats[0]).points[0]


def test_what_was_finished_for_other_verdicts_is_not_taken(victim, tmp_path):
    labels = victim.examples.labels.copy()
    labels[-1] = 0
    other = victim._replace(examples=replace(victim.examples, labels=labels))
    found = {store_of(tmp_path, ASKED, one).digest for one in (victim, other)}
    assert len(found) == 2


def test_verdicts_are_right_far_beyond_chance_until_they_are_attacked(result):
    # By chance 12 of 36 would be right; more than 22, less than once in 1,000 times.
    clean = result.clean.ranks["verdict"]
    assert clean.shape == (PAIRS,) and (clean == 1).sum() > 22
    adv = result.row("verdict").ranks["verdict"]
    assert (adv == 1).sum() < (clean == 1).sum() / 2
    assert result.protocol["commonest"] == pytest.approx(100 / 3, abs=1e-3)
    assert result.answers.names == ("contradiction", "neutral", "entailment")


def test_sentences_of_one_picture_are_resampled_together(result):
    right = result.clean.ranks["verdict"] <= 1
    low, high = clustered_wilson(right, np.arange(PAIRS) // 3)
    found = result.figures(result.clean)["verdict@1"]
    assert (found["low"], found["high"]) == pytest.approx((100 * low, 100 * high))
    assert found["value"] == pytest.approx(100 * right.mean()) and found["n"] == PAIRS


def test_each_pair_is_judged_by_itself(judge, victim, seen):
    """The logits are those of the model called with one pair alone."""
    model, tokenizer = judge
    logits = logits_of(model, seen, victim.examples.sentences)
    graph, state = nnx.split(model)

    @jax.jit
    def alone(state, images, tokens):
        model = nnx.merge(graph, state)
        return model.classify(model.fuse(model.encode_image(images), model.encode_text(tokens)))

    for row in (0, 17, PAIRS - 1):
        batch = victim.examples.batch(np.array([row]))
        expected = alone(state, batch.images, tokenizer([victim.examples.texts[row]]))
        np.testing.assert_allclose(logits[row], expected[0], atol=1e-4)


def with_labels(victim, labels):
    assert isinstance(victim.examples, Judged)
    return victim._replace(examples=replace(victim.examples, labels=labels))


def test_places_are_by_hand(victim, seen):
    logits = logits_of(victim.model, seen, victim.examples.sentences)
    order = np.argsort(-logits, axis=1)
    for place in range(3):
        ranks = TASK.score(with_labels(victim, order[:, place]), seen, ASKED)
        np.testing.assert_array_equal(ranks["verdict"], place + 1)
        np.testing.assert_array_equal(ranks.answers["verdict"], order[:, 0])


@pytest.fixture(scope="module")
def sets(judge):
    """Sentences that follow, each with four captions of its scene."""
    asked = replace(ASKED, data=data.VerdictSets(ASKED.data))
    return asked, evaluate.prepare(asked, *judge, quiet=True)


def test_of_a_set_attacks_see_all_texts_and_the_sentence_alone_is_judged(judge, victim, seen, sets):
    asked, victim_of_sets = sets
    examples = victim_of_sets.examples
    batch = examples.batch(np.arange(4))
    assert batch.present.shape == (4, 5) and batch.present.all() and (batch.labels == 2).all()
    assert [own[0] for own in examples.corpus.texts] == [
        own[0] for own in victim.examples.corpus.texts[2::3]
    ]
    bench = Bench(
        evaluation=asked, task=TASK, crafter=victim_of_sets, targets=(victim_of_sets,), quiet=True
    )
    points = bench.craft("none", asked.threats[0]).points[0]
    ranks = TASK.score(victim_of_sets, points, asked)
    # As where there are no sets: those of the three sentences of a scene that follow.
    expected = TASK.score(victim, seen, ASKED)["verdict"].reshape(-1, 3)[:, 2]
    np.testing.assert_array_equal(ranks["verdict"], expected)
    np.testing.assert_array_equal(ranks.group("verdict"), np.arange(SCENES))
    # Whatever the captions become, the figures stay.
    texts = points.texts.whole
    assert isinstance(texts, TextFeatures)
    sentences = jnp.arange(len(texts.tokens)) % 5 == 0
    tokens = jnp.where(sentences[:, None, None], texts.tokens, 0)
    other = points._replace(texts=Encoded(points.texts.unit, texts._replace(tokens=tokens)))
    np.testing.assert_array_equal(TASK.score(victim_of_sets, other, asked)["verdict"], expected)
    assert TASK.protocol(victim_of_sets, asked)["captions"] == 5 * SCENES


def test_sets_come_from_files_and_one_text_leaves_the_sentence(tmp_path):
    for name in "ab":
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / f"{name}.jpg")
    rows = [
        {"image": image, "sentence": f"a {label} dog", "label": label}
        for image, label in (("a", "neutral"), ("b", "entailment"), ("a", "entailment"))
    ]
    (tmp_path / "ve.json").write_text(json.dumps(rows))
    images = [
        {"filename": f"{name}.jpg", "split": split, "sentences": [{"raw": f"a {n} cat"}] * 4}
        for name, split, n in (("a", "test", 1), ("b", "test", 2), ("c", "train", 3))
    ]
    (tmp_path / "dataset.json").write_text(json.dumps({"images": images}))
    asked = replace(
        ASKED, data=tmp_path / "ve.json", images=tmp_path, captions=tmp_path / "dataset.json"
    )
    found = TASK.source(asked)
    assert isinstance(found, HasVerdicts) and isinstance(found, HasCaptions)
    assert [found.captions(row) for row in range(2)] == [
        ("a entailment dog", *["a 2 cat"] * 4),
        ("a entailment dog", *["a 1 cat"] * 4),
    ]
    assert [found.label(row) for row in range(2)] == [2, 2]
    assert found.picture(0) != found.picture(1)
    with pytest.raises(ValueError, match="the sentences are on scenes: give 'scenes', whose"):
        TASK.source(replace(asked, data="scenes"))
    alone = TASK.source(replace(asked, texts=1, limit=1))
    assert isinstance(alone, HasCaptions) and len(alone) == 1
    assert alone.captions(0) == ("a entailment dog",)


def test_what_is_no_number_is_lost(victim, seen):
    images = seen.images
    tokens = np.array(images.whole.tokens)
    tokens[3] = np.nan
    broken = seen._replace(images=Encoded(images.unit, images.whole._replace(tokens=tokens)))
    ranks = TASK.score(victim, broken, ASKED)
    assert ranks.errors == 1 and ranks["verdict"][3] == 3


def test_the_attack_raises_what_it_says_it_raises(victim):
    """The surprise at the right verdict, in the ball and with one word."""
    batch = victim.examples.batch(np.arange(12))
    threat = attacks.ThreatModel(eps=EPS, steps=4)
    run = attacks.compile_attack(attacks.verdict_attack, victim.model, threat=threat)
    adv = run(batch, jax.random.key(0))
    assert 0 < np.abs(adv.images - batch.images).max() <= EPS + 1e-6
    changed = (np.asarray(adv.choice) >= 0).sum(-1)
    assert changed.max() == 1
    before, after = (
        np.asarray(TASK.objective(victim.model, batch._replace(images=i, tokens=t)))
        for i, t in ((batch.images, batch.tokens), (adv.images, adv.tokens))
    )
    assert (after > before).all()


def test_a_model_is_told_by_what_it_can_do(judge):
    model, _ = judge
    retrieval, _ = models.load("scenes-albef")
    assert isinstance(model, JudgesPairs) and isinstance(model, FusesPairs)
    assert not isinstance(model, MatchesPairs) and not isinstance(model, Model)
    assert isinstance(retrieval, MatchesPairs) and not isinstance(retrieval, JudgesPairs)
    TASK.require(retrieval, "scenes-albef", measured=False)
    with pytest.raises(ValueError, match="scenes-albef gives no verdict on a sentence"):
        TASK.require(retrieval, "scenes-albef")
    with pytest.raises(ValueError, match=r"'scenes/val', which has no verdicts"):
        evaluate.prepare(replace(ASKED, data=data.load_scenes("val", limit=3)), *judge, quiet=True)
    batch = data.Corpus.prepare(data.load_scenes("val", limit=2), judge[1], image_size=64).batch(
        np.arange(2)
    )
    with pytest.raises(ValueError, match="the batch has no labels"):
        attacks.verdict_attack(model, batch, jax.random.key(0), threat=attacks.ThreatModel(words=0))
    with pytest.raises(ValueError, match="ALBEF gives no verdict on pairs"):
        attacks.verdict_attack(
            retrieval, batch, jax.random.key(0), threat=attacks.ThreatModel(words=0)
        )


def test_the_head_alone_is_new():
    """Towers, fusion and the space are kept; two seeds differ in the head."""
    one, other = (
        models.ForEntailment(models.Pretrained("scenes-albef")).build(seed)[0] for seed in (0, 1)
    )
    old, _ = models.load("scenes-albef")
    kept = dict(nnx.to_flat_state(nnx.state(old)))
    states = [dict(nnx.to_flat_state(nnx.state(model))) for model in (one, other)]
    new = {path[0] for path in states[0] if path not in kept}
    assert new == {"cls_hidden", "cls_head"}
    assert {path[0] for path in kept if path not in states[0]} == {"itm_head", "temp"}
    for path, leaf in states[0].items():
        same = path in kept
        if same:
            np.testing.assert_array_equal(leaf[...], kept[path][...])
        elif path[-1] == "kernel":
            assert not np.array_equal(leaf[...], states[1][path][...])
    with pytest.raises(ValueError, match="'scenes-clip' is a CLIP; expected an ALBEF or TCL"):
        models.ForEntailment(models.Pretrained("scenes-clip")).build(0)


def test_what_was_published_has_no_space_of_its_own():
    config = dataclasses.replace(models.load("scenes-albef")[0].config, task="entailment", embed=0)
    model = models.files.build(config, 0)
    assert model.vision_proj is None and isinstance(model, JudgesPairs)
    with pytest.raises(ValueError, match="embed=0 is no space to compare in"):
        dataclasses.replace(config, task="retrieval")


def test_the_command_reads_a_file_of_snli_ve(tmp_path, victim):
    """Published rows, from the command line to the page."""
    from PIL import Image

    rows = []
    for row in range(6):
        Image.fromarray(victim.examples.image(row)).save(tmp_path / f"{row}.jpg")
        verdict = ("contradiction", "neutral", "entailment")[victim.examples.labels[row]]
        sentence = victim.examples.texts[row]
        rows.append({"Flickr30K_ID": str(row), "sentence2": sentence, "gold_label": verdict})
    (tmp_path / "snli_ve.jsonl").write_text("\n".join(map(json.dumps, rows)))
    out = tmp_path / "report"
    told = f"--model scenes-entailment --task entailment --data {tmp_path / 'snli_ve.jsonl'} "
    told += f"--images {tmp_path} --attacks verdict --steps 2 --checks 0 --mlm scenes-bert "
    main([*told.split(), "--out", str(out)])
    found = json.loads((out / "results.json").read_text())
    assert "verdict@1" in json.dumps(found)
    page = (out / "index.html").read_text()
    assert "Visual entailment under attack" in page and "contradiction" in page
