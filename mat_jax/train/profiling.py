"""`--profile STEPS`: a trace of some steps, which xprof and Perfetto read, and who waited.

The names in the trace are those of the step's parts: `perturb` (the attack on texts and images),
`gradient` and `optimizer`; on the host `waiting for a batch`.
"""

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

BEFORE = 2  # steps of this start before the trace: the first compiles, the second fills the queue
WAITING = "waiting for a batch"


class Profiler:
    """Traces `steps` steps of a run, the third of this start and those after it.

    Args:
        folder: where the trace goes; `xprof FOLDER` shows it, and Perfetto the `.gz` inside.
        steps: how many; 0 traces nothing.
        start: the step that the run begins after.
        quiet: say nothing at the end.
    """

    def __init__(self, folder: Path, steps: int, *, start: int, quiet: bool = False) -> None:
        self._folder, self._quiet = folder, quiet
        self._first, self._last = start + BEFORE + 1, start + BEFORE + steps
        self._tracing = False
        self._waited, self._begun = 0.0, 0.0

    @contextlib.contextmanager
    def waiting(self, step: int) -> Iterator[None]:
        """Around the wait for the batch of a step."""
        if step == self._first <= self._last:
            jax.profiler.start_trace(str(self._folder), create_perfetto_trace=True)
            self._tracing, self._begun = True, time.perf_counter()
        start = time.perf_counter()
        with jax.profiler.TraceAnnotation(WAITING):
            yield
        if self._tracing:
            self._waited += time.perf_counter() - start

    def step(self, step: int) -> contextlib.AbstractContextManager[Any]:
        """Around the call of a step, so that the trace is cut at steps."""
        return jax.profiler.StepTraceAnnotation("train", step_num=step)

    def after(self, step: int, outcome: Any) -> None:
        """After a step was dispatched; the last of the trace is waited for."""
        if self._tracing and step >= self._last:
            jax.block_until_ready(outcome)
            self._stop()

    def close(self) -> None:
        """End a trace that the run did not come to the end of."""
        if self._tracing:
            self._stop()

    def _stop(self) -> None:
        self._tracing = False
        seconds = time.perf_counter() - self._begun
        jax.profiler.stop_trace()
        if not self._quiet:
            share = 100 * self._waited / max(seconds, 1e-9)
            count = self._last - self._first + 1
            print(
                f"traced {count} steps of {seconds / count:.3f} s, of which the devices waited "
                f"{share:.0f} % for batches: the trace is in {self._folder}",
                file=sys.stderr,
            )
