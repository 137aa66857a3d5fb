"""Plans of MAT at three sizes on four kinds of machines: `python docs/plan_table.py`.

Writes `docs/plans.json`, a plan a line of work, and draws `docs/plans.md` from it. Each plan is
made by the command that stands beside it, in a process of its own. What is there is kept: remove
a plan from the file to make it again. All twelve take an hour or two of two cores.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CONFIG = "experiments/papers/mat_clip_coco.py"
NEEDED = "Those for TPUs need libtpu, which `pip install -e '.[plan]'` brings."
MODELS = {
    "ViT-B/16": ("openai/clip-vit-base-patch16", "data"),
    "ViT-L/14": ("openai/clip-vit-large-patch14", "data"),
    "ViT-H/14": ("laion/CLIP-ViT-H-14-laion2B-s32B-b79K", "fsdp"),
}
MACHINES = {  # topology, chips, and images on each
    "v5e-8": ("v5e:2x4", 8, 32),
    "v5e-16": ("v5e:4x4", 16, 32),
    "v5p-128": ("v5p:4x4x4", 64, 32),
    "8 H100": ("h100:8", 8, 32),
}
MEASURE = """
import json, sys
from pathlib import Path
from mat_jax.train import __main__ as command
from mat_jax.train import plan
plan.format_plan = lambda found, other=None: json.dumps([found.facts(), other and other.facts()])
sys.exit(command.main(sys.argv[1:]))
"""
# What was tried first, where less would not fit.
SETTINGS = {
    "ViT-B/16": ["remat=dots", "scan=True", "dtype=bfloat16"],
    "ViT-L/14": ["remat=blocks", "scan=True", "dtype=bfloat16"],
    "ViT-H/14": ["remat=blocks", "scan=True", "dtype=bfloat16"],
}


def arguments(model: str, machine: str) -> list[str]:
    """The command line of one plan."""
    name, axis = MODELS[model]
    topology, count, each = MACHINES[machine]
    batch = [f"batch_size={count * each}"]
    return [
        "--config", CONFIG, "--plan", "--topology", topology, "--mesh", f"{axis}={count}",
        "--set", f"model={name}", *batch, *SETTINGS[model],
    ]  # fmt: skip


def measured(model: str, machine: str) -> Any:
    """One plan and what it suggests, or why there is none."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *arguments(model, machine)],
        capture_output=True, text=True, cwd=HERE.parent,
    )  # fmt: skip
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def drawn(found: dict[str, Any]) -> str:
    """The page."""
    lines = [
        "# Plans",
        "",
        "MAT of three sizes of CLIP: two PGD steps, one word of ten candidates, 32 images on each",
        "device, in bfloat16. Nothing of this was run. Each row is what its command said, on two",
        "cores without a TPU or GPU. A step is told at its best, as if the published peaks were",
        "reached. Real steps take longer. [On your machines](machines.md) says how to read a plan.",
        "",
        "| model | machine | operations a step | of it attack | GB a device | fits "
        "| a step at best | at most of the peak | 5 epochs of COCO at best |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    commands = []
    for model in MODELS:
        for machine, (_, count, each) in MACHINES.items():
            got = found.get(f"{model} {machine}")
            if got is None:
                continue
            if "error" in got:
                lines.append(f"| {model} | {machine} | {got['error']} | | | | | | |")
                continue
            plan, other = got
            lines.append(row(model, machine, plan, 5 * 566_747 / (count * each)))
            if other is not None:
                lines.append(row(f"{model}, {changes(other)}", machine, other,
                                 5 * 566_747 / (count * each)))  # fmt: skip
            commands.append("python -m mat_jax.train " + " ".join(arguments(model, machine)))
    lines += ["", f"The commands, in the table's order. {NEEDED}", "", "```", *commands, "```", ""]
    return "\n".join(lines)


def row(model: str, machine: str, plan: dict[str, Any], steps: float) -> str:
    """A line of the table."""
    work = {part: one["operations"] for part, one in plan["work"].items()}
    total = sum(work.values())
    memory = sum(plan["memory"][name] for name in (
        "weights", "optimizer", "original", "batch", "temporary"))  # fmt: skip
    hours = steps * plan["at_best"] / 3600
    attack = 100 * work["perturb"] / total
    return (
        f"| {model} | {machine} | {total / 1e12:,.0f} TFLOP | {attack:.0f} % "
        f"| {memory / 1e9:.1f} of {plan['chip']['memory'] / 1e9:.0f} "
        f"| {'yes' if plan['fits'] else 'no'} | {plan['at_best']:.2f} s "
        f"| {100 * plan['utilisation']:.0f} % | {hours:.1f} h |"
    )


def changes(plan: dict[str, Any]) -> str:
    """What was suggested."""
    mesh = ",".join(f"{axis}={size}" for axis, size in plan["mesh"].items())
    rows = f", micro_batch={plan['micro_batch']}" if plan["micro_batch"] else ""
    return f"as suggested: {mesh}, remat={plan['remat']}{rows}"


def main() -> None:
    """Make what is missing, and draw."""
    file = HERE / "plans.json"
    found = json.loads(file.read_text()) if file.exists() else {}
    for machine in MACHINES:
        for model in MODELS:
            key = f"{model} {machine}"
            if key not in found and "--redraw" not in sys.argv:
                print(key, flush=True)
                found[key] = measured(model, machine)
                file.write_text(json.dumps(found, indent=1) + "\n")
                (HERE / "plans.md").write_text(drawn(found))
    (HERE / "plans.md").write_text(drawn(found))


if __name__ == "__main__":
    main()
