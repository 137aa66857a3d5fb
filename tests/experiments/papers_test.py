"""Every file of `experiments/papers` runs two steps on its formats, and sets what is published.

`PUBLISHED` is copied from the fact sheets and the papers' code, not from our files.
"""

import dataclasses
import io
import json
import re
import tarfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
import torch
from PIL import Image

import mat_jax
from mat_jax import data, models
from mat_jax.train import experiment as experiments
from mat_jax.types.sources import HasCaptions
from tests.python2 import dumps
from tests.tools.narrow import some

FOLDER = Path(__file__).resolve().parents[2] / "experiments/papers"
FILES = sorted(FOLDER.glob("*.py"))
KINDS = ("dog", "man", "girl", "horse", "car", "boy")
VERBS = ("runs", "stands", "jumps", "sits", "waits")
PLACES = ("beach", "street", "field", "river")
CLASSES = {"n01": "dog, domestic dog", "n02": "horse", "n03": "sports_car"}
COUNT = 6  # images of a set

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


def captions(rng, count=5):
    return [
        f"A {rng.choice(KINDS)} {rng.choice(VERBS)} near the {rng.choice(PLACES)} ."
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A miniature of all data the files ask for, in the formats as published."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)

    def picture(path, form="JPEG"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (24, 32, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(root / path, form)

    def write(name, contents):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(json.dumps(contents))

    for name, folder, place in (
        ("flickr30k", "flickr30k", "flickr30k-images/{}.jpg"),
        ("coco", "coco", "val2014/COCO_val2014_{:012}.jpg"),
    ):
        paths = [place.format(i) for i in range(COUNT)]
        for path in paths:
            picture(f"{folder}/{path}")
        texts = [captions(rng) for _ in paths]
        write(
            f"{name}_train.json",
            [
                {"image": path, "caption": text, "image_id": i}
                for i, path in enumerate(paths)
                for text in texts[i]
            ],
        )
        rows = zip(paths, texts, strict=True)
        write(f"{name}_test.json", [{"image": path, "caption": own} for path, own in rows])
    train = json.loads((root / "coco_train.json").read_text())
    write(
        "coco_karpathy_train.json",
        [{**row, "image_id": Path(row["image"]).stem} for row in train],  # BLIP's own form
    )
    written = {}
    for number, folder in enumerate(CLASSES):
        for i in range(2):
            picture(f"imagenet/train/{folder}/{folder}_{i}.JPEG")
            picture(f"tiny-imagenet-200/train/{folder}/images/{folder}_{i}.JPEG")
            written[f"{folder}/{folder}_{i}.JPEG"] = captions(rng, 1)[0]
        boxes = root / f"tiny-imagenet-200/train/{folder}/{folder}_boxes.txt"
        boxes.write_text(f"{folder}_0.JPEG\t0\t0\t{number}\t9\n")
    write("imagenet_captions.json", written)
    lines = [f"{folder}\t{name}" for folder, name in CLASSES.items()]
    (root / "tiny-imagenet-200/words.txt").write_text("\n".join([*lines, "n09\tentity"]))
    lines = [f"{folder} {name}" for folder, name in CLASSES.items()]
    (root / "imagenet/LOC_synset_mapping.txt").write_text("\n".join(lines))
    cifar = root / "cifar-100-python"
    cifar.mkdir()
    rows = rng.integers(0, 256, (COUNT, 3072)).astype(np.uint8)
    labels = [0, 1, 2, 0, 1, 2]
    (cifar / "train").write_bytes(dumps({"data": rows, "fine_labels": labels}))
    (cifar / "meta").write_bytes(dumps({"fine_label_names": ["dog", "horse", "sports_car"]}))
    (root / "datacomp/shards").mkdir(parents=True)
    with tarfile.open(root / "datacomp/shards/00000000.tar", "w") as archive:
        for i, text in enumerate(captions(rng, COUNT)):
            for suffix, content in ((".jpg", b"\xff\xd8"), (".txt", text.encode())):
                member = tarfile.TarInfo(f"{i:08}{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    (root / "recap-datacomp/shards").mkdir(parents=True)
    with tarfile.open(root / "recap-datacomp/shards/00000000.tar", "w") as archive:
        for i, text in enumerate(captions(rng, COUNT)):
            pixels, jpeg = rng.integers(0, 255, (24, 32, 3)).astype(np.uint8), io.BytesIO()
            Image.fromarray(pixels).save(jpeg, "JPEG")
            for suffix, content in ((".jpg", jpeg.getvalue()), (".txt", text.encode())):
                member = tarfile.TarInfo(f"{i:08}{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    models.Tokenizer.train_clip(captions(rng, 200), 600, 20).save(root / "clip")
    (root / "words").write_text("\n".join([*KINDS, *VERBS, *PLACES, "a", "the", "near"]))
    images = []
    for i in range(2 * COUNT):
        picture(f"rsicd/RSICD_images/airport_{i}.tif", "TIFF")
        sentences = [{"raw": text, "tokens": text.split()} for text in captions(rng)]
        split = "train" if i < COUNT else "test"
        images.append({"filename": f"airport_{i}.tif", "split": split, "sentences": sentences})
    write("rsicd/dataset_rsicd.json", {"images": images, "dataset": "rsicd"})
    return root


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Tiny models in the layouts in which the real ones are published."""
    folder = tmp_path_factory.mktemp("models")
    texts = captions(np.random.default_rng(1), 200) + ["this is a photo of a sports picture"]
    clip, bert = (
        models.Tokenizer.train_clip(texts, 600, 20),
        models.Tokenizer.train_bert(texts, 300, 20),
    )
    vision = models.ViTConfig(width=32, layers=1, heads=1)
    text = models.BertConfig(width=32, layers=1, heads=1)
    sizes = {"image_size": 16, "patch_size": 8, "vision": vision}
    fresh = {
        "clip": (models.CLIPConfig(**sizes, text=text, embed=16), clip),
        "bert": (text, bert),
        "albef": (
            models.ALBEFConfig(
                **sizes, text=dataclasses.replace(text, layers=2), first_fusion=1, embed=16
            ),
            bert,
        ),
        "blip": (
            models.BLIPConfig(
                **sizes, text=dataclasses.replace(text, segments=0), task="captioning"
            ),
            bert,
        ),
        "align": (
            models.ALIGNConfig(
                image_size=32,
                vision=models.EfficientNetConfig(
                    width_coefficient=1.0,
                    depth_coefficient=1.0,
                    in_channels=(8, 8),
                    out_channels=(8, 16),
                    kernel_sizes=(3, 3),
                    strides=(1, 2),
                    num_block_repeats=(1, 1),
                    expand_ratios=(1, 2),
                ),
                text=text,
            ),
            bert,
        ),
    }
    for name, (config, tokenizer) in fresh.items():
        models.save(*models.Fresh(config, tokenizer).build(0), folder / name)
    tensors = safetensors.numpy.load_file(folder / "albef/model.safetensors")
    tensors = {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}
    torch.save({"model": tensors}, folder / "ALBEF.pth")
    bert.save(folder / "vocabulary")
    return folder


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
