"""The run: `fit(experiment, workdir)` prepares, trains, resumes, stops cleanly and exports."""

import contextlib
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
from flax import nnx
from jax.sharding import Mesh

from mat_jax.train import mesh as meshes
from mat_jax.train import sharding
from mat_jax.train import state as states
from mat_jax.train.checkpoint import Checkpoints
from mat_jax.train.experiment import Experiment
from mat_jax.train.logging import Recorder, require_finite
from mat_jax.train.lora import Merging
from mat_jax.train.optimizers import average_of
from mat_jax.train.state import Layout, State, Weights
from mat_jax.train.step import clamp_scale, compile_step
from mat_jax.types.arrays import Batch


class Stopped(Exception):
    """A run that was asked to stop (SIGTERM, SIGINT) and has saved; the same command goes on."""

    def __init__(self, number: int, step: int, workdir: Path) -> None:
        self.exit_code = 128 + number
        name = signal.Signals(number).name
        super().__init__(
            f"stopped by {name} at step {step}, saved in {workdir}: the same command goes on"
        )


class Prefetch:
    """Prepares batches on a thread, two ahead, each with the iterator's state right after it.

    Decoding, batching and the copy to the devices of the next batch overlap the devices' work on
    this one. The state that goes into a checkpoint is that of the last batch *used*, not drawn.
    """

    def __init__(self, batches: Iterator[Batch], mesh: Mesh, depth: int = 2) -> None:
        self._queue: queue.Queue = queue.Queue(maxsize=depth)
        self._stop = threading.Event()
        self._sharding = meshes.batch_sharding(mesh)
        self._thread = threading.Thread(target=self._fill, args=(batches,), daemon=True)
        self._thread.start()

    def _fill(self, batches: Iterator[Batch]) -> None:
        try:
            while not self._stop.is_set():
                batch = jax.device_put(next(batches), self._sharding)
                self._put((batch, _iterator_state(batches)))
        except BaseException as error:  # handed to the loop, which raises it
            self._put(error)

    def _put(self, item: Any) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=0.1)
                return

    def next(self) -> tuple[Batch, Any]:
        """The next batch, on the devices, and the iterator's state after it."""
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
        for number, handler in before.items():
            signal.signal(number, handler)


def train(
    experiment: Experiment,
    model: nnx.Module,
    batches: Any,
    workdir: Path,
    mesh: Mesh,
    *,
    quiet: bool = False,
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

    Raises:
        Stopped: on SIGTERM or SIGINT, after saving.
    """
    layout, state = begin(experiment, model)
    shardings = sharding.state_shardings(mesh, state)
    reference = _reference(experiment, model, mesh)
    checkpoints = Checkpoints(
        workdir / "checkpoints", every=experiment.checkpoint_every, keep=experiment.keep
    )
    with contextlib.closing(checkpoints):
        step = checkpoints.latest() or 0
        if step:
            state, iterator = checkpoints.restore(state, shardings)
            _set_iterator_state(batches, iterator)
            if not quiet:
                print(f"going on from step {step} of {workdir}", file=sys.stderr)
        else:
            state = jax.device_put(state, shardings)
        run = compile_step(
            layout,
            experiment.defense,
            experiment.optimizer,
            mesh,
            state,
            experiment.schedule,
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
            )
            prefetch = Prefetch(batches, mesh)
            with contextlib.closing(recorder), contextlib.closing(prefetch), _signals() as caught:
                while step < experiment.steps:
                    batch, iterator = prefetch.next()
                    state, metrics = run(state, reference, batch)
                    step += 1
                    recorder.record(step, metrics)
                    if checkpoints.due(step) or step == experiment.steps or caught:
                        # Lines up to a checkpoint are on disk before it is.
                        recorder.flush()
                        require_finite(step, metrics)
                        checkpoints.save(step, state, iterator)
                    if caught and step < experiment.steps:
                        checkpoints.wait()
                        raise Stopped(caught[0], step, workdir)
    average = average_of(state.optimizer)
    trained = state.trained if average is None else clamp_scale(average)
    return layout.model({**trained, **state.frozen})


def begin(experiment: Experiment, model: nnx.Module) -> tuple[Layout | Merging, State]:
    """The state before the first step, which is what a checkpoint holds, and its layout."""
    layout, weights = states.flatten(model)
    trains = experiment.defense.trains
    if experiment.lora is not None:
        layout, weights, trains = experiment.lora.put_on(layout, weights, trains, experiment.seed)
    return layout, states.create(weights, experiment.optimizer, trains, experiment.seed)


def _reference(experiment: Experiment, model: nnx.Module, mesh: Mesh) -> Weights | None:
    """The frozen original's weights, where the defence asks for them."""
    if not experiment.defense.needs_reference:
        return None
    weights = states.flatten(model)[1]
    return jax.device_put(weights, sharding.state_shardings(mesh, weights))
