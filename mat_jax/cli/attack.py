"""`mat-jax attack PICTURE CAPTION ...`: make a model wrong on pictures of one's own."""

import json
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mat_jax import models
from mat_jax.attacks import ATTACKS
from mat_jax.cli.attack_page import draw_attack
from mat_jax.cli.crafting import Outcome, bench_of, cost_of, crafted
from mat_jax.cli.given import pictures_given
from mat_jax.cli.help_text import Grouped
from mat_jax.data import RetrievalJson
from mat_jax.evaluate.config import Evaluation
from mat_jax.evaluate.invariants import Broken
from mat_jax.evaluate.plugins import PLUGIN, with_plugins
from mat_jax.evaluate.protocol import require_attacks
from mat_jax.evaluate.results import eps_text
from mat_jax.evaluate.tasks.registry import task_named
from mat_jax.utils.command_line import answered, number
from mat_jax.utils.files import writable, write_text, writing
from mat_jax.utils.progress import duration
from mat_jax.utils.room import room_for

MODEL = "scenes-clip"
BERT = "google-bert/bert-base-uncased"
SAID = (
    "Writes adversarial pictures and captions, and a page that shows them, into DIR. Pictures "
    "are fitted as the model fits them, and are PNGs of 8 bits within eps."
)


def parser() -> Grouped:
    """Every option that there is."""
    line = Grouped(
        "mat-jax attack",
        'mat-jax attack PHOTO "CAPTION" ...   or   mat-jax attack FOLDER [FILE]',
        SAID,
        'mat-jax attack photo.jpg "a dog on the beach" --model openai/clip-vit-base-patch32',
    )
    add = line.add_argument_group("what is attacked").add_argument
    add("pictures", metavar="PHOTO or FOLDER", help="a picture, a folder of them, or: scenes")
    add(
        "captions",
        metavar="CAPTION or FILE",
        nargs="*",
        help="its captions, or the folder's file of them",
    )
    add("--model", default=MODEL, help=f"shipped name, hub id or folder ({MODEL})")
    add("--among", metavar="TEXT", nargs="+", action="extend", default=[],
        help="more captions to be told apart")  # fmt: skip
    add("--limit", metavar="N", type=int, help="only the first pictures of a folder")
    add = line.add_argument_group("what the adversary may do").add_argument
    add("--attack", metavar="NAME", default="sga", help="mat-jax attacks lists them (sga)")
    add("--plugin", metavar="FILE", action="append", help=PLUGIN)
    add("--eps", default="4/255", help="radius of the change of a picture (4/255)")
    add("--norm", default="linf", choices=("linf", "l2"), help="of the radius (linf)")
    add("--steps", metavar="N", type=int, default=10, help="of the attack on the picture (10)")
    add("--words", metavar="N", type=int, default=1, help="of a caption that may change (1)")
    add("--mlm", metavar="NAME", help="language model that proposes words")
    add = line.add_argument_group("how").add_argument
    add("--dtype", choices=("float32", "bfloat16"), help="what the model computes in")
    add("--batch-size", metavar="N", type=int, help="pictures attacked at once (32)")
    add("--seed", metavar="N", type=int, default=0, help="of random starts (0)")
    add("--out", metavar="DIR", default="attacked", help="where to write (attacked)")
    return line


def run(arguments: Sequence[str], /) -> int:
    """Attack; the files say what came out."""
    return answered(
        lambda: _attacked(parser().parse_intermixed_args(with_plugins(arguments))),
        stopped="the same command starts again",
        failures=(Broken,),
    )


def _attacked(given: Namespace) -> str:
    start = time.perf_counter()
    require_attacks([given.attack], task_named("retrieval"))
    eps = number("--eps", given.eps)
    out = writable(Path(given.out))
    source = pictures_given(
        Path(given.pictures), given.captions, drawn=out / "scenes", limit=given.limit
    )
    evaluation = Evaluation(
        data=source,
        attacks=(given.attack,),
        eps=eps,
        norm=given.norm,
        steps=given.steps,
        words=given.words,
        mlm=given.mlm or ("scenes-bert" if "scenes" in str(given.model) else BERT),
        batch_size=given.batch_size,
        seed=given.seed,
        shown=len(source),
    )
    model, tokenizer = models.load(given.model, dtype=given.dtype)
    quiet = not sys.stderr.isatty()
    size = min(given.batch_size or 32, len(source))
    advice = [f"--batch-size {size // 2}"] * (size > 1)
    advice += ["--dtype bfloat16"] * (given.dtype != "bfloat16")
    with room_for(f"the attack {given.attack}", *advice, "fewer captions of a picture"):
        bench = bench_of(evaluation, model, tokenizer, quiet=quiet)
        print(cost_of(bench, given.attack), file=sys.stderr)
        outcome = crafted(bench, given.attack, given.among)
    threat = f"{ATTACKS[given.attack].title} at {given.norm} {eps_text(eps)}, {given.steps} steps"
    cautions = _cautions(given, source, outcome, eps)
    names = _names(source.paths)
    _write(out, names, outcome)
    facts = {
        "model": str(given.model),
        "attack": given.attack,
        "norm": given.norm,
        "eps": eps,
        "steps": given.steps,
        "words": given.words,
        "mlm": evaluation.mlm if ATTACKS[given.attack].on_text else None,
        "seed": given.seed,
        "cautions": cautions,
        "pictures": [_told(outcome, n, name) for n, name in enumerate(names)],
    }
    write_text(out / "attack.json", json.dumps(facts, indent=1) + "\n")
    page = draw_attack(outcome, names, model=str(given.model), threat=threat, cautions=cautions)
    write_text(out / "index.html", page)
    notes = [f"note: {caution}" for caution in cautions]
    took = duration(time.perf_counter() - start)
    files = f"took {took}; {out / 'index.html'} shows it, {out} has {2 * len(names)} pictures"
    return "\n".join([threat, *summary(outcome, names), *notes, files])


def summary(outcome: Outcome, names: Sequence[str], most: int = 10) -> list[str]:
    """Lines for the terminal: of each picture its cosine, its rank and its first caption."""
    lines = []
    old, new = outcome.of_own(outcome.cosines_before), outcome.of_own(outcome.cosines_after)
    for n, name in enumerate(names[:most]):
        line = f"{name}: cosine {old[n]:.3f} -> {new[n]:.3f}"
        if outcome.told_apart:
            ranks = (outcome.rank(c, n) for c in (outcome.cosines_before, outcome.cosines_after))
            line += ", its caption at place {} -> {} of {}".format(*ranks, len(outcome.before))
        lines.append(line)
        first = outcome.own(n)[0]
        lines.append(f"  {outcome.before[first]} -> {outcome.after[first]}")
    if len(names) > most:
        lines.append(f"... and {len(names) - most} more, in attack.json")
    return lines


def _told(outcome: Outcome, n: int, name: str) -> dict[str, object]:
    """The figures of one picture, for the file."""
    own = outcome.own(n)
    found: dict[str, object] = {
        "name": name,
        "captions": [outcome.before[t] for t in own],
        "adversarial_captions": [outcome.after[t] for t in own],
        "cosines": [round(float(outcome.cosines_before[n, t]), 6) for t in own],
        "adversarial_cosines": [round(float(outcome.cosines_after[n, t]), 6) for t in own],
    }
    if outcome.told_apart:
        found["rank"] = outcome.rank(outcome.cosines_before, n)
        found["adversarial_rank"] = outcome.rank(outcome.cosines_after, n)
    return found


def _cautions(given: Namespace, source: RetrievalJson, outcome: Outcome, eps: float) -> list[str]:
    """Sentences that a reader of the outcome must know."""
    found = []
    of = ATTACKS[given.attack]
    side = outcome.clean.shape[1]
    larger = [p for p in source.paths if "scenes" in str(given.model) and _is_larger(p, side)]
    if larger:
        found.append(
            f"{given.model} has seen drawn scenes of {side} pixels alone, and {larger[0].name} is "
            "larger: for photographs give --model openai/clip-vit-base-patch32, or your own."
        )
    if of.on_images and given.norm == "linf" and eps * 255 < 1:
        found.append(
            f"eps {eps:.4g} is less than a grey level, so that no change is left in a file of 8 "
            "bits: give 1/255 or more."
        )
    if of.on_text and outcome.before == outcome.after:
        found.append("No word was changed: the language model proposes none that does harm.")
    return found


def _is_larger(path: Path, side: int) -> bool:
    with Image.open(path) as image:
        return max(image.size) > side


def _names(paths: Sequence[Path]) -> list[str]:
    """What the pictures are called in the folder: by their file, numbered where two are alike."""
    stems = [path.stem for path in paths]
    if len(set(stems)) == len(stems):
        return stems
    return [f"{number:05d}-{stem}" for number, stem in enumerate(stems)]


def _write(out: Path, names: Sequence[str], outcome: Outcome) -> None:
    """The pictures, and the captions as a file that evaluate and train read."""
    rows = []
    for n, name in enumerate(names):
        file = f"{name}-adversarial.png"
        for what, pixels in (("clean", outcome.clean[n]), ("adversarial", outcome.adversarial[n])):
            with writing(out / f"{name}-{what}.png") as opened:
                Image.fromarray(np.asarray(pixels)).save(opened, "PNG")
        rows.append({"image": file, "caption": [outcome.after[t] for t in outcome.own(n)]})
    write_text(out / "adversarial.json", json.dumps(rows, indent=1) + "\n")
