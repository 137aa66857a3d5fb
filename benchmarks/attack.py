"""SGA and the MAT step of mat_jax against PyTorch: same weights, same work, one process.

python benchmarks/attack.py --size small --batch 8 --repeats 5 --json figures.json

First both are given the same random draws and must find the same: captions, losses, number of
encoder passes. Then they take turns, and medians are compared with each other and with the
fastest float32 matrix product of the machine.
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
import flops  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
import work  # noqa: E402
from programs import MAT, SGA  # noqa: E402


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Everything: agreement, then times. SGA's models are gone before MAT's are made."""
    config = work.SIZES[args.size]
    figures: dict[str, Any] = {"settings": vars(args), "machine": clock.machine(), "rows": []}
    figures["ceiling_gflops"] = clock.ceiling(args.repeats)
    with tempfile.TemporaryDirectory() as folder:
        model = work.export(config, Path(folder, "clip"))
        for name, kind, size in (("SGA", SGA, args.batch), ("MAT step", MAT, 4 * args.batch)):
            both = kind(model, str(Path(folder, "clip")), size, args.attention)
            agreement = both.agree()
            programs: dict[str, clock.Program] = {"torch": both.torch, "mat_jax": both.ours}
            if not args.skip_published:
                programs["published"] = both.torch_as_published
            seconds = clock.take_turns(programs, args.repeats)
            figures["rows"].append(
                {
                    "work": name,
                    "examples": size,
                    "seconds": seconds,
                    "gflop": flops.work(config, agreement["passes"], pooled=False) / 1e9,
                    "gflop_pooled": flops.work(config, agreement["passes"], pooled=True) / 1e9,
                    "agreement": agreement,
                }
            )
            del both, programs
    figures["machine"]["load_after"] = os.getloadavg()
    return figures


def table(figures: dict[str, Any]) -> str:
    """The figures as Markdown. Ratios above 1: mat_jax is faster."""
    rates = figures["ceiling_gflops"]
    best = max(rates.values())
    lines = [
        f"Ceiling (2048^3, float32): torch {rates['torch']:.0f} GF/s, jax {rates['jax']:.0f} GF/s.",
        "",
        "| work | program | median s (spread) | examples/s | torch/this | GF/s | of ceiling |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in figures["rows"]:
        base = statistics.median(row["seconds"]["torch"])
        for name, times in row["seconds"].items():
            median = statistics.median(times)
            rate = row["gflop_pooled" if name == "mat_jax" else "gflop"] / median
            lines.append(
                f"| {row['work']}, {row['examples']} examples | {name} | {median:.3f} "
                f"({min(times):.3f}-{max(times):.3f}) | {row['examples'] / median:.1f} | "
                f"{base / median:.2f} | {rate:.0f} | {rate / best:.0%} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=list(work.SIZES), default="small")
    parser.add_argument("--batch", type=int, default=8, help="images under SGA; MAT takes 4 times")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa", help="torch's")
    parser.add_argument("--skip-published", action="store_true", help="only the two main programs")
    parser.add_argument("--json", metavar="FILE", help="write all figures here")
    args = parser.parse_args()
    for name in ("batch", "repeats"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} {getattr(args, name)} must be 1 or more")
    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    transformers.utils.logging.disable_progress_bar()
    clock.warn_if_busy()
    figures = measure(args)
    print(table(figures))
    if args.json:
        Path(args.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
