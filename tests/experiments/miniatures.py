"""What the papers' experiments ask for, in miniature: data and models in their published forms."""

import dataclasses
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import safetensors.numpy
import torch
from PIL import Image

from mat_jax import models
from tests.python2 import dumps

KINDS = ("dog", "man", "girl", "horse", "car", "boy")
VERBS = ("runs", "stands", "jumps", "sits", "waits")
PLACES = ("beach", "street", "field", "river")
CLASSES = {"n01": "dog, domestic dog", "n02": "horse", "n03": "sports_car"}
COUNT = 6  # images of a set


def captions(rng: np.random.Generator, count: int = 5) -> list[str]:
    """Sentences of a kind, a verb and a place each."""
    return [
        f"A {rng.choice(KINDS)} {rng.choice(VERBS)} near the {rng.choice(PLACES)} ."
        for _ in range(count)
    ]


def published_data(root: Path) -> Path:
    """A miniature of all data the files ask for, in the formats as published."""
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


def published_models(folder: Path) -> Path:
    """Tiny models in the layouts in which the real ones are published."""
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
