"""What a plan says: the work of a step, the memory it needs, and what devices tell each other."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from mat_jax.train.plan.chips import Chip
from mat_jax.train.plan.operations import Work


@dataclass(frozen=True)
class Talk:
    """Collectives of one kind in one part of a step.

    Attributes:
        part: "perturb", "gradient", "optimizer", or "" elsewhere.
        kind: as XLA calls it.
        count: how many a step, with the turns of loops.
        sent: bytes that a device sends for them in a step.
    """

    part: str
    kind: str
    count: int
    sent: float


@dataclass(frozen=True)
class Memory:
    """Bytes on one device.

    Attributes:
        weights, optimizer, original, batch: counted from their shapes.
        temporary: all that a step makes and lets go of, gradients too, as XLA says.
        compiled: what a step is given, as XLA says; None where it did not get so far.
    """

    weights: int
    optimizer: int
    original: int
    batch: int
    temporary: int
    compiled: int | None = None

    @property
    def given(self) -> int:
        """All that is there before a step."""
        return self.weights + self.optimizer + self.original + self.batch

    @property
    def total(self) -> int:
        """All of it."""
        return self.given + self.temporary


@dataclass(frozen=True)
class Plan:
    """One step on some devices.

    Attributes:
        name: of the experiment.
        family: of the model.
        topology: as the user named it.
        chip: which they are, if the table has it.
        mesh: devices along each axis.
        batch_size, micro_batch, remat, scan, dtype, steps: the experiment's.
        weights, trained: numbers in the model, and those that train.
        work: by part, of all devices.
        memory: of one device.
        talk: what devices tell each other.
        compiled_in: seconds that XLA took.
        compiler: for what it compiled: "tpu" or "cpu".
    """

    name: str
    family: str
    topology: str
    chip: Chip | None
    mesh: dict[str, int]
    batch_size: int
    micro_batch: int | None
    remat: str
    scan: bool
    dtype: str
    steps: int
    weights: int
    trained: int
    work: dict[str, Work]
    memory: Memory
    talk: tuple[Talk, ...]
    compiled_in: float
    compiler: str

    @property
    def devices(self) -> int:
        """How many."""
        count = 1
        for size in self.mesh.values():
            count *= size
        return count

    @property
    def all_work(self) -> Work:
        """Of a step, on all devices."""
        found = Work()
        for one in self.work.values():
            found += one
        return found

    @property
    def fits(self) -> bool | None:
        """Whether the memory of a chip is enough; None where no chip is named."""
        return None if self.chip is None else self.memory.total <= self.chip.memory

    @property
    def seconds(self) -> dict[str, float]:
        """What a step takes at least: computing, reading its memory, and sending."""
        if self.chip is None:
            return {}
        peak = self.chip.bfloat16 if self.dtype == "bfloat16" else self.chip.float32
        work, count = self.all_work, self.devices
        return {
            "compute": work.operations / count / peak,
            "memory": work.traffic / count / self.chip.bandwidth,
            "links": sum(one.sent for one in self.talk) / self.chip.link,
        }

    @property
    def at_best(self) -> float:
        """Seconds of a step if computing hides reading, and nothing hides sending."""
        each = self.seconds
        return max(each["compute"], each["memory"]) + each["links"]

    @property
    def utilisation(self) -> float:
        """The share of the peak that a step can reach."""
        return self.seconds["compute"] / self.at_best

    @property
    def hours(self) -> float:
        """All steps at their best."""
        return self.steps * self.at_best / 3600

    def facts(self) -> dict[str, Any]:
        """All of it as JSON takes it."""
        found = dataclasses.asdict(self)
        found["work"] = {part: work._asdict() for part, work in self.work.items()}
        if self.chip is not None:
            found |= {
                "seconds": self.seconds, "at_best": self.at_best,
                "utilisation": self.utilisation, "hours": self.hours, "fits": self.fits,
            }  # fmt: skip
        return found
