"""How long importing takes, and what it loads.

python benchmarks/imports.py --repeats 7 --json figures.json

Each statement runs in a fresh process. All take turns, every second round backwards, after a first
round that fills the disk's cache. A figure is the median of the seconds that the statement itself
takes: the start of Python is not in it. Beside it stand its ratio to `import jax`, which does not
hang on the machine's speed, and the heavy packages that are loaded afterwards.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from clock import warn_if_busy

UNIT = "import jax"
STATEMENTS = (
    UNIT,
    "import mat_jax",
    "from mat_jax import data",
    "from mat_jax import models",
    "from mat_jax import attacks",
    "from mat_jax import defenses",
    "from mat_jax import fit",
)
HEAVY = ("jax", "flax", "optax", "PIL", "orbax", "grain", "tensorflow_datasets", "transformers")
PROGRAM = """
import json, sys, time
start = time.perf_counter()
{statement}
seconds = time.perf_counter() - start
print(json.dumps([seconds, [name for name in {heavy} if name in sys.modules]]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    warn_if_busy()
    seconds: dict[str, list[float]] = {statement: [] for statement in STATEMENTS}
    loaded: dict[str, list[str]] = {}
    for turn in range(given.repeats + 1):
        for statement in STATEMENTS[:: 1 if turn % 2 == 0 else -1]:
            taken, loaded[statement] = fresh(statement)
            if turn:
                seconds[statement].append(taken)
    medians = {statement: statistics.median(times) for statement, times in seconds.items()}
    print(f"{len(os.sched_getaffinity(0))} cores, {given.repeats} processes each\n")
    print("| statement | seconds | times `import jax` | loads |\n| --- | --- | --- | --- |")
    for statement, median in medians.items():
        ratio = median / medians[UNIT]
        names = ", ".join(loaded[statement]) or "none"
        print(f"| `{statement}` | {median:.2f} | {ratio:.2f} | {names} |")
    if given.json:
        given.json.write_text(json.dumps({"seconds": seconds, "loaded": loaded}, indent=1) + "\n")


def fresh(statement: str) -> tuple[float, list[str]]:
    """Seconds of a statement in a process of its own, and the heavy packages there afterwards."""
    program = PROGRAM.format(statement=statement, heavy=HEAVY)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    taken, names = json.loads(done.stdout)
    return taken, names


if __name__ == "__main__":
    main()
