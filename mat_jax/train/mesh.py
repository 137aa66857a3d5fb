"""Where a run computes: `--mesh 8`, `data=4,fsdp=2`, `data=2,fsdp=2,tensor=2` or `auto`.

| axis | the batch | weights and the optimizer's state |
|---|---|---|
| `data` | split | the same on all |
| `fsdp` | split | split, each weight gathered for the layer that needs it, and freed |
| `tensor` | the same on all | heads and hidden units split, and computed with as they are |

What is split how is a table in `train/sharding.py`. XLA adds the communication; the mathematics is
that of one device.
"""

import math
import os
from collections.abc import Mapping, Sequence

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from mat_jax.utils import processes
from mat_jax.utils.devices import BATCH, DATA, FSDP, TENSOR

AXES = (DATA, FSDP, TENSOR)


def parse(text: str | int) -> dict[str, int] | None:
    """`8` -> {"data": 8}, `data=4,fsdp=2` as written, `auto` -> None (all devices there are)."""
    text = str(text).strip()
    if text == "auto":
        return None
    axes: dict[str, int] = {}
    for part in [f"{DATA}={text}"] if text.isdigit() else text.split(","):
        name, _, size = part.strip().partition("=")
        if name == "model":
            raise ValueError(
                f"--mesh does not know the axis model of {text!r} any more: write fsdp={size} to "
                f"split the weights, or tensor={size} to split the layers' work"
            )
        if name not in AXES or not size.isdigit() or int(size) < 1 or name in axes:
            raise ValueError(
                f"--mesh does not understand {text!r}: write a number of devices (8), "
                "data=4,fsdp=2, data=2,fsdp=2,tensor=2, or auto"
            )
        axes[name] = int(size)
    return {name: axes.get(name, 1) for name in AXES if name in axes or name == DATA}


def make(spec: str | int | Mapping[str, int] | Mesh = "auto") -> Mesh:
    """The mesh a run asked for.

    On a machine without an accelerator, missing devices are made: virtual CPU devices compute the
    same numbers as real ones would, more slowly. On an accelerator they are refused. Virtual
    devices can only be made before JAX is first used in the process.
    """
    if isinstance(spec, Mesh):
        return spec
    axes = parse(spec) if isinstance(spec, str | int) else dict(spec)
    wanted = math.prod(axes.values()) if axes else None
    each = -(-(wanted or 1) // processes.count())
    virtual = each > 1 and offer_virtual_devices(each)
    devices = jax.devices()
    _require_joined(len(devices), wanted)
    if processes.count() > 1 and devices[0].platform == "cpu":
        # A program read back from the cache has run its collectives in another order on each
        # process, and gloo then aborts ("collective mismatch"): measured with jaxlib 0.10.2, two
        # processes of four devices, optimizations off.
        jax.config.update("jax_enable_compilation_cache", False)
    kind = devices[0].device_kind if devices[0].platform != "cpu" else "CPU"
    if axes is None or wanted is None:
        axes = {DATA: len(devices)}
    elif wanted > len(devices):
        has = f"{len(devices)} device{'s' if len(devices) > 1 else ''} ({kind})"
        if devices[0].platform == "cpu":
            raise ValueError(
                f"--mesh wants {wanted} devices and JAX has already started with {has}: set the "
                f"environment variable JAX_NUM_CPU_DEVICES={wanted} before Python starts, or use "
                "--mesh auto"
            )
        raise ValueError(
            f"--mesh wants {wanted} devices and this machine has {has}: use --mesh {len(devices)} "
            "or --mesh auto"
        )
    elif virtual and devices[0].platform == "cpu" and processes.first():
        print(f"made {wanted} virtual devices on this CPU: a rehearsal of the mesh, not a speed-up")
    return of_devices(axes, devices[: math.prod(axes.values())])


def of_devices(axes: Mapping[str, int], devices: Sequence[jax.Device]) -> Mesh:
    """The mesh of so many devices along each axis, whether they are here or only described."""
    return jax.make_mesh(
        tuple(axes.values()),
        tuple(axes),
        axis_types=(jax.sharding.AxisType.Auto,) * len(axes),
        devices=devices,
    )


def _require_joined(there: int, wanted: int | None) -> None:
    """Refuse a mesh that leaves out processes, or one of processes that do not know each other."""
    if jax.process_count() != processes.count():
        raise ValueError(
            f"this is one of {jax.process_count()} processes of JAX: add --hosts auto, or "
            'call mat_jax.utils.processes.begin("auto") first'
        )
    if processes.count() > 1 and wanted is not None and wanted < there:
        raise ValueError(
            f"--mesh wants {wanted} devices and {processes.count()} processes have {there}: every "
            f"process computes, so use --mesh {there} or --mesh auto"
        )


def offer_virtual_devices(count: int) -> bool:
    """Ask for `count` CPU devices; False where JAX has already started."""
    # XLA sizes its thread pool by NPROC; with more devices than threads a collective can wait for
    # ever for a device that never gets to run (measured: 2 cores, 8 devices).
    os.environ["NPROC"] = str(max(16, 2 * count, int(os.environ.get("NPROC", "0") or 0)))
    try:
        if jax.config.jax_num_cpu_devices < count:  # type: ignore[attr-defined]
            jax.config.update("jax_num_cpu_devices", count)
            return True
    except RuntimeError:  # the backend is running: its number of devices is settled
        pass
    return False


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Leading dimension over `data` and `fsdp`."""
    return NamedSharding(mesh, PartitionSpec(tuple(a for a in BATCH if a in mesh.shape)))


def replicated(mesh: Mesh) -> NamedSharding:
    """The whole array on every device."""
    return NamedSharding(mesh, PartitionSpec())


def check_batch_size(mesh: Mesh, batch_size: int, micro_batch: int | None = None) -> None:
    """Raise if a batch, or what is encoded of it at once, cannot be divided over the mesh."""
    parts = math.prod(mesh.shape.get(axis, 1) for axis in BATCH)
    for name, size in (("batch_size", batch_size), ("micro_batch", micro_batch)):
        if size is not None and size % parts:
            near = max(parts, round(size / parts) * parts)
            raise ValueError(
                f"{name} {size} does not divide over {parts} devices: use "
                f"--set {name}={near}, or another --mesh"
            )
