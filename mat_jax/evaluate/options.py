"""The options of an evaluation's command line."""

import argparse
from typing import get_args

from mat_jax.attacks import ATTACKS
from mat_jax.attacks.ensembles import ENSEMBLES
from mat_jax.evaluate.config import ANSWERS
from mat_jax.evaluate.plugins import PLUGIN
from mat_jax.evaluate.tasks.registry import TASKS
from mat_jax.models.ensemble import Joint
from mat_jax.utils import processes
from mat_jax.utils.command_line import Parser

PROG = "python -m mat_jax.evaluate"


def command_line(prog: str = PROG, said: str | None = None) -> Parser:
    """Every option, under this name of the command, of which so much is said."""
    parser = Parser(
        prog=prog,
        description=said,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--model",
        required=True,
        help="folder in Hugging Face layout, shipped name or hub id; or several: a,b",
    )
    add(
        "--surrogate",
        help="craft the attacks on this model, on each of several (a,b) or on an ensemble (a+b), "
        "and measure on --model",
    )
    add(
        "--joint",
        default="cosines",
        choices=get_args(Joint),
        help="what an ensemble's attacks climb the mean of",
    )
    add("--task", choices=tuple(TASKS), default="retrieval")
    add("--attacks", help=f"comma-separated, of {', '.join(ATTACKS)}; default: the usual ones")
    add("--plugin", action="append", metavar="FILE", help=PLUGIN)
    add("--classes", help="zero-shot: a JSON list of the names of the classes")
    add("--templates", help="zero-shot: a prompt with {} for the name, or a JSON list of them")
    add(
        "--suite",
        help=f"then attack what still stands: {', '.join(ENSEMBLES)}, or none; default: quick "
        "where words are attacked",
    )
    add("--eps", default="2/255", help="radius, or several: 2/255,4/255 (2/255)")
    add("--norm", default="linf", choices=("linf", "l2"))
    add("--steps", type=int, default=10, help="steps of the image attacks (10)")
    add("--step-size", help="of the image attacks; default: each attack's own")
    add("--words", type=int, default=1, help="words of a caption that may change (1)")
    add("--candidates", type=int, default=10, help="substitutes tried for a word")
    add(
        "--mlm", help="masked language model: folder, shipped name, hub id; for scenes: scenes-bert"
    )
    add("--constraint", default="none", choices=("none", "truthful", "similar"))
    add("--similarity", type=float, default=0.8, help="least cosine, for --constraint similar")
    add("--encoder", help="text model that judges similarity: folder, shipped name, hub id")
    add("--preset", default="strict", choices=("strict", "official"))
    add("--data", default="scenes", help="scenes, or a file or folder of the task's forms")
    add("--images", help="image root of the file")
    add("--split", help="of data with splits; default: test, of RefCOCO val")
    add(
        "--captions",
        help="entailment: a file of captions of the pictures, or scenes; only sentences that "
        "follow are attacked, in sets with captions (MAVA)",
    )
    add("--texts", type=int, help="of a set with --captions, the sentence among them; default: 5")
    add("--detections", help="grounding: a detector's boxes, as ALBEF's dets.json")
    add("--limit", type=int, help="only the first so many images")
    add("--shortlist", type=int, default=128, help="how many ALBEF, TCL and BLIP put in order")
    add("--beams", type=int, default=3, help="captioning: width of the search; 1 is greedy")
    add(
        "--answers",
        default="rank",
        choices=ANSWERS,
        help="vqa: rank a list, or let the model write its answer (beam 3, at most 10 ids)",
    )
    add("--prompt", default="", help="captioning: what captions start with: 'a picture of'")
    add("--meteor", help="captioning: the folder of meteor-1.5.jar")
    add("--spice", help="captioning: the folder of spice-1.0.jar")
    add("--dtype", choices=("float32", "bfloat16"), help="what models compute in")
    add("--batch-size", type=int, help="images attacked at once; default: 32")
    add("--seed", type=int, default=0)
    add("--checks", type=int, default=16, help="images that are checked first; 0 for none")
    add(
        "--stop-beyond",
        type=int,
        help="fast mode: leave images whose queries all have so many clean others before them",
    )
    add(
        "--forecast",
        type=int,
        nargs="?",
        const=0,
        metavar="N",
        help="only say what it would cost here, for N examples or those of the data",
    )
    add("--hosts", metavar="N|auto", help=processes.HOSTS)
    add("--coordinator", metavar="HOST:PORT", help=processes.COORDINATOR)
    add("--process", type=int, metavar="I", help=processes.PROCESS)
    add("--out", required=True, help="folder for results.json, ranks.npz and index.html")
    return parser
