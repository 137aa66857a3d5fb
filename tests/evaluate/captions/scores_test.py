"""BLEU, ROUGE-L and CIDEr-D beside coco-caption's own figures, and beside their formulas.

`FIGURES` is what pycocoevalcap 1.2's Bleu, Rouge and Cider say of these captions.
"""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from mat_jax.evaluate.captions import caption_scores, meteor, spice
from mat_jax.evaluate.captions.__main__ import main

PEOPLE = [
    [
        "a man rides a brown horse on the beach",
        "a man on a horse near the sea",
        "someone riding a horse along the shore",
    ],
    [
        "two dogs play with a red ball in the grass",
        "two dogs chase a ball",
        "dogs running after a red ball on a lawn",
        "brown dogs playing outside",
    ],
    ["a plate of food with rice and beans", "rice and beans on a white plate"],
]
WRITTEN = [
    "A man riding a horse on the beach.",
    "Two dogs play with a ball in the snow, and the dogs play",
    "a white plate",
]
FIGURES = {
    "BLEU-1": 0.7593583201481212,
    "BLEU-2": 0.7212927356931297,
    "BLEU-3": 0.6053153191191044,
    "BLEU-4": 0.45417146734195635,
    "ROUGE-L": 0.6956424276100764,
    "CIDEr-D": 2.053931917113571,
}


def test_figures_are_those_of_coco_caption() -> None:
    found = caption_scores(WRITTEN, PEOPLE)
    assert found.figures == pytest.approx(FIGURES, rel=1e-10)
    np.testing.assert_allclose(found.rouge_l, [0.8148855, 0.71240876, 0.55963303], atol=1e-8)
    np.testing.assert_allclose(found.cider_d, [2.92822495, 1.26772429, 1.96584651], atol=1e-8)


def test_of_photographs_too(shared: Path) -> None:
    """On the excerpt of `shared`, which no four words in a row are right in."""
    held = json.loads((shared / "data/formats/captionmetrics_gts_res.json").read_text())
    images = list(held["gts"])
    found = caption_scores([held["res"][i][0] for i in images], [held["gts"][i] for i in images])
    published = (0.5181431987979824, 0.39167944215224076, 0.27675365368873067)
    assert found.bleu == pytest.approx((*published, 3.6409311666179196e-05), rel=1e-10)
    assert found.figures["ROUGE-L"] == pytest.approx(0.4274583156871049, rel=1e-10)
    assert found.figures["CIDEr-D"] == pytest.approx(0.703657133056649, rel=1e-10)


def test_a_copy_scores_highest_and_other_words_nothing() -> None:
    copies = [people[0] for people in PEOPLE]
    found = caption_scores(copies, [[text] for text in copies])
    assert found.bleu == pytest.approx((1, 1, 1, 1))
    np.testing.assert_allclose(found.rouge_l, 1)
    np.testing.assert_allclose(found.cider_d, 10)
    strange = caption_scores(["zebra"] * 3, PEOPLE)
    assert max(strange.bleu) < 1e-9
    assert not strange.rouge_l.any() and not strange.cider_d.any()
    assert not caption_scores(["", "", ""], PEOPLE).rouge_l.any()


def test_a_short_text_pays_for_its_length_and_of_two_as_near_the_shorter_counts() -> None:
    (one, *_) = caption_scores(["a dog"], [["a dog runs", "a dog runs fast today"]]).bleu
    assert one == pytest.approx(math.exp(1 - 3 / 2))
    (one, *_) = caption_scores(["a big dog"], [["a dog", "a big dog runs"]]).bleu
    assert one == pytest.approx(1)  # 2 words are as near to 3 as 4 are


def test_rarity_is_counted_over_pictures_and_length_costs() -> None:
    """By hand: of one word, what every picture has weighs nothing."""
    people = [["dog"], ["cat"], ["cat"]]
    found = caption_scores(["dog", "dog", "cat"], people).cider_d
    np.testing.assert_allclose(found, [10 / 4, 0, 10 / 4])  # one length of run of four
    everywhere = caption_scores(["cat", "cat"], [["cat"], ["cat"]]).cider_d
    np.testing.assert_allclose(everywhere, 0)
    longer = caption_scores(["dog cat", "x"], [["dog"], ["y"]]).cider_d[0]
    weight = math.log(2)
    cosine = weight**2 / (weight * math.hypot(weight, weight))  # cat is in no reference
    assert longer == pytest.approx(10 / 4 * cosine * math.exp(-1 / 72))


def test_bad_input_is_one_sentence() -> None:
    with pytest.raises(ValueError, match="2 captions and references of 1 pictures"):
        caption_scores(["a", "b"], [["a"]])
    with pytest.raises(ValueError, match="picture 1 has no reference"):
        caption_scores(["a", "b"], [["a"], []])


def test_meteor_and_spice_are_never_approximated(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(ValueError, match="METEOR needs .*meteor-1.5.jar.*pycocoevalcap"):
        meteor(WRITTEN, PEOPLE, folder=tmp_path)
    with pytest.raises(ValueError, match="SPICE needs .*spice-1.0.jar"):
        spice(WRITTEN, PEOPLE, folder=tmp_path)
    (tmp_path / "data").mkdir()
    for name in ("meteor-1.5.jar", "data/paraphrase-en.gz"):
        (tmp_path / name).write_bytes(b"")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ValueError, match="METEOR is a Java program and there is no java here"):
        meteor(WRITTEN, PEOPLE, folder=tmp_path)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the peer leaves its pipes open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_meteor_is_what_its_own_program_says() -> None:
    wrapper = pytest.importorskip("pycocoevalcap.meteor.meteor")
    if shutil.which("java") is None:
        pytest.skip("no java here")
    ours = meteor(WRITTEN, PEOPLE, folder=Path(wrapper.__file__).parent)
    clean = [text.lower().replace(".", "").replace(",", "") for text in WRITTEN]
    theirs, _ = wrapper.Meteor().compute_score(
        dict(enumerate(PEOPLE)), {i: [text] for i, text in enumerate(clean)}
    )
    assert ours == theirs


def test_the_command_scores_a_file_of_results(tmp_path: Path, capsys) -> None:
    results, annotations = tmp_path / "results.json", tmp_path / "captions.json"
    rows = [{"image_id": 7 + i, "caption": text} for i, text in enumerate(WRITTEN)]
    results.write_text(json.dumps(rows))
    held = [
        {"image_id": 7 + i, "id": n, "caption": text}
        for i, people in enumerate(PEOPLE)
        for n, text in enumerate(people)
    ]
    annotations.write_text(json.dumps({"annotations": held[::-1], "images": []}))
    assert main([str(results), "--annotations", str(annotations)]) == 0
    said = capsys.readouterr().out
    assert "3 pictures" in said
    for name, value in FIGURES.items():
        assert f"{name:<8} {value:.4f}" in said
    results.write_text(json.dumps([*rows, {"image_id": 99, "caption": "x"}]))
    assert main([str(results), "--annotations", str(annotations)]) == 2
    assert "has no caption of picture 99" in capsys.readouterr().err
    results.write_text(json.dumps({"image": "x"}))
    assert main([str(results), "--annotations", str(annotations)]) == 2
    assert "does not list {image_id, caption}" in capsys.readouterr().err
    results.write_bytes(b"[" * 100_000)  # deeper than the reader goes
    assert main([str(results), "--annotations", str(annotations)]) == 2
    assert "results.json' is not valid JSON" in capsys.readouterr().err
