"""One line that says how far a long piece of work is, and how long it will still take."""

import sys
import time


class Progress:
    """Shows `label: done/total, time left`, on one line of a terminal, sparsely in a log.

    The first report is taken as the start of the clock: what came before it is mostly compilation
    and would make the forecast far too long.

    Attributes:
        done: how many were, at the last report.
    """

    def __init__(self, label: str, total: int, *, quiet: bool = False, every: float = 15.0) -> None:
        self._label, self._total, self._quiet, self._every = label, total, quiet, every
        self._terminal = sys.stderr.isatty()
        self._start = time.perf_counter()
        self._first: tuple[int, float] | None = None
        self._said = self._start
        self.done = 0

    def show(self, done: int) -> None:
        """Report that `done` of the total are done."""
        self.done = done
        now = time.perf_counter()
        if self._first is None:
            self._first = (done, now)
        if self._quiet:
            return
        finished = done >= self._total
        if not self._terminal and not finished and now - self._said < self._every:
            return
        self._said = now
        text = f"{self._label}: {done}/{self._total} images"
        before, then = self._first
        if finished:
            text += f", {duration(now - self._start)}"
        elif done > before:
            text += f", {duration((self._total - done) * (now - then) / (done - before))} left"
        if self._terminal:
            sys.stderr.write(f"\r\x1b[2K{text}" + ("\n" if finished else ""))
        else:
            sys.stderr.write(text + "\n")
        sys.stderr.flush()


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 05 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:02.0f} min"
