"""What a run does about a step that is not a number, and about files that turn bad.

A guarded step (`step.compile_step`) leaves the state as it was where its loss, its gradient or a
weight would not be finite. That is decided on the device. The host hears of it with the next line
of metrics or checkpoint, and then skips it or goes back, as the experiment says.
"""

import sys
from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from mat_jax.train.logging import require_finite
from mat_jax.utils import processes

OnNaN = Literal["stop", "skip", "restore"]
OnBadData = Literal["stop", "skip"]
FAULTS = "faults"  # the name of the counts beside the position of the data in a checkpoint
IN_A_ROW = 25  # skipped steps, after which the run stops
RETURNS = 3  # to one checkpoint, after which the run stops


class Broke(Exception):
    """A step was not a number, and the run is to go back to its last checkpoint."""


@jax.jit
def _tally(counts: jax.Array, skipped: jax.Array) -> jax.Array:
    return jnp.stack([counts[0] + skipped, (counts[1] + 1) * skipped])


class Faults:
    """Counts what went wrong in a run, and decides what follows.

    Args:
        on_nan: "stop" ends the run, "skip" leaves out the step, "restore" goes back to the last
            checkpoint and leaves out the data since.
        on_bad_data: whether files were replaced, which is then counted.
        quiet: say nothing.
    """

    def __init__(self, on_nan: str, on_bad_data: str, *, quiet: bool) -> None:
        self._on_nan, self._on_bad_data, self._quiet = on_nan, on_bad_data, quiet
        self._counts: Any = np.zeros(2, np.int32)  # skipped steps: all, and the last ones in a row
        self._said = 0
        self._restored = 0
        self._returns = 0  # since the last checkpoint
        self._replaced_before = 0
        self._replaced = 0

    def noted(self, metrics: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """The metrics of a step, with what is counted on the device."""
        found = dict(metrics)
        if "skipped" in found:
            self._counts = _tally(self._counts, found["skipped"])
            found["skipped"] = self._counts
        return found

    def extra(self, replaced: int) -> dict[str, int]:
        """What is counted on the host, for a line. All processes ask at the same lines."""
        found = {"restored": self._restored} if self._on_nan == "restore" else {}
        if self._on_bad_data == "skip":
            self._replaced = self._replaced_before + processes.total(replaced)
            found["replaced"] = self._replaced
        return found

    def check(self, step: int, values: dict[str, Any]) -> None:
        """Look at the fetched metrics of a step.

        Raises:
            ArithmeticError: it is not a number, or too many in a row were not, and the run ends.
            Broke: the run goes back.
        """
        counts = values.get("skipped")
        if counts is None:
            require_finite(step, values)
            return
        every, row = (int(n) for n in np.asarray(counts))
        values["skipped"] = every
        if every == self._said:
            return
        new, self._said = every - self._said, every
        what = f"{new} step{'s' if new > 1 else ''} up to {step}"
        if self._on_nan == "restore":
            raise Broke(f"{what} had a loss or gradient that is not a number")
        if row >= IN_A_ROW:
            raise ArithmeticError(
                f"the last {row} steps, up to {step}, had a loss or gradient that is not a number: "
                "try a lower lr; the checkpoints are whole"
            )
        self._say(f"skipped {what}: the loss or its gradient was not a number")

    def goes_back(self, why: Broke, step: int) -> None:
        """The run goes back to a step.

        Raises:
            ArithmeticError: it went there too often.
        """
        self._restored, self._returns = self._restored + 1, self._returns + 1
        if self._returns > RETURNS:
            raise ArithmeticError(
                f"{why}, and {RETURNS} returns to step {step} did not help: try a lower lr; the "
                "checkpoints are whole"
            )
        self._say(f"{why}: back to step {step}, and on with the data that follow")

    def saved(self, iterator: Any, replaced: int) -> Any:
        """The data's position with the counts beside it, for a checkpoint."""
        self._returns = 0
        if (self._on_nan, self._on_bad_data) == ("stop", "stop") or not isinstance(iterator, dict):
            return iterator
        counts = {"skipped": [int(n) for n in np.asarray(self._counts)]}
        return iterator | {FAULTS: counts | {"restored": self._restored} | self.extra(replaced)}

    def loaded(self, iterator: Any) -> Any:
        """Go on counting from a checkpoint; returns the data's position alone."""
        if not isinstance(iterator, dict) or FAULTS not in iterator:
            return iterator
        counts = iterator[FAULTS]
        self._counts = np.array(counts["skipped"], np.int32)
        self._said = int(self._counts[0])
        self._restored = counts["restored"]
        self._replaced_before = counts.get("replaced", 0)
        return {name: value for name, value in iterator.items() if name != FAULTS}

    def _say(self, text: str) -> None:
        if not self._quiet:
            print(f"note: {text}", file=sys.stderr)
