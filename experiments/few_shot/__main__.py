"""MMCoA's study: train on one set, by few images of each class or by all, and measure on many.

python -m experiments.few_shot --model openai/clip-vit-base-patch32 --train cifar100=FOLDER \\
    --test cifar100=FOLDER,cifar10,dtd,eurosat --shots 1,4,16,full --out DIR
python -m experiments.few_shot --miniature --out DIR

Attacks are on images, on class prompts, on both apart, and on both together. `DIR/table.md` has the
table in distribution, on each other set, and the mean over those; the charts beside it show
accuracy over shots. What is finished is not done again: the same command goes on after a stop, and
with more seeds. `cifar100` alone comes from TensorFlow Datasets, `cifar100=FOLDER` from files. The
miniature trains `scenes-clip` on the kinds of scenes, and measures colours and grounds too.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from experiments.few_shot import tables
from experiments.few_shot.sets import short
from experiments.few_shot.study import ATTACKS, Study, carry_out
from experiments.few_shot.train import Defense
from mat_jax import data
from mat_jax.utils.command_line import Parser, answered
from mat_jax.utils.files import writable, write_text

SHORT = ("targets=classes", "eps=2/255", "pgd_steps=2", "lr=1e-4", "weight_decay=0")
MINIATURE = {
    "model": "scenes-clip",
    "mlm": "scenes-bert",
    "train": "scenes",
    "test": "scenes,scenes:colour,scenes:ground",
    "eps": "2/255",
    "steps": 10,
    "limit": 200,
    "shots": "1,16,full",
    "set": [*SHORT, "batch_size=64", "steps=60"],
}


def parser() -> Parser:
    """The command line."""
    line = Parser(
        prog="python -m experiments.few_shot",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = line.add_argument
    add("--miniature", action="store_true", help="on scenes, in minutes; other options still count")
    add("--model", default="openai/clip-vit-base-patch32", help="where all trainings start from")
    add("--mlm", default="google-bert/bert-base-uncased", help="proposes the words of prompts")
    add("--train", default="cifar100", help="the set that is trained on, NAME or NAME=FOLDER")
    add(
        "--test",
        default="mmcoa",
        help=f"sets that are measured, by comma, or a list: {', '.join(data.SET_LISTS)}",
    )
    add("--shots", default="1,2,4,8,16,full", help="images of each class")
    add("--defenses", default="tecoa,fare,mmcoa", help=f"of {', '.join(get_args(Defense))}")
    add("--seeds", type=int, default=1, help="trainings of each")
    add("--eps", default="1/255", help="of the measurement")
    add("--steps", type=int, default=100, help="of its image attacks")
    add("--limit", type=int, help="images measured of each set")
    add("--set", nargs="+", default=[], metavar="NAME=VALUE", help="of a training")
    add("--out", type=Path, default=Path("runs/few_shot"), help="the folder of all that is written")
    return line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; a mistake is one sentence and status 2."""
    return answered(lambda: _run(arguments), stopped="the same command goes on")


def _run(arguments: Sequence[str] | None) -> str:
    line = parser()
    if line.parse_args(arguments).miniature:
        line.set_defaults(**MINIATURE)
    study = _study(line.parse_args(arguments))
    writable(study.out)
    carry_out(study)
    write_text(study.out / "table.md", tables.page(study))
    for attack in ("none", *ATTACKS) if len(study.shots) > 1 else ():
        write_text(study.out / f"shots-{attack}.svg", tables.chart(study, attack))
    return f"{(study.out / 'table.md').read_text()}\ntable: {study.out / 'table.md'}"


def _study(given: argparse.Namespace) -> Study:
    """What is asked, looked through before anything starts.

    Raises:
        ValueError: a set, a defence or a number of shots that there is not.
    """
    tests = _tests(given.train, given.test)
    for name in [given.train, *tests]:
        if short(name).partition(":")[0] not in ("scenes", *data.PUBLISHED_SETS):
            raise ValueError(
                f"no set {name!r}: choose from scenes, {', '.join(data.PUBLISHED_SETS)}"
            )
    for name in _list(given.defenses):
        if name not in get_args(Defense):
            raise ValueError(f"no defence {name!r}: choose from {', '.join(get_args(Defense))}")
    if given.seeds < 1:
        raise ValueError(f"--seeds is {given.seeds}: give at least 1")
    return Study(
        model=given.model,
        mlm=given.mlm,
        train=given.train,
        test=tests,
        shots=[_shots(text) for text in _list(given.shots)],
        defenses=_list(given.defenses),
        seeds=given.seeds,
        eps=given.eps,
        steps=given.steps,
        limit=given.limit,
        settings=given.set,
        out=given.out,
    )


def _tests(train: str, asked: str) -> list[str]:
    """The sets asked for; of a list, those that TensorFlow Datasets has, the trained one first."""
    if asked not in data.SET_LISTS:
        return _list(asked)
    there = [name for name in data.SET_LISTS[asked] if data.PUBLISHED_SETS[name].tfds is not None]
    return [train, *(name for name in there if name != short(train))]


def _shots(text: str) -> int:
    if text == "full":
        return 0
    if not text.isdigit() or text == "0":
        raise ValueError(f"--shots {text!r}: give numbers from 1 on, and full for all images")
    return int(text)


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


if __name__ == "__main__":
    sys.exit(main())
