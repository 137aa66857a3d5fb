r"""Make one-to-many partners of images and captions, for MAT+ (Waseda et al., arXiv:2405.18770).

python -m mat_jax.augment --data scenes --how i2t_human --count 4 --out DIR
python -m mat_jax.augment --data scenes --how t_i2i --strength 0.7 --shift 0.5 --out DIR
python -m mat_jax.augment --data train.json --images flickr30k-images --how eda \
    --model google-bert/bert-base-uncased --out DIR

Writes DIR/manifest.json, the retrieval JSON of the field with two more keys, "partner_captions" and
"partner_images"; DIR/augment.json, how it was made; and the pictures. Paths start from DIR. Stopped
and started again, it goes on where it was, to the same files.

Ways:
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from mat_jax.augment.maker import make
from mat_jax.augment.methods import WAYS
from mat_jax.augment.recipe import Recipe
from mat_jax.augment.shift import STYLES
from mat_jax.utils.command_line import Parser, answered

PROG = "python -m mat_jax.augment"


def main(arguments: Sequence[str] | None = None, *, prog: str = PROG) -> int:
    """The command line. Returns the exit status; a mistake is one sentence and status 2."""

    def augmented() -> str:
        given = vars(command_line(prog).parse_args(arguments))
        out = Path(given.pop("out"))
        manifest = make(Recipe(**{k: v for k, v in given.items() if v is not None}), out)
        captions = sum(len(entry.partner_captions) for entry in manifest.entries)
        images = sum(len(entry.partner_images) for entry in manifest.entries)
        there = [f"{captions:,} captions"] * bool(captions or not images)
        there += [f"{images:,} pictures"] * bool(images)
        return f"{out}: {' and '.join(there)} beside {len(manifest):,} images"

    return answered(augmented, stopped="the same command goes on")


def command_line(prog: str = PROG) -> Parser:
    """Every option, under this name of the command."""
    ways = "\n".join(
        f"  {name:10} {way.title:12} {'pictures' if way.pictures else 'captions'} from "
        f"{'captions' if way.pictures is way.crossed else 'pictures'}; "
        f"{', '.join('--' + knob.replace('_', '-') for knob in way.knobs)}"
        for name, way in WAYS.items()
    )
    parser = Parser(
        prog=prog,
        description=f"{__doc__}{ways}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # Defaults are the recipe's; what is not given is None and stays out of it.
    usual = {field.name: field.default for field in fields(Recipe)}
    add = parser.add_argument
    add("--data", help="scenes, or a retrieval JSON file")
    add("--images", help="image root of the JSON file")
    add(
        "--split",
        choices=("train", "val", "test"),
        help="of scenes (default: train) or Karpathy's file",
    )
    add("--limit", type=int, help="only the first so many images")
    add("--how", choices=tuple(WAYS), help=f"default: {usual['how']}")
    add("--count", type=int, help=f"partners of an image; default: {usual['count']}")
    add("--originals", type=int, help="captions that stay originals; default: all, i2t_human: 1")
    add("--seed", type=int)
    add("--misaligned", type=float, help="share of partners that are another image's")
    add("--wrong", type=float, help="share of a scene's facts that are mistaken")
    add("--shift", type=float, help="from 0 to 1: into another style, or other words")
    add("--style", choices=tuple(STYLES), help="of shifted pictures")
    add("--alpha", type=float, help=f"EDA's share of words; default: {usual['alpha']}")
    add("--ops", type=int, help=f"RandAugment's operations; default: {usual['ops']}")
    add("--magnitude", type=float, help=f"and their magnitude; default: {usual['magnitude']}")
    add("--size", type=int, help="pixels along a side of RandAugment's pictures")
    add("--strength", type=float, help=f"of T-I2I, 0 to 1; default: {usual['strength']}")
    add("--decode", choices=("nucleus", "beam", "greedy"), help="of a captioner")
    add("--top-p", type=float, help=f"of nucleus decoding; default: {usual['top_p']}")
    add("--prompt", help="how captions begin, or the instruction to a language model")
    add("--model", help="masked language model, language model, captioner or diffusion model")
    add("--file", help="synonyms, rewrites or pictures that are there already")
    add("--batch-size", type=int, help="images made and written at once")
    add("--out", required=True, help="folder for manifest.json and the pictures")
    return parser


if __name__ == "__main__":
    sys.exit(main())
