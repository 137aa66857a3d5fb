"""Visual question answering: what is counted and by picture, who is refused, what attacks do."""

import dataclasses
import json
from dataclasses import replace

import jax
import numpy as np
import pytest
from flax import nnx

from mat_jax import Evaluation, attacks, data, evaluate, models
from mat_jax.evaluate.__main__ import main
from mat_jax.evaluate.answer_accuracy import vqa_accuracy
from mat_jax.evaluate.checks.adaptive import check_adversary
from mat_jax.evaluate.fingerprint import store_of
from mat_jax.evaluate.gallery import Bench
from mat_jax.evaluate.tasks.vqa import VQA, Asked, answered
from mat_jax.models.features import Encoded

SCENES = 12
QUESTIONS = 4 * SCENES
EPS = 6 / 255
ASKED = Evaluation(
    data=data.Questions(data.load_scenes("val", limit=SCENES)),
    task="vqa",
    attacks=("none", "answer"),
    eps=EPS,
    steps=4,
    batch_size=16,
    constraint="truthful",
    checks=0,
    shown=2,
)
TASK = VQA()


@pytest.fixture(scope="module")
def answerer():
    return models.load("scenes-vqa")


@pytest.fixture(scope="module")
def victim(answerer):
    return evaluate.prepare(ASKED, *answerer, quiet=True)


@pytest.fixture(scope="module")
def result(answerer, victim):
    return evaluate.evaluate(ASKED, *answerer, name="answerer", victim=victim, quiet=True)


@pytest.fixture(scope="module")
def seen(victim):
    """The questions as the model reads them, without attack."""
    bench = Bench(evaluation=ASKED, task=TASK, crafter=victim, targets=(victim,), quiet=True)
    return bench.craft("none", ASKED.threats[0]).points[0]


def with_people(victim, people):
    assert isinstance(victim.examples, Asked)
    return victim._replace(examples=replace(victim.examples, people=people))


def test_what_was_finished_for_other_answers_of_people_is_not_taken(victim, tmp_path):
    people = [*victim.examples.people[:-1], ("no such thing",) * 10]
    stores = [store_of(tmp_path, ASKED, one) for one in (victim, with_people(victim, people))]
    assert stores[0].digest != stores[1].digest
    assert stores[0].digest == store_of(tmp_path, ASKED, victim).digest


def test_answers_are_right_far_beyond_the_commonest_until_they_are_attacked(result):
    clean, adv = result.clean.ranks, result.row("answer").ranks
    chance = result.protocol["chance"] / 100
    assert clean.marks["answer"].shape == (QUESTIONS,)
    # Three standard errors above what the commonest answer gives.
    assert clean.recall("answer", 1) > chance + 3 * np.sqrt(chance * (1 - chance) / QUESTIONS)
    assert adv.recall("answer", 1) < clean.recall("answer", 1) / 2
    assert result.protocol["answers"] == len(data.Questions(data.load_scenes("val", 1)).answer_list)
    found = result.figures(result.clean)["answer@1"]
    assert found["value"] == pytest.approx(100 * clean.recall("answer", 1))
    assert found["n"] == QUESTIONS and found["low"] < found["value"] < found["high"]
    np.testing.assert_array_equal(clean.group("answer"), np.arange(QUESTIONS) // 4)
    names, labels = result.answers
    for row in range(QUESTIONS):  # people agree here, so right is the one row they gave
        assert (clean.answers["answer"][row] == labels[row]) == (clean["answer"][row] == 1)
        assert names[labels[row]] == ASKED.data.answers(row)[0]
    classes = result.per_class[result.clean.name]
    assert sum(one["n"] for one in classes.values()) == QUESTIONS
    total = sum(one["n"] * one["value"] for one in classes.values())
    assert total / QUESTIONS == pytest.approx(found["value"])


def test_each_answer_is_that_of_the_question_asked_alone(answerer, victim, seen):
    """The likeliest of all answers, each written out by itself."""
    model, tokenizer = answerer
    first, _ = answered(victim, seen)
    listed, texts = victim.examples.listed, victim.examples.texts
    graph, state = nnx.split(model)

    @jax.jit
    def alone(state, images, tokens):
        model = nnx.merge(graph, state)
        text = model.encode_text(tokens)
        fused = model.fuse(model.encode_image(images), text)
        return model.answer_scores(model.answer_logits(fused, text.mask, listed), listed)

    for row in (0, 17, QUESTIONS - 1):
        images = victim.examples.batch(np.array([row])).images
        scores = np.asarray(alone(state, images, tokenizer([texts[row]])))
        assert first[row] == scores.argmax()


def test_marks_are_the_published_accuracy(victim, seen):
    """Of people who disagree: 2 of ten that agree give 0.6."""
    first, _ = answered(victim, seen)
    said = [victim.examples.answer_list[row] for row in first]
    for same, mark in ((2, 0.6), (3, 0.9), (5, 1.0)):
        people = [[text] * same + [f"other {n}" for n in range(10 - same)] for text in said]
        ranks = TASK.score(with_people(victim, people), seen, ASKED)
        np.testing.assert_allclose(ranks.marks["answer"], mark)
        np.testing.assert_array_equal(ranks["answer"], 1 if mark == 1 else 2)
        np.testing.assert_array_equal(ranks.answers["answer"], first)
        assert vqa_accuracy(said[0], people[0]) == pytest.approx(mark)


def test_written_answers_are_bound_to_no_list(victim, seen):
    """The shipped model has learned the list, so it nearly always writes what it ranks first."""
    writing = victim._replace(examples=replace(victim.examples, written=True))
    ranks = TASK.score(writing, seen, ASKED)
    first, _ = answered(victim, seen)
    ranked = np.array([victim.examples.answer_list[row] for row in first])
    assert (ranks.answers["answer"] == ranked).mean() > 0.9
    people = victim.examples.people
    said = map(str, ranks.answers["answer"])
    marks = [vqa_accuracy(text, own) for text, own in zip(said, people, strict=True)]
    np.testing.assert_allclose(ranks.marks["answer"], marks)
    assert "bound to no list" in str(TASK.protocol(writing, ASKED)["score"])
    tokens = np.array(seen.images.whole.tokens)
    tokens[3] = np.nan
    images = Encoded(seen.images.unit, seen.images.whole._replace(tokens=tokens))
    ranks = TASK.score(writing, seen._replace(images=images), ASKED)
    assert ranks.errors == 1 and ranks.marks["answer"][3] == 0


def test_what_is_no_number_is_lost(victim, seen):
    tokens = np.array(seen.images.whole.tokens)
    tokens[3] = np.nan
    images = Encoded(seen.images.unit, seen.images.whole._replace(tokens=tokens))
    first, _ = answered(victim, seen)
    said = [[victim.examples.answer_list[row]] * 10 for row in first]
    ranks = TASK.score(with_people(victim, said), seen._replace(images=images), ASKED)
    assert ranks.errors == 1 and ranks["answer"][3] == 2 and ranks.marks["answer"][3] == 0
    assert ranks.marks["answer"].sum() == QUESTIONS - 1
    names, _ = TASK.answers(victim)
    assert names[ranks.answers["answer"][3]] == "(not in the list)"


def test_the_attack_raises_what_the_task_says_it_raises(victim):
    batch = victim.examples.batch(np.arange(16))
    (threat,) = ASKED.threats  # the one that the evaluation has compiled
    adv = attacks.compile_attack(attacks.answer_attack, victim.model, threat=threat)(
        batch, jax.random.key(0)
    )
    assert 0 < np.abs(adv.images - batch.images).max() <= EPS + 1e-6
    assert (np.asarray(adv.choice) >= 0).sum(-1).max() <= 1
    graph, state = nnx.split(victim.model)
    objective = jax.jit(lambda state, batch: TASK.objective(nnx.merge(graph, state), batch))
    before, after = (
        np.asarray(objective(state, batch._replace(images=i, tokens=t)))
        for i, t in ((batch.images, batch.tokens), (adv.images, adv.tokens))
    )
    assert (after > before).all()


def test_words_that_ask_stay_and_with_truth_the_answer_too(victim, result):
    """Function words are never replaced; under "truthful" the right answer stays right."""
    changed = 0
    texts = result.row("answer").captions
    for i, (old, new) in enumerate(zip(victim.examples.texts, texts, strict=True)):
        assert ASKED.data.oracle(i)(new), (old, new)
        changed += old != new
        stay = {"what", "how", "many", "is", "are", "there", "the"}
        assert [w for w in old.split() if w in stay] == [w for w in new.split() if w in stay]
    assert changed


def test_a_model_is_told_by_what_it_can_do(answerer):
    model, tokenizer = answerer
    retrieval, _ = models.load("scenes-albef")
    TASK.require(model, "scenes-vqa")
    TASK.require(retrieval, "scenes-albef", measured=False)
    with pytest.raises(ValueError, match="scenes-albef answers no questions: give an ALBEF or"):
        TASK.require(retrieval, "scenes-albef")
    with pytest.raises(ValueError, match=r"'scenes/val', which has no answers"):
        evaluate.prepare(
            replace(ASKED, data=data.load_scenes("val", limit=3)), model, tokenizer, quiet=True
        )
    said = check_adversary(model, ("pgd",)).sentence
    assert "add answer or co_attack_fused" in said
    assert check_adversary(model, ("answer",)).verdict == "passed"


@dataclasses.dataclass(frozen=True)
class FewPeople(data.Questions):
    """Questions that three people answered."""

    def answers(self, index: int, /) -> tuple[str, ...]:
        return super().answers(index)[:3]


@dataclasses.dataclass(frozen=True)
class OtherList(data.Questions):
    """A list that lacks most answers."""

    answer_list = ("no", "yes")


def test_what_the_list_and_the_people_cannot_do_is_said(answerer):
    scenes = data.load_scenes("val", limit=3)
    with pytest.raises(ValueError, match="question 0 of .* has 3 answers, and VQA accuracy needs"):
        evaluate.prepare(replace(ASKED, data=FewPeople(scenes)), *answerer, quiet=True)
    asked = replace(ASKED, data=OtherList(scenes))
    victim = evaluate.prepare(asked, *answerer, quiet=True)
    names, labels = TASK.answers(victim)
    assert isinstance(victim.examples, Asked)
    right = [own[0] if own[0] in ("no", "yes") else names[-1] for own in victim.examples.people]
    assert [names[label] for label in labels] == right
    few, beyond = TASK.cautions(victim)
    assert few == "Only 12 questions: the intervals are wide."
    assert beyond.startswith("Of 75.0 % of the questions no answer is in the list")
    said = TASK.protocol(victim, asked)
    yes = sum(own[0] == said["commonest"] for own in victim.examples.people)
    assert said["chance"] == pytest.approx(100 * yes / 12, abs=1e-3)


def test_the_command_reads_vqas_files(tmp_path, victim):
    """Published files, from the command line to the page."""
    from PIL import Image

    questions, annotations = [], []
    for row in range(6):
        name = tmp_path / f"COCO_val2014_{row // 2:012d}.jpg"
        Image.fromarray(victim.examples.image(row)).save(name)
        asked = {"image_id": row // 2, "question_id": row, "question": victim.examples.texts[row]}
        answers = [{"answer": text} for text in victim.examples.people[row]]
        questions.append(asked)
        annotations.append({"question_id": row, "answers": answers})
    path = tmp_path / "v2_OpenEnded_mscoco_val2014_questions.json"
    path.write_text(json.dumps({"data_subtype": "val2014", "questions": questions}))
    (tmp_path / "v2_mscoco_val2014_annotations.json").write_text(
        json.dumps({"annotations": annotations})
    )
    out = tmp_path / "report"
    told = f"--model scenes-vqa --task vqa --data {path} --images {tmp_path} --attacks pgd "
    told += "--steps 2 --checks 0 --mlm scenes-bert --answers generate"
    main([*told.split(), "--out", str(out)])
    found = json.loads((out / "results.json").read_text())
    assert "answer@1" in json.dumps(found)
    page = (out / "index.html").read_text()
    assert "Visual question answering under attack" in page
    assert victim.examples.texts[0] in page
    assert "attacked: " in page and f"truth: {victim.examples.people[0][0]}" in page
