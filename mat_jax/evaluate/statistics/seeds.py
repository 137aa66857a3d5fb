"""One figure of several trainings: its mean and how far they lie apart."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (n - 1) over seeds; the latter None where there is one seed."""

    mean: float
    sd: float | None
    count: int

    def __str__(self) -> str:
        """`16.8 ± 1.7`, without the second where there is one seed."""
        if self.mean != self.mean:
            return "–"
        return f"{self.mean:.1f}" if self.sd is None else f"{self.mean:.1f} ± {self.sd:.1f}"


def spread(values: Sequence[float]) -> Spread:
    """Mean and standard deviation of some values; NaN of none."""
    if not values:
        return Spread(float("nan"), None, 0)
    sd = statistics.stdev(values) if len(values) > 1 else None
    return Spread(statistics.fmean(values), sd, len(values))
