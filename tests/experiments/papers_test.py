"""Every file of `experiments/papers` runs two steps on its formats, and sets what is published.

`PUBLISHED` is copied from the fact sheets and the papers' code, not from our files.
"""

import dataclasses
import json
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from PIL import Image

import mat_jax
from mat_jax import data, models
from mat_jax.train import experiment as experiments
from mat_jax.types.sources import HasCaptions
from tests.experiments.miniatures import COUNT, published_data, published_models
from tests.tools.narrow import some

FOLDER = Path(__file__).resolve().parents[2] / "experiments/papers"
FILES = sorted(FOLDER.glob("*.py"))

B16, B32 = "openai/clip-vit-base-patch16", "openai/clip-vit-base-patch32"
L14 = "openai/clip-vit-large-patch14"
SGD, ADAM, ADAMW = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW
GREY = 1 / 255  # one grey level

# The MAT paper's own: two steps at 2/255, one word, all weights. The rest is marked as ours.
MAT = {"eps": 2 * GREY, "steps": 2, "words": 1}
MAVA = {"eps": 2 * GREY, "steps": 10, "step_size": GREY, "count": 3, "texts": 5}
MAVA |= {"cms": 0.002, "vsse": 0.4, "sca": 0.6}
TRADED = (SGD, {"momentum": 0.9, "weight_decay": 1e-4})
ROBUST_VLM = {"eps": 4 * GREY, "steps": 10, "step_size": GREY}  # FARE's code, of which others come

# AdvXL's README for the steps; CLIPA's configs/model_h and optim/build_optax.py for the rest.
CLIPA = (ADAMW, {"betas": (0.9, 0.95), "weight_decay": 0.2})

# file -> model, what of it trains, the defence's settings, lr, batch, updates, warm-up, optimizer.
# None where nothing is published.
PUBLISHED = {
    "mat_clip_flickr30k": (B16, "all", MAT, None, None, None, None, None),
    "mat_clip_coco": (B16, "all", MAT, None, None, None, None, None),
    "mat_albef_flickr30k": (None, "all", MAT, None, None, None, None, None),
    "mat_blip_coco_captions": (None, "all", MAT | {"words": 0}, None, None, None, None, None),
    "mat_plus_clip_flickr30k": (B16, "all", MAT, None, None, None, None, None),
    "tecoa_itr_clip_flickr30k": (B16, "all", {"eps": 2 * GREY}, None, None, None, None, None),
    "align_rsicd": ("kakaobrain/align-base", "all", MAT, None, None, None, None, None),
    # MAVA, appendix A.1: its own figures and those it gives its peer. 10 epochs of 5,000 images.
    "mava_clip_flickr30k": (B16, "vision", MAVA, 1e-4, 3 * 45, 370, 0, TRADED),
    "mava_albef_flickr30k": (None, "vision", MAVA, 1e-3, 3 * 5, 3_333, 0, TRADED),
    "fare_clip_flickr30k": (
        B16,
        "vision",
        {"eps": 2 * GREY, "steps": 10, "step_size": GREY},
        1e-3,
        3 * 45,
        370,
        0,
        TRADED,
    ),
    "fare_imagenet": (
        L14,
        "vision",
        ROBUST_VLM,
        1e-5,
        128,
        20_000,
        1_400,
        (ADAMW, {"weight_decay": 1e-4}),
    ),
    "sim_clip_imagenet": (
        L14,
        "vision",
        ROBUST_VLM,
        1e-3,
        64,
        10_000,
        1_400,
        (ADAMW, {"weight_decay": 1e-5}),
    ),
    "qt_aft_imagenet": (
        None,
        "vision and scale",
        ROBUST_VLM | {"weight": 10.0},
        1e-5,
        128,
        2 * 1_281_167 // 128,
        1_000,
        (ADAMW, {"betas": (0.9, 0.95), "weight_decay": 1e-4}),
    ),
    "tecoa_imagenet": (
        B32,
        "vision",
        {"eps": GREY, "steps": 2, "step_size": GREY},
        1e-5,
        256,
        10 * 1_281_167 // 256 + 1,
        1_000,
        (SGD, {"momentum": 0.9}),
    ),
    "pmg_aft_tinyimagenet": (
        B32,
        "vision",
        {"eps": GREY, "steps": 2, "step_size": GREY, "original_weight": 1.0}
        | {"clean_weight": 1.0},
        5e-5,
        256,
        10 * 100_000 // 256,
        1_000,
        (SGD, {"momentum": 0.9}),
    ),
    "tga_zsr_tinyimagenet": (
        B32,
        "vision",
        {"eps": GREY, "steps": 2, "step_size": GREY, "refinement": 0.08, "constraint": 0.05},
        1e-4,
        128,
        10 * 100_000 // 128,
        1_000,
        (SGD, {"momentum": 0.9}),
    ),
    "mmcoa_cifar100": (
        B32,
        "all",
        {"eps": GREY, "steps": 10, "step_size": GREY, "words": 1, "candidates": 10}
        | {"image_weight": 0.5, "text_weight": 0.5, "targets": "pairs"},
        1e-6,
        256,
        30 * 50_000 // 256,
        0,
        (ADAM, {"betas": (0.9, 0.98), "eps": 1e-6, "weight_decay": 0.2}),
    ),
    "leaf_datacomp": (
        "chs20/fare2-clip",
        "text",
        {"positions": 50},
        1e-5,
        128,
        30 * 80_000 // 128,
        1_400,
        (ADAMW, {"weight_decay": 1e-4}),
    ),
    "delta_clip_h14_84": (
        None,
        "all",
        {"steps": 2},
        8e-6 * 65_536 / 256,
        65_536,
        5_120_000_000 // 65_536,
        3_200,
        CLIPA,
    ),
    "delta_clip_h14_224": (
        None,
        "all",
        {"steps": 3},
        4e-7 * 32_768 / 256,
        32_768,
        4 * 131_072_000 // 32_768,
        26_214_400 // 32_768,
        CLIPA,
    ),
    "delta_clip_h14_336": (
        None,
        "all",
        {"steps": 3},
        1e-7 * 16_384 / 256,
        16_384,
        131_072_000 // 16_384,
        26_214_400 // 16_384,
        CLIPA,
    ),
}
NO_BIAS_DECAYS = ("leaf_datacomp", *(name for name in PUBLISHED if name.startswith("delta_clip")))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A miniature of all data the files ask for, in the formats as published."""
    return published_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Tiny models in the layouts in which the real ones are published."""
    return published_models(tmp_path_factory.mktemp("models"))


def settings_for(file, root, files):
    """What makes a file small: its own data and models in miniature, two steps."""
    kinds = {"albef": "ALBEF.pth", "blip": "blip", "align": "align"}
    model = next((kinds[kind] for kind in kinds if kind in file.stem), "clip")
    small = {"root": root, "model": files / model, "mlm": files / "bert", "steps": 2}
    small |= {"batch_size": 4, "image_size": 16}
    small |= {"width": 32, "text_width": 32, "embed": 16}
    small |= {f"{tower}{name}": 1 for tower in ("", "text_") for name in ("layers", "heads")}
    small |= {"tokenizer": files / "vocabulary"} if model == "ALBEF.pth" else {}
    function = experiments.load(file)
    known = experiments.parameters(function)
    settings = [f"{name}={value}" for name, value in small.items() if name in known]
    return function, experiments.bind(function, settings)


def published(index):
    """(file, the column of the table) where something is published."""
    return [
        pytest.param(file, PUBLISHED[file.stem][index], id=file.stem)
        for file in FILES
        if PUBLISHED[file.stem][index] is not None
    ]


def test_the_table_has_every_file():
    assert PUBLISHED.keys() == {file.stem for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_defaults_are_those_published(file, root):
    name, _, defense, lr, batch_size, steps, warmup, _ = PUBLISHED[file.stem]
    function = experiments.load(file)
    found = function(root=str(root))
    ours = getattr(found.defense, "mat", found.defense)  # MAT+ has a MAT inside
    assert {key: getattr(ours, key) for key in defense} == pytest.approx(defense)
    parts = {"model": name, "lr": lr, "warmup": warmup}
    defaults = {key: value for key, (_, value) in experiments.parameters(function).items()}
    for key, value in parts.items():
        assert value is None or defaults.get(key, 0) == value, key
    assert batch_size in (None, found.batch_size) and steps in (None, found.steps)
    if lr is not None:  # the schedule that is logged begins, peaks and ends as published
        assert some(found.schedule)(warmup) == pytest.approx(lr)
        flat = "warmup" not in defaults
        assert some(found.schedule)(steps) == pytest.approx(lr if flat else 0, abs=1e-12)
        assert some(found.schedule)(some(warmup) // 2) == pytest.approx(lr if flat else lr / 2)


@pytest.mark.parametrize(("file", "theirs"), published(7))
def test_the_optimizer_is_torchs(file, theirs, root):
    """Three updates of a matrix and a bias, the same as those of the optimizer the paper used."""
    function = experiments.load(file)
    known = experiments.parameters(function)
    found = function(root=str(root), lr=0.1, **({"warmup": 0} if "warmup" in known else {}))
    rng = np.random.default_rng(0)
    weights = {
        "a.kernel": rng.normal(size=(2, 3)).astype(np.float32),
        "a.bias": rng.normal(size=3).astype(np.float32),
    }
    kind, options = theirs
    tensors = {name: torch.tensor(value, requires_grad=True) for name, value in weights.items()}
    if file.stem in NO_BIAS_DECAYS:  # its code: biases and gains do not decay
        plain = {"params": [tensors["a.bias"]], "weight_decay": 0.0}
        peer = kind([{"params": [tensors["a.kernel"]]}, plain], lr=0.1, **options)
    else:
        peer = kind(list(tensors.values()), lr=0.1, **options)
    ours, memory = jax.tree.map(jnp.asarray, weights), found.optimizer.init(weights)
    for step in range(3):
        gradient = {
            name: rng.normal(size=x.shape).astype(np.float32) for name, x in weights.items()
        }
        for name, tensor in tensors.items():
            tensor.grad = torch.from_numpy(gradient[name])
        for group in peer.param_groups:
            group["lr"] = float(some(found.schedule)(step))
        peer.step()
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            updates, memory = found.optimizer.update(gradient, memory, ours)
        ours = jax.tree.map(jnp.add, ours, updates)
    for name, tensor in tensors.items():
        np.testing.assert_allclose(ours[name], tensor.detach().numpy(), rtol=1e-5, atol=1e-6)


def read(given):
    """A source, or what a function of no arguments returns."""
    return given() if callable(given) else given


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_data_is_read(file, root, files):
    function, settings = settings_for(file, root, files)
    found = function(**settings)
    source = read(found.data)
    assert isinstance(source, data.Source) and len(source) == COUNT
    assert source[0].image.shape[2] == 3
    last = source[COUNT - 1].captions
    assert isinstance(source, HasCaptions) and last == source.captions(COUNT - 1)
    if hasattr(source, "label"):
        labels = [source.label(i) for i in range(COUNT)]
        assert sorted(labels) == [0, 0, 1, 1, 2, 2]
    if hasattr(found.defense, "prompts"):
        assert found.defense.prompts.texts == (
            "This is a photo of a dog",
            "This is a photo of a horse",
            "This is a photo of a sports car",
        )
        assert source.captions(0) == (found.defense.prompts.texts[source.label(0)],)
    if file.stem == "mat_blip_coco_captions":
        assert all(text.startswith("a picture of A ") for text in source.captions(3))
    if found.evaluation is not None:
        assert len(read(found.evaluation.data)) == COUNT and "sga" in some(found.evaluation.attacks)


def test_mat_plus_reads_a_manifest_of_partners(root, files, tmp_path):
    """As `python -m mat_jax.augment` writes it: retrieval JSON with more keys."""
    row = {"image": "0.jpg", "image_id": 7, "caption": ["A dog runs ."]}
    row |= {"partner_captions": ["A dog is running ."], "partner_images": []}
    (tmp_path / "manifest.json").write_text(json.dumps([row]))
    Image.new("RGB", (8, 8)).save(tmp_path / "0.jpg")
    function, settings = settings_for(FOLDER / "mat_plus_clip_flickr30k.py", root, files)
    source = read(function(**settings | {"partners": str(tmp_path)}).data)
    assert len(source) == 1 and source.captions(0)[0] == "A dog runs ."


def moved(start, end):
    """The parts of a model of which a weight has changed."""
    paths = jax.tree_util.tree_leaves_with_path(start)
    leaves = zip(paths, jax.tree.leaves(end), strict=True)
    return {path[0].name for (path, old), new in leaves if not np.array_equal(old, new)}


# The same experiment as on Flickr30k, with COCO's two files; both forms are read in other tests.
TWINS = ("mat_clip_coco",)


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(file, marks=pytest.mark.slow if file.stem in TWINS else (), id=file.stem)
        for file in FILES
    ],
)
def test_two_steps(file, root, files, tmp_path):
    function, settings = settings_for(file, root, files)
    experiment = dataclasses.replace(function(**settings), evaluation=None, log_every=1)
    mat_jax.fit(experiment, tmp_path / "run", mesh=1, settings=settings, quiet=True)
    lines = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    assert len(lines) == 2 and all(np.isfinite(json.loads(line)["loss"]) for line in lines)
    end, _ = models.load(tmp_path / "run/export")
    parts = moved(experiment.model.build(0)[0], end)
    trained = PUBLISHED[file.stem][1]
    if trained == "all":
        assert {"vision", "decoder" if "blip" in file.stem else "text"} <= parts
    else:
        tower = trained.split()[0]
        scale = {"logit_scale"} if "scale" in trained else set()
        assert scale <= parts and parts - scale <= {tower, f"{tower}_proj"} and tower in parts


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_docstring_says_what_one_needs(file):
    text = experiments.load(file).__globals__["__doc__"]
    assert f"python -m mat_jax.train --config experiments/papers/{file.name}" in text
    assert "\nPaper: " in text and "\nData: " in text and "Not run by us at full size." in text
    assert f"`{file.name}`" in (FOLDER.parent / "README.md").read_text()


def test_figures_of_released_programs_are_measured_with_them():
    """A file that prints figures under Co-Attack and SGA measures with preset "official"."""
    printed = [
        path
        for path in FILES
        if re.search(r"Co-Attack and SGA at 2/255\)[^\n]*\n?.*\d+\.\d / \d+\.\d", path.read_text())
    ]
    assert {path.stem for path in printed} == {
        "fare_clip_flickr30k",
        "mava_albef_flickr30k",
        "mava_clip_flickr30k",
    }
    for path in printed:
        text = path.read_text()
        assert 'preset="official",' in text
        assert 'so `preset="official"` measures with' in text.split('"""')[1]
