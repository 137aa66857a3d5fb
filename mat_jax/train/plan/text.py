"""A plan as a person reads it."""

from mat_jax.train.plan.record import Plan
from mat_jax.train.plan.shapes import CAPTIONS, PARTS, WORDS
from mat_jax.utils.room import bytes_text

NAMES = {"perturb": "attack", "gradient": "update", "optimizer": "optimizer", "": "elsewhere"}


def format_plan(plan: Plan, other: Plan | None = None) -> str:
    """The lines of a plan; `other` is one that fits where it does not."""
    chip = plan.chip
    where = f"{plan.devices} x {chip.name}" if chip else f"this machine's {plan.devices}"
    mesh = ",".join(f"{axis}={size}" for axis, size in plan.mesh.items())
    each = plan.batch_size // plan.devices
    rows = f", {plan.micro_batch} encoded at once" if plan.micro_batch else ""
    lines = [
        ("plan", f"{plan.name} on {where}, --mesh {mesh}"),
        ("model", f"{plan.family}, {plan.weights / 1e6:,.1f} M weights, of which "
                  f"{plan.trained / 1e6:,.1f} M train, in {plan.dtype}, remat {plan.remat}"),
        ("batch", f"{plan.batch_size:,} images, {each:,} on each device{rows}"),
        ("assumed", f"captions of full length, of at most {WORDS} words of {PARTS} ids, "
                    f"{CAPTIONS} of an image where all are taken"),
        ("work", _work(plan)),
        ("memory", _memory(plan)),
    ]  # fmt: skip
    lines += [("collectives", one) for one in _talk(plan)]
    if chip is not None:
        times = ", ".join(f"{name} {seconds(one)}" for name, one in plan.seconds.items())
        lines += [
            ("a step", f"at best {seconds(plan.at_best)} ({times}): at most "
                       f"{100 * plan.utilisation:.0f} % of the peak"),
            ("the run", f"{plan.steps:,} steps, at best {_hours(plan.hours)}, "
                        f"{_hours(plan.hours * plan.devices)} of one device"),
            ("peaks", f"{chip.source}; real runs take longer than the best"),
        ]  # fmt: skip
    made = {"cpu": "XLA for CPUs, cut for as many devices", "tpu": "libtpu"}
    by = made.get(plan.compiler, f"XLA for {plan.compiler}")
    lines.append(("compiled", f"by {by}, in {plan.compiled_in:.0f} s"))
    if plan.fits is False:
        lines.append(("try", _suggestion(other)))
    return "\n".join(f"{name:<12} {text}" for name, text in lines)


def _work(plan: Plan) -> str:
    total = plan.all_work.operations or 1.0
    parts = [
        f"{NAMES[part]} {operations(work.operations)} ({100 * work.operations / total:.0f} %)"
        for part, work in plan.work.items()
        if work.operations
    ]
    return f"{operations(total)} a step: {', '.join(parts)}"


def _memory(plan: Plan) -> str:
    memory = plan.memory
    parts = {
        "weights": memory.weights, "optimizer": memory.optimizer, "original": memory.original,
        "batch": memory.batch, "temporary": memory.temporary,
    }  # fmt: skip
    said = ", ".join(f"{name} {_bytes(size)}" for name, size in parts.items() if size)
    text = f"{_bytes(memory.total)} on each device: {said}"
    if plan.chip is None:
        return text
    verdict = "fits" if plan.fits else "does not fit"
    return f"{text}; {verdict} into {_bytes(plan.chip.memory)}"


def _talk(plan: Plan) -> list[str]:
    return [
        f"{NAMES[one.part]}: {one.count} {one.kind}, {_bytes(one.sent)} sent by each device"
        for one in plan.talk
    ] or ["none" if plan.memory.compiled is not None else "not known, for it was not compiled"]


def _suggestion(other: Plan | None) -> str:
    if other is None:
        return (
            "more devices, a smaller batch, or --mesh with fsdp: nothing smaller was found to fit"
        )
    mesh = ",".join(f"{axis}={size}" for axis, size in other.mesh.items())
    rows = f" micro_batch={other.micro_batch}" if other.micro_batch else ""
    return (
        f"--mesh {mesh} --set remat={other.remat} scan={other.scan}{rows}: "
        f"{_bytes(other.memory.total)}, which fits"
    )


def operations(count: float) -> str:
    """`12.3 TFLOP`."""
    for unit in ("", "k", "M", "G", "T"):
        if count < 1000:
            return f"{count:.3g} {unit}FLOP"
        count /= 1000
    return f"{count:,.3g} PFLOP"


def seconds(time: float) -> str:
    """`12.3 ms`."""
    return f"{time:.3g} s" if time >= 1 else f"{1000 * time:.3g} ms"


def _bytes(count: int | float) -> str:
    return bytes_text(float(count))


def _hours(hours: float) -> str:
    if hours < 1 / 60:
        return seconds(3600 * hours)
    return f"{hours:,.3g} hours" if hours >= 1 else f"{60 * hours:.2g} minutes"
