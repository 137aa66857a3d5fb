"""Chips that a run can be planned for, with what their makers publish of them."""

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

import jax

GOOGLE = "https://cloud.google.com/tpu/docs/"


@dataclass(frozen=True)
class Chip:
    """One chip, as published.

    Attributes:
        name: what it is called.
        kind: who compiles for it.
        bfloat16: products a second, in operations.
        float32: the same for float32 at JAX's usual precision, which is bfloat16's units on a
            TPU and TensorFloat-32's on a GPU.
        memory: bytes.
        bandwidth: bytes a second between the chip and its memory.
        link: bytes a second that it sends to other chips, over all its links.
        source: where that stands.
    """

    name: str
    kind: Literal["tpu", "gpu"]
    bfloat16: float
    float32: float
    memory: int
    bandwidth: float
    link: float
    source: str


CHIPS = {
    "v4": Chip("TPU v4", "tpu", 275e12, 275e12, 32 * 2**30, 1.2e12, 300e9, GOOGLE + "v4"),
    "v5e": Chip("TPU v5e", "tpu", 197e12, 197e12, 16 * 2**30, 819e9, 200e9, GOOGLE + "v5e"),
    "v5p": Chip("TPU v5p", "tpu", 459e12, 459e12, 95 * 2**30, 2.765e12, 600e9, GOOGLE + "v5p"),
    "v6e": Chip("TPU v6e", "tpu", 918e12, 918e12, 32 * 2**30, 1.64e12, 448e9, GOOGLE + "v6e"),
    "a100": Chip(
        "A100 SXM 80 GB", "gpu", 312e12, 156e12, 80 * 10**9, 2.039e12, 300e9,
        "https://www.nvidia.com/en-us/data-center/a100/",
    ),
    "h100": Chip(
        "H100 SXM", "gpu", 989e12, 494e12, 80 * 10**9, 3.35e12, 450e9,
        "https://www.nvidia.com/en-us/data-center/h100/",
    ),
    "h200": Chip(
        "H200 SXM", "gpu", 989e12, 494e12, 141 * 10**9, 4.8e12, 450e9,
        "https://www.nvidia.com/en-us/data-center/h200/",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Topology:
    """Chips that compute together.

    Attributes:
        text: how the user named them.
        chip: which they are; None for this machine's, where it is no chip of the table.
        count: how many.
    """

    text: str
    chip: Chip | None
    count: int

    def devices(self) -> list[Any]:
        """Devices to compile for: TPUs as libtpu describes them, else those of this machine.

        Raises:
            ValueError: libtpu is not installed, or knows no such slice.
        """
        if self.chip is None or self.chip.kind != "tpu":
            return jax.devices()[: self.count]
        from jax.experimental import topologies

        try:
            found = topologies.get_topology_desc(self.text, platform="tpu").devices
        except Exception as error:  # of many kinds: no libtpu, or a shape that it does not build
            if "libtpu" in str(error) or isinstance(error, (ImportError, KeyError)):
                raise ValueError(
                    f"a plan for {self.text} is compiled by libtpu, which is not here: pip install "
                    "'mat-jax[plan]'"
                ) from error
            first = str(error).splitlines()[0]
            raise ValueError(f"libtpu knows no slice {self.text!r}: {first}") from error
        return list(found)


def topology(text: str) -> Topology:
    """`v5e:4x4`, `h100:8`, or `auto`, which is this machine.

    Raises:
        ValueError: there is no such chip, or it is written otherwise.
    """
    if text == "auto":
        devices = jax.devices()
        kind = devices[0].device_kind.lower()
        chip = next((chip for name, chip in CHIPS.items() if name in kind), None)
        return Topology(text, chip if chip and chip.kind == "gpu" else None, len(devices))
    name, _, size = text.partition(":")
    if name not in CHIPS:
        raise ValueError(
            f"--topology {text!r} names no chip that is known here: expected auto, or one of "
            f"{', '.join(CHIPS)} with its number, as v5e:4x4 or h100:8"
        )
    shape = r"\d+x\d+(x\d+)?" if CHIPS[name].kind == "tpu" else r"\d+"
    if not re.fullmatch(shape, size) or 0 in (sides := [int(s) for s in size.split("x")]):
        example = "v5e:4x4 (v4 and v5p: 4x4x4)" if CHIPS[name].kind == "tpu" else f"{name}:8"
        raise ValueError(f"--topology {text!r} has no number of chips: write it as {example}")
    return Topology(text, CHIPS[name], math.prod(sides))
