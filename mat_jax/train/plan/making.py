"""Plans, made by compiling a step for devices that need not be here."""

import math
import re
import time
from collections import defaultdict
from dataclasses import replace
from typing import Any

import jax

from mat_jax.train import mesh as meshes
from mat_jax.train.experiment import Experiment
from mat_jax.train.plan.chips import Topology
from mat_jax.train.plan.collectives import collectives_in
from mat_jax.train.plan.operations import PARTS, work_by_part
from mat_jax.train.plan.record import Memory, Plan, Talk
from mat_jax.train.plan.shapes import OPEN_WORDS, WORDS, Shapes, bytes_here, shapes_of
from mat_jax.utils.devices import BATCH, DATA, FSDP

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
ROOM = 0.9  # of a chip's memory that a suggestion may fill
TRIES = 3  # suggestions that are compiled before none is made


def planned(experiment: Experiment, name: str, mesh: str, topology: Topology) -> Plan:
    """The plan of an experiment on a mesh of these chips.

    Work is counted in the traced program, and what is given to a step in its shapes. Temporaries
    and collectives are the compiled program's: libtpu's for TPUs, else XLA's for CPUs, cut for as
    many devices. A GPU's program is cut alike and fused otherwise.

    Args:
        experiment: what would run.
        name: what to call it.
        mesh: as for `--mesh`; "auto" divides the batch over all.
        topology: the chips.

    Raises:
        ValueError: a mesh of another number of devices, or a batch that it does not divide.
        FileNotFoundError: a model that is not here and whose sizes are not known.
    """
    axes = meshes.parse(mesh) or {DATA: topology.count}
    if math.prod(axes.values()) != topology.count:
        raise ValueError(
            f"--mesh {mesh} has {math.prod(axes.values())} devices and {topology.text} has "
            f"{topology.count}: give a mesh of {topology.count}, or auto"
        )
    devices = meshes.of_devices(axes, topology.devices())
    meshes.check_batch_size(devices, experiment.batch_size, experiment.micro_batch)
    shapes = shapes_of(experiment)
    traced = shapes.traced(devices)
    begin = time.perf_counter()
    talk: tuple[Talk, ...] = ()
    given: int | None = None
    try:
        compiled = traced.lower().compile()
    except jax.errors.JaxRuntimeError as error:
        temporary = _asked(str(error)) - _given(shapes, devices).given
        if temporary <= 0:
            raise
    else:
        said = compiled.memory_analysis()
        given = said.argument_size_in_bytes
        kept = said.output_size_in_bytes - said.alias_size_in_bytes
        temporary = said.temp_size_in_bytes + kept
        talk = _talk(compiled.as_text(), topology.count)
    return Plan(
        name=name,
        family=type(shapes.model).__name__,
        topology=topology.text,
        chip=topology.chip,
        mesh=axes,
        batch_size=experiment.batch_size,
        micro_batch=experiment.micro_batch,
        remat=experiment.remat,
        scan=experiment.scan,
        dtype=experiment.dtype or "float32",
        steps=experiment.steps,
        weights=_count((shapes.state.trained, shapes.state.frozen)),
        trained=_count(shapes.state.trained),
        work=work_by_part(traced.jaxpr, share=OPEN_WORDS / WORDS),
        memory=replace(_given(shapes, devices), temporary=temporary, compiled=given),
        talk=talk,
        compiled_in=time.perf_counter() - begin,
        compiler=next(iter(devices.devices.flat)).platform,
    )


def suggested(experiment: Experiment, plan: Plan, topology: Topology) -> Plan | None:
    """A plan that fits where `plan` does not, the nearest to it; None where none was found.

    Weights that fill half of the memory are split over `fsdp`. Then blocks are computed twice, and
    what is encoded at once is halved until the temporaries, which grow with it, leave a tenth of
    the memory free. What this rule finds is compiled, and halved again if it was wrong.
    """
    if plan.chip is None:
        return None
    fixed, mesh = plan.memory.given, dict(plan.mesh)
    if fixed > plan.chip.memory / 2 and topology.count > 1:
        mesh = {FSDP: topology.count}
    experiment = replace(experiment, remat="blocks", scan=True)
    parts = math.prod(mesh.get(axis, 1) for axis in BATCH)
    rows: int | None = experiment.micro_batch
    for _ in range(TRIES):
        text = ",".join(f"{axis}={size}" for axis, size in mesh.items())
        experiment = replace(experiment, micro_batch=rows)
        found = planned(experiment, plan.name, text, topology)
        room = ROOM * plan.chip.memory
        if found.memory.total <= room:
            return found
        now = rows or experiment.batch_size
        share = (room - found.memory.given) / found.memory.temporary
        fewer = [
            n for n in range(parts, now, parts)
            if experiment.batch_size % n == 0 and n <= max(now * share, parts)
        ]  # fmt: skip
        if not fewer:
            return None
        rows = fewer[-1]
    return None


def _given(shapes: Shapes, mesh: Any) -> Memory:
    state, reference, batch = shapes.places(mesh)
    one = shapes.state
    return Memory(
        weights=bytes_here((one.trained, one.frozen), (state.trained, state.frozen)),
        optimizer=bytes_here(one.optimizer, state.optimizer),
        original=bytes_here(shapes.reference, reference),
        batch=bytes_here(shapes.batch, batch),
        temporary=0,
    )


def _talk(text: str, devices: int) -> tuple[Talk, ...]:
    found: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0, 0.0])
    for one in collectives_in(text):
        part = next((part for part in PARTS if part in one.source), "")
        total = found[part, one.kind]
        total[0] += one.times
        total[1] += one.times * one.sent(devices)
    return tuple(Talk(*key, int(n), float(sent)) for key, (n, sent) in sorted(found.items()))


def _asked(text: str) -> int:
    """Bytes that XLA would have needed, from its refusal: `Used 20.50G of 15.75G hbm`."""
    found = re.search(r"Used ([\d.]+)([KMGT]?)i?B? of", text)
    return int(float(found[1]) * UNITS[found[2]]) if found else 0


def _count(tree: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))
