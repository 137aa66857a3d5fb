"""Checkpoints: the only file that knows Orbax.

A checkpoint holds the whole state (weights, optimizer, step, key) and, as JSON beside it, where
the data iterator stood. It is written in the background to a temporary folder and renamed, so a
run killed at any moment leaves whole checkpoints only. Restoring works onto any mesh, of any number
of processes; each writes its own part.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from errno import ENOSPC
from pathlib import Path
from typing import Any

import jax

try:  # Orbax is moving its new interface out of `experimental`
    from orbax.checkpoint import v1 as ocp
except ImportError:
    from orbax.checkpoint.experimental import v1 as ocp

from mat_jax.train.state import State
from mat_jax.utils import processes
from mat_jax.utils.quiet import without


class OtherModel(ValueError):
    """The folder holds checkpoints of a model with other weights, or of another optimizer."""


class Checkpoints:
    """The checkpoints of one run, newest last; at most `keep` of them stay on disk."""

    def __init__(self, directory: Path, *, every: int, keep: int) -> None:
        policies = ocp.training.save_decision_policies
        with contextlib.ExitStack() as stack:
            stack.enter_context(without("orbax"))  # it logs, with its stack, what it raises as well
            with _readable(directory, "use another --workdir"):
                self._orbax = ocp.training.Checkpointer(
                    directory.absolute(),
                    save_decision_policy=policies.FixedIntervalPolicy(every),
                    preservation_policy=ocp.training.preservation_policies.LatestN(keep),
                    cleanup_tmp_directories=True,
                )
            self._silence = stack.pop_all()
        self._directory = directory
        self._every = every
        self._failed = False

    def latest(self) -> int | None:
        """The step of the newest checkpoint, None where there is none."""
        found = self._orbax.latest
        return None if found is None else int(found.step)

    def due(self, step: int) -> bool:
        """Whether a checkpoint is due at this step."""
        return step % self._every == 0

    def save(self, step: int, state: State, iterator: Any) -> None:
        """Start saving. The state may be donated as soon as this returns.

        Args:
            step: number of updates made.
            state: the training state.
            iterator: where the data iterator stands, a JSON value.

        Raises:
            OSError: no space left, for this checkpoint or the one before it.
        """
        if self.latest() == step:
            return
        with self._no_space():
            self._orbax.save_async(
                step,
                state._asdict(),
                force=True,
                custom_metadata={
                    "iterator": iterator,
                    "weights": shapes(state),
                    "optimizer": optimizer_shapes(state),
                },
            )

    def restore(self, state: State, shardings: Any) -> tuple[State, Any]:
        """The newest checkpoint, as (state, iterator).

        Args:
            state: gives the names, shapes and types expected.
            shardings: where each array goes; the mesh need not be the one that saved.

        Raises:
            OtherModel: the checkpoint's weights, or its optimizer's, have other names, shapes or
            types.
            ValueError: it is damaged, or was not written here.
        """
        step = self.latest()
        with _readable(self._directory / str(step)):
            notes = dict(self._orbax.metadata(step).custom_metadata or {})
            if not isinstance(notes.get("weights", {}), dict) or "iterator" not in notes:
                raise ValueError("it does not say what it holds, or where the data stood")
        self._check_model(notes.get("weights"), shapes(state))
        if notes.get("optimizer", optimizer_shapes(state)) != optimizer_shapes(state):
            raise OtherModel(
                f"the checkpoint in {self._directory} was made by another optimizer: use another "
                "--workdir, or --resume never to start over in this one"
            )
        target = jax.tree.map(
            lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
            state,
            shardings,
        )
        with _readable(self._directory / str(step)):
            restored = self._orbax.load(step, target._asdict())
        return State(**restored), notes.get("iterator")

    def _check_model(self, saved: dict[str, Any] | None, wanted: dict[str, Any]) -> None:
        if saved is None or saved == wanted:
            return
        names = [n for n in [*saved, *wanted] if saved.get(n) != wanted.get(n)]
        there, here = saved.get(names[0], "missing"), wanted.get(names[0], "missing")
        raise OtherModel(
            f"the checkpoint in {self._directory} is of another model ({names[0]} is {there} there "
            f"and {here} here): use another --workdir, or --resume never to start over in this one"
        )

    def wait(self) -> None:
        """Until the last save is on disk."""
        with self._no_space():
            self._orbax._manager.wait_until_finished()

    def close(self) -> None:
        """Wait for the last save, and let go. What was not finished by then is removed."""
        try:
            with self._no_space():
                self._orbax.close()
        finally:
            # Threads of a save that failed may still log; then silence ends with this object.
            if not self._failed:
                self._silence.close()
            if processes.first():
                for half in self._directory.glob("*.orbax-checkpoint-tmp*"):
                    shutil.rmtree(half, ignore_errors=True)

    @contextlib.contextmanager
    def _no_space(self) -> Iterator[None]:
        """A full disk as the OSError it is."""
        try:
            yield
        except (ValueError, OSError) as error:
            self._failed = True
            # Tensorstore writes the arrays; it tells the system's error in its text only.
            if "os_error_code='28'" not in str(error) and getattr(error, "errno", 0) != ENOSPC:
                raise
            raise OSError(ENOSPC, os.strerror(ENOSPC)) from error


@contextlib.contextmanager
def _readable(
    folder: Path, advice: str = "remove that folder to go on from the checkpoint before it"
) -> Iterator[None]:
    """Whatever Orbax raises of files that it did not write, as one sentence.

    It runs nothing that such files name: they hold JSON and numbers, and classes only by names that
    it looks up among its own (`tests/safety_test.py`).
    """
    try:
        yield
    except Exception as error:  # JSON, tensorstore and Orbax refuse in many ways
        if isinstance(error, OSError) and error.errno is not None:  # the system refuses
            raise
        raise ValueError(
            f"{folder} cannot be read, it is damaged or was not written by a run of mat_jax: "
            f"{advice}, or --resume never to start over"
        ) from error


def shapes(state: State) -> dict[str, str]:
    """Weight -> "float32[64,32] trained", what a checkpoint is checked against."""
    return {
        name: f"{leaf.dtype}[{','.join(map(str, leaf.shape))}] {kind}"
        for kind, weights in (("trained", state.trained), ("frozen", state.frozen))
        for name, leaf in weights.items()
    }


def optimizer_shapes(state: State) -> dict[str, str]:
    """The same of all that the optimizer keeps."""
    leaves = jax.tree_util.tree_leaves_with_path(state.optimizer)
    return {
        jax.tree_util.keystr(path): f"{leaf.dtype}[{','.join(map(str, leaf.shape))}]"
        for path, leaf in leaves
    }
