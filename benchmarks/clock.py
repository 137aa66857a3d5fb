"""How programs are timed: in turn, and beside the fastest matrix product of the machine."""

import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import torch

Program = Callable[[], Any]

PAUSE = 0.3  # seconds between turns, in which the threads of the one before fall asleep


def take_turns(
    programs: Mapping[str, Program], repeats: int, *, warm: bool = False
) -> dict[str, list[float]]:
    """Seconds of each program, run in turn (every second round backwards).

    After a warm-up, unless the programs are `warm`.
    """
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for program in () if warm else programs.values():
        program()
    for turn in range(repeats):
        for name in list(programs)[:: 1 if turn % 2 == 0 else -1]:
            time.sleep(PAUSE)
            before = time.perf_counter()
            programs[name]()
            seconds[name].append(time.perf_counter() - before)
    return seconds


def ceiling(repeats: int, side: int = 2048, dtype: str = "float32") -> dict[str, float]:
    """The rate of a product of two square matrices, in GF/s: the best of many."""
    ours = jax.random.normal(jax.random.key(0), (side, side), dtype)
    theirs = torch.randn(side, side).to(getattr(torch, dtype))
    product = jax.jit(lambda x: x @ x)
    programs = {
        "jax": lambda: product(ours).block_until_ready(),
        "torch": lambda: theirs @ theirs,
    }
    seconds = take_turns(programs, 4 * repeats)
    return {name: 2 * side**3 / min(times) / 1e9 for name, times in seconds.items()}


def machine() -> dict[str, Any]:
    """Where this ran."""
    models = [s for s in _lines("/proc/cpuinfo") if s.startswith("model name")]
    return {
        "cpu": models[0].split(":")[1].strip() if models else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "jax": jax.__version__,
        "torch": torch.__version__,
        "device": jax.devices()[0].device_kind,
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "load_before": os.getloadavg(),
    }


def warn_if_busy() -> None:
    """Say so if other programs are running."""
    load = os.getloadavg()[0]
    if load > 1.5:
        print(f"other programs are running (load {load:.1f}): do not quote these figures")


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []
