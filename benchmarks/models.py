"""CLIP and ALBEF of mat_jax against PyTorch, and each choice of form against its alternatives.

python benchmarks/models.py --size small --batch 8 --repeats 5 --json figures.json

Images, captions and the fused match score are encoded, and images take one step of the sign of
the gradient of a score. All programs are given the same weights and inputs and must find the same
before they take turns; medians are compared with each other and with the fastest matrix product
of the machine.
"""

import argparse
import gc
import json
import os
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # mat_jax, installed or not

import clock  # noqa: E402
import encoders  # noqa: E402
import flops  # noqa: E402
import jax  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
import work  # noqa: E402
from encoders import Compiled, Torch  # noqa: E402
from formulations import FORMS  # noqa: E402

from mat_jax import models
from mat_jax.types.arrays import TextFeatures  # noqa: E402

SIDE = {"float32": 2048, "bfloat16": 1024}  # of the product; CPUs without bfloat16 take seconds
OURS, THEIRS, PUBLISHED = "mat_jax", "torch", "torch, weights with gradients"


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Every row: agreement, then times. CLIP is gone before ALBEF is made."""
    figures: dict[str, Any] = {"settings": vars(args), "machine": clock.machine(), "rows": []}
    figures["ceiling_gflops"] = clock.ceiling(args.repeats, SIDE[args.dtype], args.dtype)
    for family in args.models:
        batch = args.batch if family == "clip" else max(1, args.batch // 2)
        with tempfile.TemporaryDirectory() as folder:
            build = getattr(encoders, family)
            model, peer = build(args.size, batch, args.dtype, args.attention, Path(folder))
        text = Compiled(type(model).encode_text, model, peer.tokens)()
        for name in ("images", "texts", "cosine_step", "match", "match_step"):
            if family == "albef" or not name.startswith("match"):
                found = row(name, model, peer, text, args)
                figures["rows"].append({"work": f"{family} {name}"} | found)
                print("\n".join(lines(figures["rows"][-1], figures)), file=sys.stderr)
                figures["machine"]["load_after"] = os.getloadavg()
                if args.json:  # after each row: a run that is cut short has not been in vain
                    text_of = json.dumps(figures, indent=1)
                    Path(args.json).write_text(f"{text_of}\n", encoding="utf-8")
                gc.collect()
        del model, peer, text
    return figures


def row(
    name: str,
    model: models.CLIP | models.ALBEF,
    peer: Torch,
    text: TextFeatures,
    args: argparse.Namespace,
) -> dict[str, Any]:
    """One kind of work: all its programs, checked and timed. Steps are given the texts encoded."""
    pixels = peer.clean.permute(0, 2, 3, 1).contiguous().numpy()
    inputs = {
        "images": (pixels,),
        "texts": (peer.tokens,),
        "match": (pixels, peer.tokens),
        "cosine_step": (pixels, text.unit),
        "match_step": (pixels, text),
    }[name]
    towers = {OURS: (encoders.own, model)}
    function = getattr(encoders, name)
    programs: dict[str, Any] = {THEIRS: getattr(peer, name)}
    if name.endswith("step"):
        programs[PUBLISHED] = partial(programs[THEIRS], published=True)
    if name in ("images", "cosine_step"):  # those that take the image tower for an argument
        if not args.skip_formulations:
            towers |= {n: (form.embed, form.weights(model)) for n, form in FORMS.items()}
        for form, (embed, weights) in towers.items():
            programs[form] = Compiled(partial(function, embed), weights, *inputs)
    else:
        programs[OURS] = Compiled(function, model, *inputs)
    theirs = programs[THEIRS]()
    return {
        "examples": len(pixels),
        "apart": {
            n: encoders.require_same(f"{name}, {n}", program(), theirs, args.dtype)
            for n, program in programs.items()
            if n != THEIRS
        },
        "compile_seconds": {n: getattr(p, "compile_seconds", None) for n, p in programs.items()},
        "scratch_bytes": {n: getattr(p, "scratch_bytes", None) for n, p in programs.items()},
        "gflop": {n: len(pixels) * operations(name, model.config, n) / 1e9 for n in programs},
        "seconds": clock.take_turns(programs, args.repeats),
    }


def operations(name: str, config: flops.Config, program: str) -> float:
    """What a program needs for one example; all but mat_jax compute the last block whole."""
    pooled = program not in (THEIRS, PUBLISHED, "last block whole")
    if name == "texts":
        return flops.text(config, pooled=pooled).forward
    if name in ("images", "cosine_step"):
        image = flops.vision(config, pooled=pooled)
        return image.forward + (image.to_input if name == "cosine_step" else 0)
    assert isinstance(config, models.ALBEFConfig)
    image, fusion = flops.vision(config, pooled=False), flops.fusion(config)
    if name == "match":
        return image.forward + flops.text(config, pooled=False).forward + fusion.forward
    return image.forward + image.to_input + fusion.forward + fusion.to_image


def table(figures: dict[str, Any]) -> str:
    """The figures as Markdown.

    `torch/this` above 1 is faster than torch, `this/mat_jax` above 1 slower than mat_jax.
    """
    rates = figures["ceiling_gflops"]
    dtype = figures["settings"]["dtype"]
    head = [
        f"Ceiling ({SIDE[dtype]}^3, {dtype}): torch {rates['torch']:.0f} GF/s, "
        f"jax {rates['jax']:.0f} GF/s.",
        "",
        "| work | program | median s (spread) | examples/s | torch/this | this/mat_jax | GF/s | "
        "of ceiling | compiled s | scratch MiB | apart |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *(line for row in figures["rows"] for line in lines(row, figures))])


def lines(row: dict[str, Any], figures: dict[str, Any]) -> list[str]:
    """The lines of the table for one kind of work, a program each."""
    best = max(figures["ceiling_gflops"].values())
    medians = {name: statistics.median(times) for name, times in row["seconds"].items()}
    found = []
    for name, times in row["seconds"].items():
        median, rate = medians[name], row["gflop"][name] / medians[name]
        compiled, scratch = row["compile_seconds"][name], row["scratch_bytes"][name]
        cells = [
            f"{row['work'].replace('_', ' ')}, {row['examples']}",
            name,
            f"{median:.3f} ({min(times):.3f}-{max(times):.3f})",
            f"{row['examples'] / median:.1f}",
            f"{medians[THEIRS] / median:.2f}",
            f"{median / medians[OURS]:.2f}",
            f"{rate:.0f}",
            f"{rate / best:.0%}",
            "" if compiled is None else f"{compiled:.1f}",
            "" if scratch is None else f"{scratch / 2**20:.0f}",
            f"{row['apart'][name]:.0e}" if name in row["apart"] else "",
        ]
        found.append(f"| {' | '.join(cells)} |")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=list(work.SIZES), default="small")
    parser.add_argument("--batch", type=int, default=8, help="images of CLIP; ALBEF takes half")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--dtype", choices=list(encoders.SAME), default="float32")
    parser.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa", help="torch's")
    parser.add_argument("--models", nargs="+", choices=["clip", "albef"], default=["clip", "albef"])
    parser.add_argument("--skip-formulations", action="store_true", help="only mat_jax and torch")
    parser.add_argument("--json", metavar="FILE", help="write all figures here")
    args = parser.parse_args()
    for name in ("batch", "repeats"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} {getattr(args, name)} must be 1 or more")
    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    transformers.utils.logging.disable_progress_bar()
    jax.config.update("jax_enable_compilation_cache", False)  # compiling is among the figures
    clock.warn_if_busy()
    print(table(measure(args)))


if __name__ == "__main__":
    main()
