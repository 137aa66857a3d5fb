"""What a run says while it runs: `metrics.jsonl` and one progress line."""

import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import jax
import numpy as np

from mat_jax.train.trackers import Tracker
from mat_jax.utils.files import write_text
from mat_jax.utils.progress import duration


class Recorder:
    """Appends metrics to a file, one JSON object a line, and shows progress.

    The values of a step are fetched when the next step has been dispatched (or at `flush`), so
    that logging never makes the device wait. A line's figures are those of its own step, so a
    resumed run repeats them exactly; `images_per_second` and `time` (seconds since the epoch) are
    the only fields that depend on the machine.

    Args:
        path: the file; lines of steps after `start` (from a run cut short) are dropped.
        start: the step the run starts or resumes from.
        steps: the step it will end at.
        batch_size: images a step, for the rate.
        every: steps between two lines.
        quiet: write the file only.
        writes: whether this process writes the file; all look at the figures.
        check: looks at a step's fetched values before they are written.
        trackers: get every line that is written.
    """

    def __init__(
        self,
        path: Path,
        *,
        start: int,
        steps: int,
        batch_size: int,
        every: int,
        quiet: bool = False,
        writes: bool = True,
        check: Callable[[int, dict[str, Any]], None] | None = None,
        trackers: Sequence[Tracker] = (),
    ) -> None:
        self._path, self._writes = path, writes
        self._check = check or require_finite
        self._trackers = trackers
        self._file = self._opened(start)
        self._steps, self._batch_size, self._every = steps, batch_size, every
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._pending: tuple[int, Mapping[str, Any]] | None = None
        self._last = (start, time.perf_counter())
        self._rate = 0.0
        self._steady: tuple[int, float] | None = None  # after the first step, which compiled

    def _opened(self, start: int) -> TextIO | None:
        if not self._writes:
            return None
        truncate(self._path, start)
        return self._path.open("a", encoding="utf-8")

    def due(self, step: int) -> bool:
        """Whether a step gets a line."""
        return step % self._every == 0 or step in (1, self._steps)

    def record(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Note the metrics of a step that has been dispatched; writes those of an earlier one."""
        self.flush()
        if self.due(step):
            self._pending = (step, metrics)

    def go_back(self, step: int) -> None:
        """Drop what was noted and written of steps after this one."""
        self._pending = None
        if self._file is not None:
            self._file.close()
        self._file = self._opened(step)
        self._last, self._steady = (step, time.perf_counter()), None

    def flush(self) -> None:
        """Write what is pending, waiting for the device if need be.

        Raises:
            ArithmeticError: the loss or its gradient is not a finite number.
        """
        if self._pending is None:
            return
        (step, metrics), self._pending = self._pending, None
        values: dict[str, Any] = jax.device_get(dict(metrics))
        for name, value in values.items():  # counts of the host stay whole numbers
            values[name] = value if isinstance(value, int) or np.ndim(value) else float(value)
        self._check(step, values)
        before, then = self._last
        self._last = (step, time.perf_counter())
        if step > before:
            self._rate = (step - before) * self._batch_size / (self._last[1] - then)
        line: dict[str, Any] = {"step": step, "loss": values["loss"], **values}
        line |= {"images_per_second": round(self._rate, 2), "time": round(time.time(), 3)}
        if self._file is not None:
            # JSON has no number for a skipped step's loss.
            line = {n: v if math.isfinite(v) else None for n, v in line.items()}
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
            told = {
                n: float(v) for n, v in line.items() if n not in ("step", "time") and v is not None
            }
            for tracker in self._trackers:
                tracker.log(step, told)
        if not self._quiet:
            self._show(step, values)

    def _show(self, step: int, values: Mapping[str, float]) -> None:
        text = f"step {step}/{self._steps}  loss {values['loss']:.4f}"
        if self._steady is None:
            self._steady = self._last
        begun, then = self._steady
        if step > begun:
            rate = (step - begun) / (self._last[1] - then)
            left = duration((self._steps - step) / rate)
            text += f"  {rate * self._batch_size:.0f} images/s  {left} left"
        if self._terminal:
            sys.stderr.write(f"\r\x1b[2K{text}" + ("\n" if step == self._steps else ""))
        else:
            sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def close(self) -> None:
        """Write what is pending and end the progress line."""
        self.flush()
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        if self._terminal and not self._quiet and self._last[0] not in (0, self._steps):
            sys.stderr.write("\n")


def require_finite(step: int, metrics: Mapping[str, Any]) -> None:
    """Refuse to go on, or to save, after a step that broke the weights.

    Raises:
        ArithmeticError: the loss, or the gradient's norm, is not a finite number.
    """
    for name, what in (("loss", "loss"), ("grad_norm", "gradient's norm")):
        value = float(metrics.get(name, 0.0))
        if not math.isfinite(value):
            raise ArithmeticError(
                f"the {what} is {value} at step {step}: try a lower lr; the checkpoints before it "
                "are whole"
            )


def truncate(path: Path, step: int) -> None:
    """Drop the lines of steps after `step`, a last line cut in half, and what is no line. Atomic.

    A link is replaced by a file, so that nothing is written where it points.
    """
    if not path.exists():
        path.unlink(missing_ok=True)  # a link to nothing, which `open` would make
        return
    kept = []
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
            if line.get("step", 0) <= step:
                kept.append(text + "\n")
        except (ValueError, TypeError, AttributeError, RecursionError):
            continue
    write_text(path, "".join(kept))
