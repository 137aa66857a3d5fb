"""Every shipped experiment runs: two steps, on little data in its own format."""

import dataclasses
import json
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import mat_jax
from mat_jax import models
from mat_jax.data.scenes import builder
from mat_jax.train import experiment as experiments

FOLDER = Path(__file__).resolve().parents[2] / "experiments"
FILES = sorted(FOLDER.glob("*.py"))
SUBJECTS = ("dog", "man", "girl", "horse", "car", "boy")
VERBS = ("runs", "stands", "jumps", "sits", "waits")
PLACES = ("beach", "street", "field", "river")


@pytest.fixture(scope="module")
def little_world(tmp_path_factory):
    """The scenes of the experiments, but few of them."""
    cache = tmp_path_factory.mktemp("cache")
    patch = pytest.MonkeyPatch()
    patch.setenv("MAT_JAX_CACHE", str(cache))
    patch.setattr(builder, "SPLITS", {"train": 150, "val": 4, "test": 12})
    real = builder.load_scenes
    patch.setattr(
        "mat_jax.data.load_scenes", lambda split, limit=None, train=None: real(split, limit)
    )
    yield cache
    patch.undo()


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A miniature of `shared/data`: retrieval JSON, JPEGs, CLIP's vocabulary files; two models."""
    root = tmp_path_factory.mktemp("photographs")
    (root / "flickr8k/images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    train, test = [], []
    for i in range(90):
        name = f"images/{i}.jpg"
        pixels = rng.integers(0, 255, (24, 32, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(root / "flickr8k" / name)
        texts = [
            f"A {rng.choice(SUBJECTS)} {rng.choice(VERBS)} near the {rng.choice(PLACES)} ."
            for _ in range(5)
        ]
        if i < 80:
            train += [{"image": name, "caption": text, "image_id": i} for text in texts]
        else:
            test.append({"image": name, "caption": texts})
    (root / "flickr8k/flickr8k_train.json").write_text(json.dumps(train))
    (root / "flickr8k/flickr8k_test.json").write_text(json.dumps(test))
    captions = [row["caption"] for row in train]
    tokenizer = models.Tokenizer.train_clip(captions, 600, 32)
    vocabulary = root / "tokenizers"
    tokenizer.save(vocabulary)
    (vocabulary / "vocab.json").rename(vocabulary / "clip_encoder.json")
    (vocabulary / "merges.txt").rename(vocabulary / "clip_vocab.bpe")
    clip = models.CLIPConfig(
        image_size=32,
        patch_size=16,
        vision=models.ViTConfig(width=32, layers=1, heads=2),
        text=models.BertConfig(width=32, layers=1, heads=2),
        embed=16,
    )
    bert = models.BertConfig(width=32, layers=1, heads=2)
    words = models.Tokenizer.train_bert(captions, 300, 32)
    for name, spec in (
        ("clip", models.Fresh(clip, tokenizer)),
        ("bert", models.Fresh(bert, words)),
    ):
        models.save(*spec.build(0), root / name)
    return root


def compiled_for_long(file):
    """They train as the others do, on another model: what they use is tested elsewhere."""
    return file.stem in ("scenes_albef", "scenes_captioner", "scenes_defenses")


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(file, marks=pytest.mark.slow if compiled_for_long(file) else (), id=file.stem)
        for file in FILES
    ],
)
def test_two_steps(file, tmp_path, little_world, photographs, capsys):
    function = experiments.load(file)
    known = experiments.parameters(function)
    small = {
        "steps": "2",
        "batch_size": "8",
        "limit": "6",
        "scenes": "150",
        "root": str(photographs),
        "model": str(photographs / "clip"),
        "mlm": str(photographs / "bert"),
        "defense": "fine_tune",  # the quickstart has MAT
    }
    if file.stem == "quickstart":
        small.pop("model")
    settings = experiments.bind(function, [f"{k}={v}" for k, v in small.items() if k in known])
    experiment = function(**settings)
    if experiment.evaluation is not None:  # each attack is compiled for minutes
        clean = dataclasses.replace(experiment.evaluation, attacks=("none",), suite=None, checks=2)
        experiment = dataclasses.replace(experiment, evaluation=clean)
    quiet = experiment.evaluation is None
    mat_jax.fit(experiment, tmp_path / "run", mesh=1, settings=settings, quiet=quiet)
    lines = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    assert all(np.isfinite(json.loads(line)["loss"]) for line in lines)
    model, _ = models.load(tmp_path / "run/export")
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(model))
    if experiment.evaluation is not None:
        results = json.loads((tmp_path / "run/report/results.json").read_text())
        assert results and (tmp_path / "run/report/index.html").stat().st_size > 10_000
        said = capsys.readouterr().out
        for name in ("before", "after"):
            assert f"note: {name}: Only" in said


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_docstring_names_command_and_result(file):
    text = experiments.load(file).__globals__["__doc__"]
    assert "python -m mat_jax.train" in text
    assert re.search(r"Measured.*\d", text, flags=re.DOTALL)
