"""Data that the pages name, in miniature and in their published forms: eight pictures of noise."""

import json
import pickle
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from mat_jax import data
from tests.experiments.miniatures import captions
from tests.python2 import dumps

COUNT = 8  # pictures of a set, which eight devices divide
QUESTIONS = ("Is it a dog?", "Where does a man sit?", "How many horses are there?")
ANSWERS = ("yes", "beach", "2")
# AutoAttack's targeted loss asks for four classes or more.
CLASSES = {"n01": "dog", "n02": "horse", "n03": "sports car", "n04": "boy", "n05": "field"}
PETS = ("Abyssinian", "beagle", "Birman", "pug", "Sphynx")


def _pictures(root: Path, names: Iterable[str]) -> None:
    rng = np.random.default_rng(0)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8)).save(root / name)


def _write(file: Path, contents: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(contents))


def _sentences(rng: np.random.Generator) -> list[str]:
    """Five captions, none twice."""
    return list(dict.fromkeys(captions(rng, 20)))[:5]


def captioned(root: Path) -> None:
    """Photographs with captions: one, a folder of them, and three sets as published."""
    rng = np.random.default_rng(1)
    _pictures(root, ["photo.jpg", "holiday/1.jpg"])
    holiday = [{"image": "1.jpg", "caption": ["a dog near the beach", "a man runs"]}]
    Image.fromarray(data.load_scenes("test", limit=4)[3].image).save(root / "scene.png")
    _write(root / "captions.json", holiday)
    _write(root / "holiday/captions.json", holiday)
    numbers = [str(100 + i) for i in range(COUNT)]
    _pictures(root, [f"flickr30k-images/{number}.jpg" for number in numbers])
    rows = [{"image": f"{n}.jpg", "caption": _sentences(rng)} for n in numbers]
    for name in ("test.json", "train.json", "flickr30k_test.json", "flickr30k_train.json"):
        _write(root / name, rows)
    images = [
        {
            "filename": row["image"],
            "split": "test",
            "sentences": [{"raw": text, "tokens": text.split()} for text in row["caption"]],
        }
        for row in rows
    ]
    _write(root / "dataset_flickr30k.json", {"dataset": "flickr30k", "images": images})
    coco = [f"val2014/COCO_val2014_{i:012}.jpg" for i in range(COUNT)]
    _pictures(root, [f"{folder}{name}" for folder in ("coco/", "data/coco/", "") for name in coco])
    rows = [{"image": name, "caption": _sentences(rng)} for name in coco]
    _write(root / "coco_karpathy_test.json", rows)
    told = [
        {"image_id": i, "id": 5 * i + n, "caption": text}
        for i, row in enumerate(rows)
        for n, text in enumerate(row["caption"])
    ]
    _write(root / "captions_val2014.json", {"images": [], "annotations": told})
    _write(root / "results.json", [told[5 * i] | {"id": i} for i in range(COUNT)])
    _pictures(root, [f"data/flickr8k/{number}.jpg" for number in numbers])
    for split in ("train", "test"):  # of mat_flickr8k.py
        shutil.copy(root / "flickr30k_test.json", root / f"data/flickr8k/flickr8k_{split}.json")


def classified(root: Path) -> None:
    """ImageNet's folders with names and prompts, CIFAR's files, a set of TFDS as folders."""
    rng = np.random.default_rng(2)
    _pictures(
        root,
        [
            f"imagenet/{s}/{c}/{c}_{i}.png"
            for s in ("train", "val")
            for c in CLASSES
            for i in range(2)
        ],
    )
    _pictures(root, [f"pets/{c}/{i}.png" for c in PETS for i in range(2)])
    (root / "LOC_synset_mapping.txt").write_text(
        "\n".join(f"{folder} {name}" for folder, name in CLASSES.items())
    )
    _write(root / "imagenet_names.json", list(CLASSES.values()))
    _write(root / "imagenet_templates.json", ["a photo of a {}.", "a {c} near the river."])
    names = [name.replace(" ", "_") for name in CLASSES.values()]
    for name, kind, facts in (
        ("cifar-10-batches-py", "labels", "label_names"),
        ("cifar-100-python", "fine_labels", "fine_label_names"),
    ):
        folder = root / name
        folder.mkdir()
        rows = rng.integers(0, 256, (COUNT, 3072)).astype(np.uint8)
        batch = dumps({"data": rows, kind: [0, 1, 2, 3, 4, 0, 1, 2]})
        ten = name.startswith("cifar-10-")
        parts = [f"data_batch_{n}" for n in range(1, 6)] + ["test_batch"]
        for part in parts if ten else ("train", "test"):
            (folder / part).write_bytes(batch)
        (folder / ("batches.meta" if ten else "meta")).write_bytes(dumps({facts: names}))


def told(root: Path) -> None:
    """Sentences that follow or not, and phrases with boxes."""
    rows = json.loads((root / "flickr30k_test.json").read_text())
    verdicts = ("entailment", "neutral", "contradiction")
    lines = [
        {
            "Flickr30K_ID": row["image"].removesuffix(".jpg"),
            "sentence1": row["caption"][0],
            "sentence2": row["caption"][1],
            "gold_label": verdicts[i % 3],
        }
        for i, row in enumerate(rows)
    ]
    for split in ("dev", "test"):
        (root / f"snli_ve_{split}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    shutil.copytree(
        root / "flickr30k-images", root / "data/flickr30k/flickr30k-images", dirs_exist_ok=True
    )
    boxes = [[0.0, 0.0, 10.0, 10.0], [16.0, 0.0, 10.0, 20.0]]
    phrases = [
        {
            "image": row["image"],
            "text": "the dog" if n else "a man",
            "bbox": box,
            "width": 32,
            "height": 24,
            "ref_id": 2 * i + n,
        }
        for i, row in enumerate(rows)
        for n, box in enumerate(boxes)
    ]
    _write(root / "phrases.json", phrases)
    _refcoco(root, boxes)
    _entities(root)


def _refcoco(root: Path, boxes: list[list[float]]) -> None:
    """RefCOCO's folder; its pictures are COCO's."""
    names = [f"COCO_train2014_{i:012}.jpg" for i in range(COUNT)]
    _pictures(root, [f"{folder}/{name}" for folder in ("data/coco", "images") for name in names])
    told = {
        "images": [
            {"id": i, "file_name": n, "width": 32, "height": 24} for i, n in enumerate(names)
        ],
        "annotations": [
            {"id": 2 * i + n, "image_id": i, "bbox": box}
            for i in range(COUNT)
            for n, box in enumerate(boxes)
        ],
    }
    refs = [
        {
            "split": split,
            "ann_id": 2 * i + n,
            "image_id": i,
            "sentences": [{"sent": text, "raw": text, "sent_id": i}],
        }
        for split in ("val", "testA")
        for i in range(COUNT)
        for n, text in enumerate(("the dog", "a man"))
    ]
    _write(root / "refcoco+/instances.json", told)
    (root / "refcoco+/refs(unc).p").write_bytes(pickle.dumps(refs, protocol=2))
    _write(root / "dets.json", {name.removesuffix(".jpg"): boxes for name in names})


def _entities(root: Path) -> None:
    """A picture of Flickr30k Entities."""
    folder = root / "flickr30k_entities"
    for name in ("Sentences", "Annotations"):
        (folder / name).mkdir(parents=True)
    (folder / "Sentences/100.txt").write_text("[/EN#1/people A man] runs .\n")
    box = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>20</xmax><ymax>20</ymax></bndbox>"
    (folder / "Annotations/100.xml").write_text(
        "<annotation><filename>100.jpg</filename><size><width>32</width><height>24</height>"
        f"<depth>3</depth></size><object><name>1</name>{box}</object></annotation>"
    )
    (folder / "test.txt").write_text("100\n")


def asked(root: Path) -> None:
    """VQA's two files as published, aerial pictures, shards, and parquet files."""
    asked = [
        {"image_id": i, "question": QUESTIONS[i % 3], "question_id": 1000 * i} for i in range(COUNT)
    ]
    given = [
        {
            "question_id": 1000 * i,
            "image_id": i,
            "question_type": "",
            "answer_type": "other",
            "multiple_choice_answer": ANSWERS[i % 3],
            "answers": [
                {"answer": ANSWERS[i % 3], "answer_confidence": "yes", "answer_id": n}
                for n in range(1, 11)
            ],
        }
        for i in range(COUNT)
    ]
    head = {"info": {}, "task_type": "Open-Ended", "data_type": "mscoco", "license": {}}
    head["data_subtype"] = "val2014"
    _write(root / "v2_OpenEnded_mscoco_val2014_questions.json", head | {"questions": asked})
    _write(root / "v2_mscoco_val2014_annotations.json", head | {"annotations": given})
    shutil.copytree(root / "data/rsicd", root / "RSICD_optimal")
    listed = root / "RSICD_optimal/txtclasses_rsicd"
    listed.mkdir()
    names = sorted(file.name for file in (root / "RSICD_optimal/RSICD_images").iterdir())
    (listed / "airport.txt").write_text("\n".join(names))
    (root / "cc3m").mkdir()
    for number in range(332):
        shard = root / "data/recap-datacomp/shards/00000000.tar"
        (root / f"cc3m/{number:05}.tar").symlink_to(shard)
    rows = json.loads((root / "flickr30k_test.json").read_text())
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = [
        {"bytes": (root / "flickr30k-images" / row["image"]).read_bytes(), "path": row["image"]}
        for row in rows
    ]
    (root / "flickr30k/data").mkdir(parents=True)
    table = pa.table({"image": pa.array(cells, kind), "caption": [r["caption"] for r in rows]})
    facts = {"info": {"features": {"image": {"_type": "Image"}}}}
    table = table.replace_schema_metadata({"huggingface": json.dumps(facts)})
    pq.write_table(table, root / "flickr30k/data/test-00000-of-00001.parquet")
