"""Captions under attack: the shipped captioner, what it writes, and who judges that."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from mat_jax import Evaluation, data, evaluate, models
from mat_jax.data.scenes import is_true
from mat_jax.data.scenes.oracle import agreement
from mat_jax.evaluate.__main__ import main
from mat_jax.evaluate.captions import caption_scores
from mat_jax.evaluate.ranks import worst
from mat_jax.evaluate.row_files import load_rows, save_rows
from mat_jax.evaluate.statistics import ranked_figures
from mat_jax.evaluate.store import Store
from mat_jax.evaluate.tasks.written_captions import written
from mat_jax.evaluate.writing import Writing
from mat_jax.models import generation
from tests.tools.narrow import some

SCENES = 12
ASKED = Evaluation(
    data=data.load_scenes("val", limit=SCENES),
    task="captioning",
    eps=6 / 255,
    steps=4,
    batch_size=8,  # of two batches, the second is filled up
    checks=0,
    shown=2,
)


@pytest.fixture(scope="module")
def captioner():
    return models.load("scenes-captioner")


@pytest.fixture(scope="module")
def result(captioner):
    return evaluate.evaluate(ASKED, *captioner, name="BLIP", quiet=True)


def test_what_is_written_is_of_the_scene_until_it_is_attacked(result):
    assert [row.attack for row in result.rows] == [
        "none",
        "caption_away",
        "caption_towards",
        "worst_case",
    ]
    mean = {row.attack: row.ranks.recall("agreement", 1) for row in result.rows}
    # Far more than captions of another scene, and far less after an attack on the captioner.
    assert mean["none"] > result.protocol["chance"] / 100 + 0.3
    assert mean["none"] - mean["caption_away"] > 0.3


def test_it_is_the_world_that_judges(result):
    for row in result.rows[:3]:
        for i, text in enumerate(row.ranks.answers["agreement"]):
            scene = ASKED.data.scene(i)
            assert row.ranks.marks["agreement"][i] == agreement(text, scene)
            assert (row.ranks["true"][i] == 1) == is_true(text, scene)


def test_an_attack_towards_another_picture_makes_its_caption_truer(result):
    others = [ASKED.data.scene((i + 1) % SCENES) for i in range(SCENES)]

    def agrees(attack):
        said = result.row(attack).ranks.answers["agreement"]
        return np.mean([agreement(*pair) for pair in zip(said, others, strict=True)])

    assert agrees("caption_towards") > agrees("none") + 0.1


def test_captions_are_written_from_features_as_from_pixels(captioner):
    model, _ = captioner
    images = np.stack([ASKED.data[i].image for i in range(3)]).astype(np.float32) / 255
    pixels = np.asarray(generation.greedy(model, images))
    features = np.asarray(
        generation.greedy(model, jax.jit(lambda m, x: m.encode_image(x))(model, images))
    )
    np.testing.assert_array_equal(pixels, features)


def test_the_worst_case_has_the_lowest_mark_and_what_was_written_there(result):
    rows = [row.ranks for row in result.rows[:3]]
    lowest = worst(rows)
    marks = np.stack([ranks.marks["agreement"] for ranks in rows])
    np.testing.assert_array_equal(lowest.marks["agreement"], marks.min(axis=0))
    which = marks.argmin(axis=0)
    said = [rows[n].answers["agreement"][i] for i, n in enumerate(which)]
    assert lowest.answers["agreement"].tolist() == said
    np.testing.assert_array_equal(lowest["true"], np.max([r["true"] for r in rows], axis=0))


def test_figures_of_marks_are_means_with_intervals_that_hold_them(result):
    clean, adv = result.clean.ranks, result.row("caption_away").ranks
    found = ranked_figures(clean, adv, depths=(1,))
    marks = adv.marks["agreement"]
    one = found["agreement@1"]
    assert one["value"] == pytest.approx(100 * marks.mean()) and one["n"] == SCENES
    # About that of the normal distribution, and never outside 0 to 100.
    spread = 196 * marks.std(ddof=1) / np.sqrt(SCENES)
    assert spread < one["high"] - one["low"] < 4 * spread
    assert 0 <= one["low"] < one["value"] < one["high"] <= 100
    drop = 100 * (clean.marks["agreement"] - marks).mean()
    assert found["agreement_drop@1"]["value"] == pytest.approx(drop)
    assert "agreement_asr@1" not in found and "true_asr@1" in found


def test_rows_are_read_back_as_they_were(result, tmp_path):
    store = Store.open(tmp_path, "any")
    save_rows(store, "rows/x", [result.row("caption_away")])
    (again,) = some(load_rows(store, "rows/x", 1))
    before = result.row("caption_away").ranks
    np.testing.assert_array_equal(again.ranks.marks["agreement"], before.marks["agreement"])
    assert again.ranks.answers["agreement"].tolist() == before.answers["agreement"].tolist()


def test_the_command_carries_an_attack_over_from_retrieval(tmp_path, capsys):
    said = (
        "--task captioning --model scenes-captioner --surrogate scenes-clip --attacks pgd "
        "--limit 4 --eps 32/255 --steps 2 --checks 0"
    )
    assert main([*said.split(), "--out", str(tmp_path)]) == 0
    page = (tmp_path / "index.html").read_text()
    assert "Captioning under attack" in page and ">clean: a " in page and ">attacked: " in page
    assert "agree" in capsys.readouterr().out
    # What was written, and how right it is, for whoever counts again: without a pickle.
    kept = np.load(tmp_path / "ranks.npz", allow_pickle=False)
    (marks,) = (kept[key] for key in kept if key.endswith("_none_agreement_marks"))
    (texts,) = (kept[key] for key in kept if key.endswith("_none_agreement_answers"))
    test = data.load_scenes("test", limit=4)
    said = [agreement(str(text), test.scene(i)) for i, text in enumerate(texts)]
    assert marks.tolist() == said


def test_what_cannot_caption_or_be_captioned_is_refused(captioner):
    with pytest.raises(ValueError, match="mine writes no captions: give a captioner"):
        evaluate.evaluate(ASKED, *models.load("scenes-clip"), name="mine", quiet=True)
    phrases = replace(ASKED, data=data.Phrases(data.load_scenes("val", limit=2)))
    with pytest.raises(ValueError, match="cannot use the data 'scenes/val/phrases', whose texts"):
        evaluate.evaluate(phrases, *captioner, quiet=True)
    with pytest.raises(ValueError, match="'pgd' cannot be crafted on a model that compares no"):
        evaluate.evaluate(replace(ASKED, attacks=("pgd",)), *captioner, quiet=True)


class Photographs:
    """Scenes as if they were photographs: pictures with captions, and nobody who knows."""

    name = "photographs"

    def __init__(self, count):
        self._scenes = data.load_scenes("val", limit=count)

    def __len__(self):
        return len(self._scenes)

    def __getitem__(self, index):
        return self._scenes[index]


@pytest.fixture(scope="module")
def photographs(captioner):
    asked = replace(ASKED, data=Photographs(SCENES), attacks=("none", "caption_away"))
    return evaluate.evaluate(asked, *captioner, name="BLIP", quiet=True)


def test_captions_of_photographs_are_scored_against_those_of_people(photographs):
    assert list(photographs.kinds) == ["cider", "rouge"]
    references = [ASKED.data[i].captions for i in range(SCENES)]
    for row in photographs.rows[:2]:
        said = [str(text) for text in row.ranks.answers["cider"]]
        scores = caption_scores(said, references)
        np.testing.assert_array_equal(row.ranks.marks["cider"], scores.cider_d)
        found = photographs.figures(row)
        assert found["cider@1"]["value"] == pytest.approx(100 * scores.figures["CIDEr-D"])
        assert found["rouge@1"]["value"] == pytest.approx(100 * scores.figures["ROUGE-L"])
        coco = {name: pytest.approx(100 * value) for name, value in scores.figures.items()}
        assert photographs.scores[row.name] == coco
    clean, adv = (photographs.figures(row) for row in photographs.rows[:2])
    assert clean["cider@1"]["value"] > photographs.protocol["chance"] + 50
    assert adv["cider@1"]["value"] < clean["cider@1"]["value"] / 2


def test_the_interval_of_a_mean_score_is_about_that_of_the_normal_distribution(photographs):
    marks = photographs.clean.ranks.marks["cider"]
    one = photographs.figures(photographs.clean)["cider@1"]
    spread = 2 * 196 * marks.std() / np.sqrt(SCENES)
    assert one["high"] - one["low"] == pytest.approx(spread, rel=0.2)
    assert 0 <= one["low"] < one["value"] < one["high"] <= 1000


def test_scores_are_read_back_and_drawn_above_a_hundred(photographs, tmp_path):
    store = Store.open(tmp_path, "any")
    row = photographs.row("caption_away")
    save_rows(store, "rows/x", [row])
    (again,) = some(load_rows(store, "rows/x", 1))
    assert photographs.figures(again) == photographs.figures(row)
    page = evaluate.compare({"BLIP": photographs}, tmp_path / "out").read_text()
    assert "BLIP has a CIDEr-D of" in page and "BLEU-4" in page and "CIDEr-D times 100" in page


def test_the_search_and_the_prompt_are_those_asked_for(captioner):
    model, tokenizer = captioner
    victim = evaluate.prepare(ASKED, model, tokenizer, quiet=True)
    images = np.stack([ASKED.data[i].image for i in range(3)]).astype(np.float32) / 255
    features = jax.jit(lambda m, x: m.encode_image(x))(model, images)
    beams = written(victim, features, Writing(beams=2, prompt="a red", max_length=12))
    prompt = tuple(i for word in ("a", "red") for i in tokenizer.parts(word))
    ids = generation.beam_search(model, images, beams=2, prompt=prompt, max_length=12)
    whole = tokenizer.captions(np.asarray(ids))
    assert whole == [f"a red {text}".strip() for text in beams]
    with pytest.raises(ValueError, match="beams is 0: it must be at least 1"):
        Writing(beams=0)
    with pytest.raises(ValueError, match="captions of 9 to 9 ids cannot be written"):
        Writing(min_length=9, max_length=9)


def test_a_score_without_its_program_is_refused_before_anything_is_attacked(captioner, tmp_path):
    asked = replace(ASKED, writing=Writing(spice=tmp_path))
    with pytest.raises(ValueError, match="SPICE needs .*spice-1.0.jar', which is not there"):
        evaluate.evaluate(asked, *captioner, quiet=True)
