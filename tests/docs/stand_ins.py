"""What the pages name and no machine of ours has, in miniature: a folder with the files by name.

Data are those of `photographs.py`. Models have one layer and random weights.
"""

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path

import safetensors.numpy
import torch

from experiments.study.plan import RESULTS
from mat_jax import models
from mat_jax.evaluate import compare
from tests.docs.blocks import ROOT
from tests.docs.photographs import asked, captioned, classified, told
from tests.experiments.miniatures import published_data, published_models
from tests.experiments.tables_test import results_of
from tests.made_up import made_up
from tests.models.layouts_test import as_openai, reference, save_torchscript

# A name of the pages -> the kind of miniature that stands under it.
NAMES = {
    "openai/clip-vit-base-patch16": "clip",
    "openai/clip-vit-base-patch32": "clip",
    "clip-vit-base-patch16": "clip",
    "google-bert/bert-base-uncased": "bert",
    "bert-base-uncased": "vocabulary",
    "folder-with-its-vocabulary": "vocabulary-of-clip",
    "Salesforce/blip-vqa-base": "blip-answering",
    "Salesforce/blip-image-captioning-base": "blip",
    "BLIP": "blip-retrieval",
    "TCL_VE": "judge",
    **dict.fromkeys(("TECOA_ITR", "TECOA", "FARE", "MAVA", "MAT", "MAT_PLUS"), "clip"),
    **dict.fromkeys(("ALBEF", "TCL", "TCL_TECOA", "TCL_FARE", "TCL_MAVA"), "albef"),
    **dict.fromkeys(("BLIP_TECOA", "BLIP_FARE", "BLIP_MAVA"), "blip-retrieval"),
    "runs/quickstart/export": "clip",
    "runs/a/export": "clip",
    "runs/b/export": "clip",
    "runs/pretrain_flickr8k_clip/export": "clip",
    "runs/pretrain_flickr8k_mlm/export": "bert",
}
# What DIR is where a model is asked for; BLIP_MAVA is a captioner where captions are written.
OF_TASK = {
    "retrieval": {"DIR": "clip"},
    "zero_shot": {"DIR": "clip"},
    "entailment": {"DIR": "judge"},
    "captioning": {"BLIP_MAVA": "blip"},
}


def prepared(root: Path) -> Path:
    """A folder in which the commands of the pages find what they name."""
    for name in ("experiments", "tests", "benchmarks"):
        (root / name).symlink_to(ROOT / name)
    published_data(root / "data")
    published_models(root / "models")
    captioned(root)
    classified(root)
    told(root)
    asked(root)
    _models(root)
    _results(root)
    return root


def own(machine: Path, folder: Path, kinds: Mapping[str, str]) -> None:
    """The same things in a folder of one command, and these models: what it writes stays there."""
    for one in machine.iterdir():
        if one.name not in kinds:
            (folder / one.name).symlink_to(one)
    (folder / "runs").unlink()
    shutil.copytree(machine / "runs", folder / "runs", symlinks=True)
    for name, kind in kinds.items():
        (folder / name).symlink_to(machine / "models" / kind)


def _models(root: Path) -> None:
    """Heads that the papers' miniatures lack, a checkpoint of OpenAI's, and two trained runs."""
    folder = root / "models"
    _, tokenizer = models.load(folder / "clip")
    albef, words = models.load(folder / "albef")
    blip, _ = models.load(folder / "blip")
    entailment = dataclasses.replace(albef.config, task="entailment")
    models.save(*models.Fresh(entailment, words).build(0), folder / "judge")
    for task in ("retrieval", "answering"):
        config = dataclasses.replace(blip.config, task=task)
        models.save(*models.Fresh(config, words).build(0), folder / f"blip-{task}")
    tensors = safetensors.numpy.load_file(folder / "judge/model.safetensors")
    torch.save(
        {"model": {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}},
        root / "ve.pth",
    )
    (root / "ALBEF.pth").symlink_to(folder / "ALBEF.pth")
    for file in (folder / "vocabulary").iterdir():  # beside checkpoints, as `load` looks for it
        shutil.copy(file, root)
    tokenizer.save(folder / "vocabulary-of-clip")
    openai = reference(tokenizer, half=True).state_dict()
    save_torchscript(as_openai(openai), root / "ViT-B-16.pt")
    for name, kind in NAMES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(folder / kind)


def _results(root: Path) -> None:
    """What evaluations wrote, and what the study found."""
    shutil.copytree(RESULTS, root / "kept")
    shutil.copytree(ROOT / "experiments/staged/results", root / "drawn")
    for name, strength in (("mat", 0.7), ("tecoa", 0.3)):
        compare({name: made_up(name, strength)}, root / f"runs/{name}/report")
    for folder in ("captioning", "grounding", "entailment", "vqa"):
        found = {("none", None): {"answer": 60.0}, ("sga", 2 / 255): {"answer": 40.0}}
        (root / "models/across").mkdir(exist_ok=True)
        results_of(root / "models/across" / folder, folder, "a model", "a surrogate", found)
    for name in ("one", "two"):
        compare({"scenes-clip": made_up("scenes-clip", 0.5)}, root / name)
