"""The run: `fit(experiment, workdir)` prepares, trains, resumes, stops cleanly and exports."""

import contextlib
import queue
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from flax import nnx
from jax.sharding import Mesh

from mat_jax.data.pipeline import Replaces
from mat_jax.train import sharding
from mat_jax.train import state as states
from mat_jax.train.checkpoint import Checkpoints
from mat_jax.train.experiment import Experiment
from mat_jax.train.faults import Broke, Faults
from mat_jax.train.logging import Recorder
from mat_jax.train.lora import Merging
from mat_jax.train.optimizers import average_of
from mat_jax.train.placing import BatchRows, placed, whole
from mat_jax.train.profiling import Profiler
from mat_jax.train.state import Layout, State, Weights
from mat_jax.train.step import Step, clamp_scale, compile_step
from mat_jax.train.trackers import Tracker
from mat_jax.types.arrays import Batch
from mat_jax.utils import processes
from mat_jax.utils.room import room_for


class Stopped(Exception):
    """A run that was asked to stop (SIGTERM, SIGINT) and has saved; the same command goes on."""

    def __init__(self, number: int, step: int, workdir: Path, steps: int = 0) -> None:
        self.exit_code = 128 + number
        name = signal.Signals(number).name
        left = f", {steps - step} of {steps} steps are left" if steps else ""
        super().__init__(
            f"stopped by {name} at step {step}, saved in {workdir}: the same command goes on{left}"
        )


class Prefetch:
    """Prepares batches on a thread, two ahead, each with the iterator's state right after it.

    Decoding, batching and the copy to the devices of the next batch overlap the devices' work on
    this one. The state that goes into a checkpoint is that of the last batch *used*, not drawn.
    """

    def __init__(
        self, batches: Iterator[Batch], mesh: Mesh, batch_size: int, depth: int = 2
    ) -> None:
        self._queue: queue.Queue = queue.Queue(maxsize=depth)
        self._stop = threading.Event()
        self._rows = BatchRows(mesh, batch_size)
        self._thread = threading.Thread(target=self._fill, args=(batches,), daemon=True)
        self._thread.start()

    def _fill(self, batches: Iterator[Batch]) -> None:
        try:
            while not self._stop.is_set():
                batch = self._rows.placed(next(batches))
                replaced = batches.replaced if isinstance(batches, Replaces) else 0
                self._put((batch, _iterator_state(batches), replaced))
        except BaseException as error:  # handed to the loop, which raises it
            self._put(error)

    def _put(self, item: Any) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=0.1)
                return

    def next(self) -> tuple[Batch, Any, int]:
        """The next batch, on the devices; the iterator's state after it; examples replaced."""
        item = self._queue.get()
        if isinstance(item, StopIteration):
            raise ValueError("the training data came to an end: a pipeline must repeat its corpus")
        if isinstance(item, BaseException):
            raise item
        return item

    def close(self) -> None:
        """Stop the thread."""
        self._stop.set()
        self._thread.join()


def _iterator_state(batches: Any) -> Any:
    """A grain iterator's state as a JSON value."""
    state = batches.get_state()
    return {"bytes": state.decode("utf-8")} if isinstance(state, bytes) else state


def _set_iterator_state(batches: Any, state: Any) -> None:
    try:
        if state is None:
            raise ValueError("nothing")
        if isinstance(state, dict) and set(state) == {"bytes"}:
            state = state["bytes"].encode("utf-8")
        batches.set_state(state)
    except Exception as error:  # grain refuses in many ways what it did not write
        raise ValueError(
            "the checkpoint does not say where the data stood: remove its folder to go on from the "
            "one before, or --resume never to start over"
        ) from error


@contextlib.contextmanager
def _signals() -> Iterator[list[int]]:
    """Collects SIGTERM and SIGINT while inside; a second one acts as it always did."""
    caught: list[int] = []
    before: dict[int, Any] = {}

    def note(number: int, frame: Any) -> None:
        caught.append(number)
        if (watch := processes.watch()) is not None:
            watch.ask_to_stop(number)
        signal.signal(number, before[number])
        sys.stderr.write("\nstopping after this step; once more to stop at once\n")

    # Only the main thread may set handlers; elsewhere (a notebook's worker) the run just runs.
    if threading.current_thread() is threading.main_thread():
        before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}
        for number in before:
            signal.signal(number, note)
    try:
        yield caught
    finally:
        if (watch := processes.watch()) is not None:
            watch.rest()
        for number, handler in before.items():
            signal.signal(number, handler)


def _stopping(step: int, caught: list[int]) -> int | None:
    """The signal for which the run stops after this step, the same on all processes."""
    watch = processes.watch()
    if watch is not None:
        return watch.stops_at(step)
    return caught[0] if caught else None


def train(
    experiment: Experiment,
    model: nnx.Module,
    batches: Any,
    workdir: Path,
    mesh: Mesh,
    *,
    quiet: bool = False,
    trackers: Sequence[Tracker] = (),
    profile: int = 0,
) -> Any:
    """Train, or go on training, and return the model; checkpoints and metrics in `workdir`.

    The model has the mean of the weights if the optimizer keeps one (`train.optimizers.averaged`).

    Args:
        experiment: what to run.
        model: the model as the experiment starts from it; left as it is.
        batches: iterator of host batches with `get_state` and `set_state`.
        workdir: the run's folder.
        mesh: from `mat_jax.train.mesh.make`.
        quiet: no progress line.
        trackers: get the lines of `metrics.jsonl` too; they are the caller's to close.
        profile: steps whose trace is written into `workdir/profile`.

    Raises:
        Stopped: on SIGTERM or SIGINT, after saving.
    """
    quiet = quiet or not processes.first()
    layout, state = begin(experiment, model)
    shardings = sharding.state_shardings(mesh, state)
    reference = _reference(experiment, model, state, mesh)
    checkpoints = Checkpoints(
        workdir / "checkpoints", every=experiment.checkpoint_every, keep=experiment.keep
    )
    faults = Faults(experiment.on_nan, experiment.on_bad_data, quiet=quiet)
    with contextlib.closing(checkpoints):
        step = checkpoints.latest() or 0
        if step:
            state, iterator = checkpoints.restore(state, shardings)
            _set_iterator_state(batches, faults.loaded(iterator))
            if not quiet:
                print(f"going on from step {step} of {workdir}", file=sys.stderr)
        else:
            state = placed(state, shardings)
        run: Step = compile_step(
            layout,
            experiment.defense,
            experiment.optimizer,
            mesh,
            state,
            experiment.schedule,
            guarded=experiment.on_nan != "stop",
            memory=experiment.memory,
            dtype=experiment.dtype,
        )
        if step < experiment.steps:
            recorder = Recorder(
                workdir / "metrics.jsonl",
                start=step,
                steps=experiment.steps,
                batch_size=experiment.batch_size,
                every=experiment.log_every,
                quiet=quiet,
                writes=processes.first(),
                check=faults.check,
                trackers=trackers,
            )
            prefetch = Prefetch(batches, mesh, experiment.batch_size)
            profiler = Profiler(workdir / "profile", profile, start=step, quiet=quiet)
            with (
                contextlib.closing(recorder),
                contextlib.closing(prefetch),
                contextlib.closing(profiler),
                _signals() as caught,
                room_for("a step of training, attack and update", *smaller(experiment)),
            ):
                ready: Step | None = None
                while step < experiment.steps:
                    with profiler.waiting(step + 1):
                        batch, iterator, replaced = prefetch.next()
                    if ready is None:
                        ready = run = _compiled(run, state, reference, batch)
                    with profiler.step(step + 1):
                        state, metrics = run(state, reference, batch)
                    step += 1
                    profiler.after(step, metrics)
                    metrics = faults.noted(metrics)
                    if recorder.due(step):
                        metrics |= faults.extra(replaced)
                    stopping = _stopping(step, caught)
                    try:
                        recorder.record(step, metrics)
                        if checkpoints.due(step) or step == experiment.steps or stopping:
                            # Lines up to a checkpoint are on disk before it is.
                            recorder.flush()
                            faults.check(step, metrics)
                            checkpoints.save(step, state, faults.saved(iterator, replaced))
                    except Broke as why:
                        checkpoints.wait()
                        step = checkpoints.latest() or 0
                        faults.goes_back(why, step)
                        if step:
                            state, _ = checkpoints.restore(state, shardings)
                        else:
                            state = placed(begin(experiment, model)[1], shardings)
                        recorder.go_back(step)
                    if stopping and step < experiment.steps:
                        checkpoints.wait()
                        raise Stopped(stopping, step, workdir, experiment.steps)
    average = average_of(state.optimizer)
    trained = state.trained if average is None else average
    weights = whole({**trained, **state.frozen})
    return layout.model(weights if average is None else clamp_scale(weights))


def smaller(experiment: Experiment) -> tuple[str, ...]:
    """Settings with which a step needs less memory, and computes nearly the same."""
    half = (experiment.micro_batch or experiment.batch_size) // 2
    found = [f"micro_batch={half}"] if half and experiment.batch_size % half == 0 else []
    found += ['remat="blocks"'] * (experiment.remat != "blocks")
    found += ['dtype="bfloat16"'] * (experiment.dtype != "bfloat16")
    if experiment.batch_size > 1:
        found.append(f"batch_size={experiment.batch_size // 2}")
    return tuple(found)


def _compiled(step: Step, state: State, reference: Weights | None, batch: Batch) -> Step:
    """The step; of several processes compiled on all of them before any goes on.

    Else one that compiles faster waits in a collective, whose patience is short.
    """
    if processes.count() == 1:
        return step
    compiled = step.lower(state, reference, batch).compile()  # type: ignore[attr-defined]
    processes.barrier()
    return compiled


def begin(experiment: Experiment, model: nnx.Module) -> tuple[Layout | Merging, State]:
    """The state before the first step, which is what a checkpoint holds, and its layout."""
    layout, weights = states.flatten(model)
    trains = experiment.defense.trains
    if experiment.lora is not None:
        layout, weights, trains = experiment.lora.put_on(layout, weights, trains, experiment.seed)
    return layout, states.create(weights, experiment.optimizer, trains, experiment.seed)


def _reference(
    experiment: Experiment, model: nnx.Module, state: State, mesh: Mesh
) -> Weights | None:
    """The frozen original's weights that the state has not, where the defence asks for them."""
    if not experiment.defense.needs_reference:
        return None
    weights = states.original(states.flatten(model)[1], state)
    return placed(weights, sharding.state_shardings(mesh, weights))
