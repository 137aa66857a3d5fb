"""A record of numbers, kept so that a change of the house can be shown to change none of them.

python tests/record/record.py write    # measure, and write record.json beside this file
python tests/record/record.py check    # measure again, and compare bit for bit

It holds the losses of 20 steps of every defence on `scenes`, and of every attack the pictures (as a
digest), the words and the ranks on 20 scenes, for `scenes-clip` and `scenes-albef`. Floats depend
on the processor and on the packages, so the record says on what it was made.
"""

import hashlib
import json
import platform
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

import mat_jax
from mat_jax import attacks, data, defenses, models
from mat_jax.evaluate import Evaluation, Victim
from mat_jax.evaluate.gallery import Bench
from mat_jax.evaluate.tasks.retrieval import Pairs, Retrieval

FILE = Path(__file__).with_name("record.json")
IMAGES, STEPS, BATCH = 20, 20, 8
THREAT = attacks.ThreatModel(eps=4 / 255, steps=3, words=1)


def machine() -> dict[str, str]:
    """What decides the last bits of a float."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.split(":")[1] for line in info.read_text().splitlines() if "model name" in line
        ]
        cpu = names[0].strip() if names else cpu
    return {"cpu": cpu, "jax": jax.__version__, "numpy": np.__version__}


def digest(*arrays: Any) -> str:
    """Of the bytes of arrays."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]


def every_attack(name: str, image_size: int) -> dict[str, Any]:
    """Every attack of the suite on 20 scenes, in batches of 8."""
    model, tokenizer = models.load(name)
    corpus = data.Corpus.prepare(
        data.load_scenes("test", limit=IMAGES), tokenizer, image_size=image_size
    )
    corpus = corpus.with_words(data.Substitutes(mlm="scenes-bert").build(corpus, tokenizer))
    victim = Victim(model, tokenizer, Pairs(corpus))
    evaluation = Evaluation(data=corpus.source, batch_size=BATCH, shortlist=16, shown=2)
    bench = Bench(
        evaluation=evaluation, task=Retrieval(), crafter=victim, targets=(victim,), quiet=True
    )
    found = {}
    for attack, of in attacks.ATTACKS.items():
        if "retrieval" not in of.tasks or of.fuses and not hasattr(model, "match_logits"):
            continue
        ((row, points),) = bench.measure(attack, THREAT)
        found[attack] = {
            "pictures": digest(*(points.pictures[i] for i in sorted(points.pictures))),
            "features": digest(points.images.unit, points.rounded.unit, points.texts.unit),
            "captions": digest(*(text.encode() for text in map(str, points.captions))),
            "tr": row.ranks["tr"].tolist(),
            "ir": row.ranks["ir"].tolist(),
        }
        print(f"{name} {attack}", file=sys.stderr, flush=True)
    return found


def every_defense() -> dict[str, Callable[[], Any]]:
    """Each defence as the studies use it, at small sizes."""
    eps = 6 / 255
    kinds = data.Kinds(data.load_scenes("train", limit=200))
    prompts = defenses.Prompts(kinds.prompts)
    fare = defenses.FARE(eps=eps, steps=2)
    leaf = defenses.LEAF(positions=4)
    mat = defenses.MAT(eps=eps, steps=2, words=1)
    return {
        "fine_tune": defenses.FineTune,
        "tecoa": lambda: defenses.TeCoA(prompts, eps=eps, steps=2),
        "tecoa_itr": lambda: defenses.TeCoAITR(eps=eps, steps=2),
        "pmg_aft": lambda: defenses.PMGAFT(prompts, eps=eps, steps=2),
        "tga_zsr": lambda: defenses.TGAZSR(prompts, eps=eps, steps=2),
        "qt_aft": lambda: defenses.QTAFT(eps=eps, steps=2),
        "fare": lambda: fare,
        "sim_clip": lambda: defenses.SimCLIP(eps=eps, steps=2),
        "mmcoa": lambda: defenses.MMCoA(prompts, eps=eps, steps=2, words=1),
        "mava": lambda: defenses.MAVA(eps=eps, steps=2, texts=2),
        "leaf": lambda: leaf,
        "fare_leaf": lambda: defenses.FARELEAF(fare, leaf),
        "mat": lambda: mat,
        "mat_replays": lambda: defenses.MAT(eps=eps, steps=1, words=1, replays=3),
        "mat_plus": lambda: defenses.MATPlus(mat, use="positives", texts=2),
        "masked_words": lambda: defenses.MaskedWords.of(models.load("scenes-bert")[1]),
    }


def losses(name: str, defense: Any, model: str) -> list[str]:
    """The loss of each of 20 steps, as hexadecimal floats, and a digest of the trained weights."""
    labelled = hasattr(defense, "prompts")
    source = data.load_scenes("train", limit=200)
    experiment = mat_jax.Experiment(
        model=models.Pretrained(model),
        data=data.Kinds(source) if labelled else source,
        defense=defense,
        substitutes=data.Typos(positions=4) if "leaf" in name else data.Substitutes(),
        optimizer=optax.adamw(1e-4),
        steps=STEPS,
        batch_size=BATCH,
        log_every=1,
    )
    with tempfile.TemporaryDirectory() as folder:
        trained = mat_jax.fit(experiment, folder, mesh=1, quiet=True)
        lines = (Path(folder) / "metrics.jsonl").read_text().splitlines()
    weights = digest(*(np.asarray(leaf) for leaf in jax.tree.leaves(trained)))
    return [*(float(json.loads(line)["loss"]).hex() for line in lines), weights]


def measure(only: str = "") -> dict[str, Any]:
    """The whole record, or the parts whose name holds `only`."""
    found: dict[str, Any] = {"machine": machine(), "attacks": {}, "losses": {}}
    for name, size in (("scenes-clip", 64), ("scenes-albef", 64)):
        if only in f"attacks {name}":
            found["attacks"][name] = every_attack(name, size)
    for name, make in every_defense().items():
        if only not in f"losses {name}":
            continue
        model = "scenes-bert" if name == "masked_words" else "scenes-clip"
        found["losses"][name] = losses(name, make(), model)
        print(f"losses {name}", file=sys.stderr, flush=True)
    if only in "losses mat albef":
        mat = defenses.MAT(eps=6 / 255, steps=2, words=1)
        found["losses"]["mat albef"] = losses("mat", mat, "scenes-albef")
    return found


def differences(before: Any, now: Any, where: str = "") -> list[str]:
    """Every place at which two records differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        return [
            one
            for name in {**before, **now}
            for one in differences(before.get(name), now.get(name), f"{where}/{name}")
        ]
    return [] if before == now else [f"{where}: {str(before)[:80]} is now {str(now)[:80]}"]


def text_of(record: dict[str, Any]) -> str:
    """The record as JSON with each list on one line."""
    text = json.dumps(record, indent=1)
    lists = re.compile(r"\[\s+([^\[\]]*?)\s+\]")
    return lists.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


if __name__ == "__main__":
    act, only = (*sys.argv[1:], "", "")[:2]
    record = measure(only)
    if act == "write":
        FILE.write_text(text_of(record))
    elif act == "part":
        print(json.dumps(record, indent=1))
    else:
        differ = differences(json.loads(FILE.read_text()), record)
        print("\n".join(differ) or "every number is the one of the record, bit for bit")
        sys.exit(bool(differ))
