"""SGA and Co-Attack of mat_jax against the programs their authors released, on the same weights.

python benchmarks/released.py --sga DIR --co-attack DIR --size small --images 8 --repeats 5

DIR are clones of github.com/Zoky-2020/SGA and github.com/adversarial-for-goodness/Co-Attack. First
both are given the same random draws and must find the same. Then they take turns.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # mat_jax, installed or not

import clock  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
import work  # noqa: E402
from contests import PASSES, SGA, CoAttack, Step, Texts  # noqa: E402
from given import Given  # noqa: E402

WORKS = {"SGA": SGA, "Co-Attack": CoAttack, "text attack": Texts, "image step": Step}


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Everything: agreement, then times, one piece of work after the other."""
    figures: dict[str, Any] = {"settings": vars(args), "machine": clock.machine(), "rows": []}
    with tempfile.TemporaryDirectory() as folder:
        given = Given(
            args.size, args.images, args.corpus, Path(args.sga), Path(args.co_attack),
            Path(folder, "clip"), attention=args.attention,
        )  # fmt: skip
    per_image = given.table_seconds / len(given.corpus)
    figures["table"] = {"images": len(given.corpus), "seconds_an_image": per_image}
    for name in args.works:
        contest = WORKS[name](given)
        row = {"work": name, "images": args.images, "agreement": contest.agree()}
        print(f"{name}:", json.dumps(_short(row["agreement"])), flush=True)
        # To agree, all have run: they are warm.
        row["seconds"] = clock.take_turns(contest.programs(), args.repeats, warm=True)
        figures["rows"].append(row)
    figures["machine"]["load_after"] = os.getloadavg()
    return figures


def table(figures: dict[str, Any]) -> str:
    """The figures as Markdown. Ratios above 1: faster than the released program."""
    cost = figures["table"]["seconds_an_image"]
    lines = [
        f"Candidates of {figures['table']['images']} images: {cost:.4f} s an image, once.",
        "",
        "| work | program | median s (spread) | images/s | released/this | with candidates | "
        "passes an image: text, image, back |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in figures["rows"]:
        base = statistics.median(row["seconds"]["released"])
        images, passes = row["images"], row["agreement"]["passes"]
        for name, times in row["seconds"].items():
            median = statistics.median(times)
            ours = name.startswith("mat_jax")
            beside = base / (median + images * cost) if ours and row["work"] != "image step" else 0
            count = passes.get(name.removeprefix("mat_jax ")) or passes["released"]
            spent = ", ".join(f"{count[key] / images:.0f}" for key in PASSES)
            lines.append(
                f"| {row['work']}, {images} images | {name} | {median:.3f} "
                f"({min(times):.3f}-{max(times):.3f}) | {images / median:.3f} | "
                f"{base / median:.2f} | {f'{beside:.2f}' if beside else ''} | {spent} |"
            )
    return "\n".join(lines)


def _short(agreement: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in agreement.items() if name != "apart"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sga", metavar="DIR", required=True, help="clone of Zoky-2020/SGA")
    parser.add_argument("--co-attack", metavar="DIR", required=True, help="clone of Co-Attack")
    parser.add_argument("--size", choices=["scenes", *work.SIZES], default="small")
    parser.add_argument("--images", type=int, default=8, help="attacked, with 5 captions each")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--works", nargs="+", choices=list(WORKS), default=list(WORKS))
    parser.add_argument("--corpus", type=int, default=200, help="images whose candidates are timed")
    parser.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa", help="torch's")
    parser.add_argument("--json", metavar="FILE", help="write all figures here")
    args = parser.parse_args()
    for name in ("images", "repeats", "corpus"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} {getattr(args, name)} must be 1 or more")
    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    clock.warn_if_busy()
    figures = measure(args)
    print(table(figures))
    if args.json:
        Path(args.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
