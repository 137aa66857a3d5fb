"""What the pages say that a command writes or prints, looked for after it has run."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from experiments.study.plan import RESULTS
from experiments.tables import TABLES
from mat_jax.attacks import ATTACKS
from mat_jax.defenses.registry import DEFENSES
from mat_jax.evaluate.tasks.registry import task_named
from tests.docs.blocks import DOCS, ROOT
from tests.docs.shortening import asks

SIZES = {"base": "B/16", "large": "L/14", "H": "H/14"}  # of the plans, as models are named


def kept(name: str, arguments: Sequence[str], said: str) -> None:
    """Look, in the folder in which the command ran, for all that the pages promise of it."""
    look = {
        "evaluate": _measured,
        "train": _trained,
        "attack": _attacked,
        "augment": _augmented,
        "evaluate.captions": _scored,
        "models.convert": _converted,
        "models.soup": _mixed,
        "report": _reported,
        "data": _counted,
        "attacks": _listed,
        "defenses": _listed,
        "experiments.staged": _staged,
        "experiments.staged.study": _compared,
        "experiments.study": _studied,
        "experiments.few_shot": _few,
        "experiments.tables": _tables,
        "experiments.tables.across": _across,
    }
    look[name](list(arguments), said)


def files(folder: str | Path, *names: str) -> None:
    """A folder has these files, and something in them."""
    for name in names:
        found = Path(folder) / name
        assert found.is_dir() or found.stat().st_size > 0, found


def _measured(arguments: list[str], said: str) -> None:
    """Guide: index.html, results.json and the rank of every query; a forecast starts nothing."""
    out = Path(asks(arguments, "--out") or "")
    if "--forecast" in arguments:
        assert not out.exists()
        assert f"forecast for {asks(arguments, '--forecast')} examples" in said, said
        return
    files(out, "index.html", "results.json", "ranks.npz")
    found = json.loads((out / "results.json").read_text())
    assert found["task"] == (asks(arguments, "--task") or "retrieval")
    radii = (asks(arguments, "--eps") or "2/255").split(",")
    names = (asks(arguments, "--attacks") or "").split(",")
    models = (asks(arguments, "--model") or "").split(",")
    crafted = (asks(arguments, "--surrogate") or "x").split(",")
    assert len(found["models"]) == len(models) * len(crafted)
    for model in found["models"]:
        rows = [row["attack"] for row in model["rows"]]
        assert {"none", *names} - {""} <= set(rows)
        own = {ATTACKS[row].on_images: row for row in rows if row in ATTACKS and row != "none"}
        if True in own:
            told = [row for row in model["rows"] if row["attack"] == own[True]]
            assert len(told) == len(radii), "a row for each eps"
        for row in model["rows"]:
            for asked in ("eps", "steps", "norm"):  # each number stands with its protocol
                of = ATTACKS.get(row["attack"])
                known = "proposals" if of and of.searches and asked == "steps" else asked
                assert not (of and of.on_images) or known in row["protocol"], row["attack"]
        suite = asks(arguments, "--suite")
        if suite not in (None, "none") and len(crafted) == 1:
            assert rows[-1] == "worst_case", "the number to quote is the last row"
    kinds = task_named(found["task"]).kinds
    with np.load(out / "ranks.npz") as ranks:
        assert any(kind in key for key in ranks.files for kind in kinds), ranks.files
    html = (out / "index.html").read_text()
    assert "http://" not in html.replace("http://www.w3.org", ""), "asks for nothing else"


def _trained(arguments: list[str], said: str) -> None:
    """Guide: what a run leaves in its folder. A plan runs nothing. Help names the settings."""
    config = Path(asks(arguments, "--config") or "experiments/quickstart.py")
    if "--help" in arguments:
        assert "--set" in said and "lr" in said and "eps" in said
        return
    workdir = Path(asks(arguments, "--workdir") or f"runs/{config.stem}")
    if "--plan" in arguments:
        assert not (workdir / "metrics.jsonl").exists()
        for head in ("work", "memory", "collectives", "a step"):
            assert re.search(rf"(?m)^{head}\b", said), said
        _planned(arguments, said)
        return
    names = ["metrics.jsonl", "curves.html", "settings.json", "experiment.py", "checkpoints"]
    files(workdir, *names, "export/config.json", "export/model.safetensors")
    if "evaluation=Evaluation(" in config.read_text():
        files(workdir, "report/index.html", "report/results.json")
    for name, value in json.loads((workdir / "settings.json").read_text()).items():
        asked = next((one for one in arguments if one.startswith(f"{name}=")), f"{name}={value}")
        assert asked.startswith(f"{name}="), asked
    if "--profile" in arguments:
        traces = [*workdir.rglob("*.xplane.pb"), *workdir.rglob("*.trace.json.gz")]
        assert len(traces) >= 2, "for xprof and Perfetto"


def _planned(arguments: list[str], said: str) -> None:
    """Plans: each row is what its command said; another XLA may allot a little more or less."""
    model = next((one.partition("=")[2] for one in arguments if one.startswith("model=")), None)
    if model is None:
        return
    size = next(size for word, size in SIZES.items() if f"-{word}-" in model)
    row = re.search(rf"(?m)^\| ViT-{size} \| 8 H100 \|.*$", (DOCS / "plans.md").read_text())
    assert row is not None and asks(arguments, "--topology") == "h100:8"
    work = re.search(r"work +([\d.,]+) TFLOP a step: attack .*?\((\d+) %\)", said)
    memory = re.search(r"memory +([\d.]+) GB", said)
    told = re.search(r"\| ([\d,]+) TFLOP \| (\d+) % \| ([\d.]+) of ", row[0])
    assert work is not None and memory is not None and told is not None, said
    counted, written = (float(one[1].replace(",", "")) for one in (work, told))
    assert abs(counted - written) <= 0.51 and work[2] == told[2], row[0]
    assert abs(float(memory[1]) / float(told[3]) - 1) < 0.1, row[0]


def _attacked(arguments: list[str], said: str) -> None:
    """Guide: each picture before and after, still within eps, captions, figures and the page."""
    out = Path(asks(arguments, "--out") or "attacked")
    files(out, "adversarial.json", "attack.json", "index.html")
    before, after = sorted(out.rglob("*-clean.png")), sorted(out.rglob("*-adversarial.png"))
    assert before and len(before) == len(after)
    share = (asks(arguments, "--eps") or "4/255").partition("/")
    for one, other in zip(before, after, strict=True):
        pixels = [np.asarray(Image.open(file)).astype(int) for file in (one, other)]
        assert np.abs(pixels[1] - pixels[0]).max() <= float(share[0]) + 1e-6
    rows = json.loads((out / "adversarial.json").read_text())
    assert all(row["caption"] for row in rows) and "cosine" in said


def _augmented(arguments: list[str], said: str) -> None:
    """Guide: the manifest has both kinds of partners; augment.json says how it was made."""
    out = Path(asks(arguments, "--out") or "")
    rows = json.loads((out / "manifest.json").read_text())
    assert all({"image", "caption", "partner_captions", "partner_images"} <= set(r) for r in rows)
    how = json.loads((out / "augment.json").read_text())
    assert str(asks(arguments, "--how")) in json.dumps(how)
    count = int(asks(arguments, "--count") or 0)
    assert not count or all(len(row["partner_captions"]) == count for row in rows)


def _scored(arguments: list[str], said: str) -> None:
    """Guide: it prints BLEU-1 to 4, ROUGE-L and CIDEr-D; here of captions of people."""
    found = dict(re.findall(r"(?m)^(\S+) +(\d\.\d+|\d+\.\d+)$", said))
    assert {*(f"BLEU-{n}" for n in (1, 2, 3, 4)), "ROUGE-L", "CIDEr-D"} == set(found), said
    assert float(found["BLEU-1"]) > 0.999


def _converted(arguments: list[str], said: str) -> None:
    import transformers

    from mat_jax import models

    folder = arguments[1]
    assert isinstance(transformers.CLIPModel.from_pretrained(folder), transformers.CLIPModel)
    assert models.load(folder) and said.startswith(f"{folder}: CLIP of")


def _mixed(arguments: list[str], said: str) -> None:
    """The mean of their weights."""
    from safetensors.numpy import load_file

    one, other, mean = (
        load_file(f"{folder}/model.safetensors")
        for folder in (*arguments[:2], asks(arguments, "--out"))
    )
    for name, tensor in mean.items():
        np.testing.assert_allclose(tensor, (one[name] + other[name]) / 2, atol=1e-6)


def _reported(arguments: list[str], said: str) -> None:
    files(".", asks(arguments, "--out") or "")
    assert "side by side" in said


def _counted(arguments: list[str], said: str) -> None:
    """Guide: which form it has, and how much is in it."""
    assert re.search(r"\d+ pictures?, \d+ captions?", said), said
    if "--page" in arguments:
        files(".", asks(arguments, "--page") or "")


def _listed(arguments: list[str], said: str) -> None:
    task = asks(arguments, "--task")
    if task is not None:
        allowed = task_named(task)
        assert {n for n in ATTACKS if allowed.allows(n)} <= set(said.split())
    for name in (one for one in arguments if one in DEFENSES):
        assert name in said and DEFENSES[name].source.split(",")[0] in " ".join(said.split())


def _staged(arguments: list[str], said: str) -> None:
    """Experiments: DIR/N-NAME has stage N, and the last is the model of all."""
    out = Path(asks(arguments, "--out") or "")
    stages = [arguments[i + 1] for i, one in enumerate(arguments) if one == "--stage"]
    for number, config in enumerate(stages, 1):
        files(out / f"{number}-{Path(config).stem}", "export/model.safetensors")
    assert f"{len(stages)}-{Path(stages[-1]).stem}" in said


def _compared(arguments: list[str], said: str) -> None:
    drawn = (Path(asks(arguments, "--results") or "") / "README.md").read_text()
    assert drawn in said
    if "--redraw" in arguments:
        assert drawn == (ROOT / "experiments/staged/results/README.md").read_text()


def _studied(arguments: list[str], said: str) -> None:
    """Guide: the runs, which are done, what the rest takes; a small JSON file of each."""
    if "--list" in arguments:
        assert re.search(r"\d+ runs: \d+ done, \d+ to do, about ", said)
    elif "--redraw" in arguments:
        drawn = Path(asks(arguments, "--results") or "")
        for file in (RESULTS / "README.md", *sorted((RESULTS / "figures").glob("*.svg"))):
            assert (drawn / file.relative_to(RESULTS)).read_text() == file.read_text(), file.name
    else:
        (file,) = Path(asks(arguments, "--results") or "").glob("*/*-0.json")
        assert json.loads(file.read_text())["attacks"]["none"]


def _few(arguments: list[str], said: str) -> None:
    out = Path(asks(arguments, "--out") or "")
    files(out, "table.md", "shots-none.svg")
    assert "In distribution" in said


def _tables(arguments: list[str], said: str) -> None:
    for name, table in TABLES.items():
        assert re.search(rf"(?m)^{name} +{re.escape(table.title)}$", said), name


def _across(arguments: list[str], said: str) -> None:
    for folder in arguments:
        found = json.loads((Path(folder) / "results.json").read_text())
        assert found["task"] in said.splitlines()[0].split()
