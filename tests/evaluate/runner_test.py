"""Whole evaluations of tiny random models: protocol, strings, transfer, command line."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from mat_jax import attacks, data, evaluate, models
from mat_jax.evaluate import __main__ as command
from mat_jax.evaluate.config import Evaluation, usual_attacks
from mat_jax.evaluate.invariants import Broken
from mat_jax.evaluate.options import command_line
from mat_jax.evaluate.tasks.retrieval import Pairs
from tests.tools.narrow import some

CAPTIONS = [
    ("a red ball on sand", "one round red thing"),
    ("two blue boxes on grass", "blue cubes in a green field", "boxes near a tree"),
    ("a striped cat sleeps", "the cat has stripes"),
    ("green car near water", "a small green car"),
    ("white bird over the sea", "a bird flies high"),
    ("a man rides a brown horse", "brown horse with a rider"),
    ("yellow flower in the sun", "a big yellow flower"),
]
EIGHT = 8 / 255


class Toys(NamedTuple):
    """A tiny CLIP and BERT in folders, and a retrieval JSON file with its images."""

    clip: Path
    other: Path
    bert: Path
    json: Path
    images: Path


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    root = tmp_path_factory.mktemp("toys")
    texts = [text for own in CAPTIONS for text in own]
    vision, text = models.ViTConfig(16, 1, 2), models.BertConfig(width=16, layers=1, heads=2)
    for name, size, length, seed in (("clip", 16, 16, 0), ("other", 24, 12, 1)):
        tokenizer = models.Tokenizer.train_clip(texts, 530 + seed, length)
        config = models.CLIPConfig(size, 8, vision, text, embed=8)
        models.save(*models.Fresh(config, tokenizer).build(seed), root / name)
    tokenizer = models.Tokenizer.train_bert(texts, 200, 16)
    config = models.BertConfig(width=16, layers=1, heads=2)
    models.save(*models.Fresh(config, tokenizer).build(0), root / "bert")
    rng = np.random.default_rng(0)
    rows = []
    for i, own in enumerate(CAPTIONS):
        pixels = rng.integers(0, 256, (3, 3, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((24, 24)).save(root / f"{i}.png")
        rows.append({"image": f"{i}.png", "caption": list(own)})
    (root / "test.json").write_text(json.dumps(rows))
    return Toys(root / "clip", root / "other", root / "bert", root / "test.json", root)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("MAT_JAX_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def clip(toys):
    return models.load(toys.clip)


def asked(toys, **settings: Any):
    source = data.retrieval_json(toys.json, images=toys.images)
    given: dict[str, Any] = {
        "data": source,
        "mlm": str(toys.bert),
        "eps": EIGHT,
        "steps": 2,
        "batch_size": 4,
    }
    given.update({"checks": 0, **settings})
    return Evaluation(**given)


def measure(toys, clip, **settings):
    return evaluate.evaluate(asked(toys, **settings), *clip, name="tiny", quiet=True)


def best_rank(scores, own):
    """1 + how many others score at least as high as the best own one; from the definition."""
    best = max(s for s, mine in zip(scores, own, strict=True) if mine)
    return 1 + sum(s >= best - 1e-6 for s, mine in zip(scores, own, strict=True) if not mine)


def ranks_of(clip, images, texts):
    """TR and IR ranks by loops, from pixels and strings."""
    model, tokenizer = clip
    owner = [i for i, own in enumerate(CAPTIONS) for _ in own]
    pictures = jax.jit(lambda model, x: model.encode_image(x).embed)(model, images)
    words = jax.jit(lambda model, x: model.encode_text(x).embed)(model, tokenizer(texts))
    pictures, words = (np.asarray(x) for x in (pictures, words))
    pictures, words = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (pictures, words))
    table = pictures @ words.T
    tr = [best_rank(table[i], [o == i for o in owner]) for i in range(len(pictures))]
    ir = [
        best_rank(table[:, t], [i == o for i in range(len(pictures))]) for t, o in enumerate(owner)
    ]
    return tr, ir


def clean_images(toys, size=16):
    files = [Image.open(toys.images / f"{i}.png") for i in range(len(CAPTIONS))]
    return np.stack(
        [np.asarray(f.resize((size, size), Image.Resampling.BICUBIC)) for f in files]
    ) / np.float32(255)


def test_clean_ranks_are_those_of_the_definition(toys, clip):
    result = measure(toys, clip, attacks=("none",))
    texts = [text for own in CAPTIONS for text in own]
    tr, ir = ranks_of(clip, clean_images(toys), texts)
    assert result.clean.ranks["tr"].tolist() == tr
    assert result.clean.ranks["ir"].tolist() == ir
    assert result.protocol["images"] == 7 and result.protocol["captions"] == 15
    assert result.clean.changed == 0 and list(result.clean.captions) == texts


def test_attacked_pairs_replace_both_sides_and_texts_are_read_again(toys, clip, monkeypatch):
    """An attack that darkens and puts the second substitute at the first open word."""

    def darken(model, batch, key, *, threat, preset):
        open_words = batch.words.substitute_lengths[..., 1] > 0
        first = open_words & (jnp.cumsum(open_words, axis=-1) == 1)
        choice = jnp.where(first, 1, -1).astype(jnp.int32)
        images = jnp.maximum(batch.images - threat.eps, 0.0)
        # The tokens are left as they were: only the strings may count.
        return attacks.no_attack(model, batch, key, threat=threat)._replace(
            images=images, choice=choice
        )

    monkeypatch.setitem(attacks.ATTACKS, "sep", attacks.ATTACKS["sep"]._replace(function=darken))
    evaluation = asked(toys, attacks=("none", "sep"))
    victim = evaluate.prepare(evaluation, *clip, quiet=True)
    assert isinstance(victim.examples, Pairs)
    corpus = victim.examples.corpus
    assert isinstance(corpus.table, data.WordTable)
    result = evaluate.evaluate(evaluation, *clip, name="tiny", victim=victim, quiet=True)
    row = result.row("sep")
    images = np.maximum(clean_images(toys) - np.float32(EIGHT), 0)
    assert row.changed > 0.5
    for before, after, options in zip(
        result.clean.captions, row.captions, corpus.table.substitutes, strict=True
    ):
        words = before.split()
        slot = next((w for w in range(len(words)) if options[w, 1] >= 0), None)
        if slot is not None:
            words[slot] = corpus.table.vocabulary[options[slot, 1]]
        assert after == " ".join(words)
    tr, ir = ranks_of(clip, images, list(row.captions))
    assert (row.ranks["tr"].tolist(), row.ranks["ir"].tolist()) == (tr, ir)
    assert row.checks["largest_delta"] == pytest.approx(EIGHT, rel=1e-4)
    assert row.checks["read_differently"] == round(15 * row.changed)
    assert any("tokenized otherwise" in flag for flag in result.flags)


def test_batch_size_does_not_matter(toys, clip):
    one = measure(toys, clip, attacks=("none", "pgd"), batch_size=4)
    two = measure(toys, clip, attacks=("none", "pgd"), batch_size=3)
    for a, b in zip(one.rows, two.rows, strict=True):
        assert a.ranks["tr"].tolist() == b.ranks["tr"].tolist()
        assert a.ranks["ir"].tolist() == b.ranks["ir"].tolist()
    images = [some(r.row("pgd").sights).images for r in (one, two)]
    np.testing.assert_allclose(images[0], images[1], atol=1e-5)
    assert one.row("pgd").protocol["passes_per_image"] == {
        "image_forwards": 4,
        "image_backwards": 2,
    }


def test_no_room_is_no_attack(toys, clip):
    result = measure(toys, clip, attacks=("none", "pgd"), eps=0.0)
    assert result.row("pgd").ranks["tr"].tolist() == result.clean.ranks["tr"].tolist()
    assert result.row("pgd").checks["images_moved"] == 0


def test_every_eps_is_measured_once_and_clean_once(toys, clip):
    result = measure(toys, clip, attacks=("pgd",), eps=(4 / 255, EIGHT), limit=4)
    attacked = ["pgd_4-255", "pgd_8-255"]
    worst = ["worst_case_4-255", "worst_case_8-255"]
    assert [row.name for row in result.rows] == ["none", *attacked, *worst]
    assert result.radii == (4 / 255, EIGHT) and result.protocol["images"] == 4


def test_lost_images_are_left_and_the_table_says_so(toys, clip):
    """A random model has lost nearly everything from the start; a rank is never out of reach."""
    settings = dict(attacks=("none", "sga_plain"), steps=4)
    stopped = measure(toys, clip, stop_beyond=1, **settings)
    whole = measure(toys, clip, stop_beyond=10_000, **settings)
    assert stopped.protocol["stop_beyond"] == 1
    passes = [
        result.row("sga_plain").protocol["passes_per_image"]["image_backwards"]
        for result in (stopped, whole)
    ]
    assert 1 <= passes[0] < passes[1] == 4
    assert any("is not given" in flag for flag in stopped.flags)
    assert not any("is not given" in flag for flag in whole.flags)
    assert stopped.row("sga_plain").depths == some(stopped.worst()).depths == (1,)
    assert whole.row("sga_plain").depths == stopped.clean.depths == (1, 5, 10)
    with pytest.raises(ValueError, match="takes every step of the released programs"):
        asked(toys, stop_beyond=1, preset="official")
    with pytest.raises(ValueError, match="what is lost on a surrogate"):
        victim = evaluate.prepare(asked(toys), *clip, quiet=True)
        other = models.load(toys.other)
        evaluate.evaluate(
            asked(toys, stop_beyond=1), *other, name="other", surrogate=victim,
            quiet=True,
        )  # fmt: skip


def test_transfer_reads_what_the_surrogate_made(toys, clip):
    """Another image size and another tokenizer: the target sees resized pictures and strings."""
    evaluation = asked(toys, attacks=("none", "pgd"))
    other = models.load(toys.other)
    surrogate = evaluate.prepare(evaluation, *other, quiet=True)
    own = measure(toys, clip, attacks=("none",))
    result = evaluate.evaluate(evaluation, *clip, name="tiny", surrogate=surrogate, quiet=True)
    assert result.clean.ranks["tr"].tolist() == own.clean.ranks["tr"].tolist()
    images = some(result.row("pgd").sights).images
    assert images.shape[1:] == (16, 16, 3)
    clean = clean_images(toys)[list(result.shown)]
    assert 0 < np.abs(images - clean).mean() < 0.15


@pytest.mark.parametrize(
    "move, message",
    [
        (lambda x, eps: x + 1.01 * eps * jnp.where(x > 0.5, -1.0, 1.0), "moved an image"),
        (lambda x, eps: x + jnp.where(x > 0.5, eps, -eps) * 0 + 2.0, "outside \\[0, 1\\]"),
        (lambda x, eps: x * jnp.nan, "not finite"),
    ],
)
def test_a_cheating_attack_stops_the_run(toys, clip, monkeypatch, move, message):
    def cheat(model, batch, key, *, threat, preset):
        clean = attacks.no_attack(model, batch, key, threat=threat)
        return clean._replace(images=move(batch.images, threat.eps))

    monkeypatch.setitem(attacks.ATTACKS, "pgd", attacks.ATTACKS["pgd"]._replace(function=cheat))
    with pytest.raises(Broken, match=f"pgd .*{message}"):
        measure(toys, clip, attacks=("pgd",))


def test_too_many_words_stop_the_run(toys, clip, monkeypatch):
    def cheat(model, batch, key, *, threat, preset):
        choice = jnp.where(batch.words.substitute_lengths[..., 0] > 0, 0, -1)
        return attacks.no_attack(model, batch, key, threat=threat)._replace(choice=choice)

    monkeypatch.setitem(
        attacks.ATTACKS, "bert_attack", attacks.ATTACKS["bert_attack"]._replace(function=cheat)
    )
    with pytest.raises(Broken, match="bert_attack changed . words of a caption; allowed are 1"):
        measure(toys, clip, attacks=("bert_attack",))


def test_weights_that_overflow_stop_the_run(toys):
    model, tokenizer = models.load(toys.clip)
    broken = jax.tree.map(lambda x: x * jnp.nan, model)
    with pytest.raises(Broken, match="not finite numbers; check the weights"):
        measure(toys, (broken, tokenizer), attacks=("none",))


def test_text_attacks_need_candidates(toys, clip):
    victim = evaluate.prepare(asked(toys, attacks=("none",)), *clip)
    for settings in ({"attacks": ("bert_attack",)}, {"attacks": (), "suite": "quick"}):
        with pytest.raises(ValueError, match="'bert_attack' changes words but the texts have no"):
            evaluate.evaluate(asked(toys, **settings), *clip, victim=victim)


def test_command_line(toys, tmp_path, capsys):
    out = tmp_path / "report"
    status = command.main(
        f"--model {toys.clip} --data {toys.json} --images {toys.images} --attacks none,pgd "
        f"--eps 4/255,8/255 --steps 1 --limit 5 --batch-size 5 --checks 3 --out {out}".split()
    )
    printed, said = capsys.readouterr()
    assert status == 0
    assert said.startswith(f"data: {toys.json.stem}, ALBEF's evaluation form, ")
    files = ["index.html", "progress", "ranks.npz", "results.json"]
    assert sorted(p.name for p in out.iterdir()) == files
    content = json.loads((out / "results.json").read_text())
    rows = content["models"][0]["rows"]
    assert [r["attack"] for r in rows] == ["none", "pgd", "pgd", "worst_case", "worst_case"]
    assert rows[1]["protocol"]["eps_text"] == "4/255" and rows[1]["protocol"]["steps"] == 1
    assert rows[1]["protocol"]["step_size"] == pytest.approx(2.5 * 4 / 255, rel=1e-4)
    assert str(out / "index.html") in printed
    found = {check["name"]: check for check in content["models"][0]["checks"]}
    assert found["planted vulnerability"]["figures"]["planted"] <= 3
    assert found["white box"]["verdict"] == "passed"
    for check in found.values():
        flagged = check["verdict"] == "flagged"
        assert (f"note: {check['name']}: {check['sentence']}" in printed) == flagged
    assert printed.strip().splitlines()[-1].startswith("in percent")


@pytest.mark.parametrize(
    "arguments, suite",
    [
        ("", "quick"),
        ("--attacks none,sga", "quick"),
        ("--attacks none", None),
        ("--attacks pgd", None),  # no language model need be at hand
        ("--surrogate other", None),
        ("--suite none", None),
        ("--suite thorough --attacks none", "thorough"),
    ],
)
def test_the_headline_is_of_a_suite_where_words_are_attacked(arguments, suite):
    given = command_line().parse_args(f"--model a --out b {arguments}".split())
    names = (given.attacks or ",".join(usual_attacks("retrieval"))).split(",")
    assert command._suite(given, names) == suite


@pytest.mark.parametrize(
    "change, sentence",
    [
        (
            {"--attacks": "none,pdg"},
            "unknown attack 'pdg' (did you mean 'pgd'?); choose from none, pgd",
        ),
        ({"--attacks": "apgd_ce"}, "'apgd_ce' is not made for retrieval; choose from none, pgd"),
        ({"--eps": "4"}, "eps 4.0 is outside [0, 1]"),
        ({"--eps": "four"}, "--eps must be a number, 4/255 for example, got 'four'"),
        ({"--limit": "0"}, "limit is 0"),
        ({"--checks": "-1"}, "checks is -1"),
        ({"--model": "no/such/folder"}, "no/such/folder"),
        ({"--data": "nothing.json"}, "no annotation file 'nothing.json'"),
        ({"--images": "nowhere"}, "no image root 'nowhere'"),
        ({"--constraint": "truthful", "--attacks": "bert_attack"}, "truthful"),
        ({"--steps": "-1"}, "steps -1 must be"),
        ({"--norm": "l3"}, "invalid choice: 'l3'"),
        ({"--suite": "fast"}, "unknown suite 'fast'; choose from quick, standard, thorough"),
        ({"--suite": "quick", "--surrogate": "scenes-clip"}, "leave out --suite, or --surrogate"),
        ({"--model": "scenes-bert"}, "'scenes-bert' is a language model, expected one of images"),
        ({"--mlm": "scenes-clip", "--attacks": "sep"}, "'scenes-clip' is no masked language model"),
    ],
)
def test_a_mistake_is_one_sentence(toys, tmp_path, capsys, change, sentence):
    out = tmp_path / "report"
    given = {"--model": toys.clip, "--data": toys.json, "--images": toys.images, "--out": out}
    given |= {"--attacks": "none", "--mlm": toys.bert, **change}
    status = command.main([str(x) for pair in given.items() for x in pair])
    printed = capsys.readouterr()
    assert status == 2 and printed.out == ""
    said = [line for line in printed.err.strip().splitlines() if not line.startswith("data: ")]
    assert len(said) == 1 and sentence in said[0]
    assert not out.exists()


def test_photographs_need_a_language_model_of_their_own(toys, tmp_path, capsys):
    # The one of the embedded world knows few of their words, and attacks would look weak.
    arguments = f"--model {toys.clip} --data {toys.json} --images {toys.images} --attacks sep"
    assert command.main([*arguments.split(), "--out", str(tmp_path / "report")]) == 2
    assert "text attacks need a masked language model" in capsys.readouterr().err


def test_an_experiment_s_evaluation_says_what_the_text_attack_may_do():
    asked = evaluate.Evaluation(
        data="scenes", mlm="runs/bert", candidates=48, constraint="truthful", preset="official"
    )
    assert asked.substitutes == data.Substitutes(
        mlm="runs/bert", candidates=48, constraint="truthful", alignment="official"
    )
    assert asked.threats[0].constraint == "truthful" and asked.threats[0].candidates == 48


def test_a_folder_that_cannot_be_written_is_found_out_first(toys, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    status = command.main(["--model", "nobody", "--out", str(tmp_path / "file" / "x")])
    assert status == 2 and "cannot write" in capsys.readouterr().err
