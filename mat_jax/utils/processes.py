"""Several processes that are one run: how they begin, what they share, how they end together.

With one process every function here is what its name says for one: nothing waits, nothing is sent.
"""

import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
from jax._src import distributed

from mat_jax.utils.files import alone, write_text
from mat_jax.utils.watch import Watch

CONNECT = 300  # seconds in which all processes must have begun
FOREVER = 7 * 24 * 3600 * 1000  # milliseconds: who waits is ended by the watch, not by the clock
PIECE = 1 << 20  # bytes of a message; the service takes no longer ones than 4 MiB
# A variable that a launcher sets, of more than one process: how many there are.
LAUNCHERS = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")

HOSTS = "processes of this run; auto: as SLURM, Open MPI or the TPU slice says"
COORDINATOR = "host and port of process 0, with --hosts N"
PROCESS = "which process this is, from 0, with --hosts N"

_watch: Watch | None = None
_calls = 0  # of `broadcast`, `barrier` and `total`: all processes make the same ones in one order


def begin(hosts: str | None, coordinator: str | None = None, process: int | None = None) -> None:
    """Join the other processes, if there are any; before JAX is used.

    Args:
        hosts: how many processes, with the two others; "auto" asks SLURM, Open MPI or the TPU
            slice; None does so only where a launcher says that it started several.
        coordinator: host and port of process 0, the same on all.
        process: which one this is.

    Raises:
        ValueError: options that do not go together, or a process that does not find the others.
    """
    global _watch
    if hosts is None and (coordinator is not None or process is not None):
        raise ValueError("--coordinator and --process go with --hosts N: say how many there are")
    if hosts is None:
        hosts = "auto" if _launched() else "1"
    if hosts != "auto" and not (hosts.isdigit() and int(hosts) >= 1):
        raise ValueError(f"--hosts is a number of processes, or auto, got {hosts!r}")
    if hosts == "1":
        return
    given: dict[str, Any] = {}
    if hosts != "auto" or coordinator is not None or process is not None:
        given = _given(hosts, coordinator, process)
    # Its handler of SIGTERM, in C++, would take the place of ours.
    jax.config.update("jax_enable_preemption_service", False)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    if (os.cpu_count() or 1) < 16:  # with fewer threads than devices that wait, XLA stands still
        os.environ.setdefault("NPROC", "16")
    try:
        if not jax.distributed.is_initialized():  # a program of one's own may have done so
            jax.distributed.initialize(**given, initialization_timeout=CONNECT)
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"the processes of this run did not find each other ({reason}): start all of them "
            "with the same --hosts and --coordinator, each with its own --process"
        ) from error
    client, many = distributed.global_state.client, _many()
    if client is not None and many > 1:
        _watch = Watch(client, index(), many)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, _terminated)


def _launched() -> bool:
    """Whether a launcher says that it has started several of this command."""
    sizes = [os.environ.get(name, "") for name in LAUNCHERS]
    workers = os.environ.get("TPU_WORKER_HOSTNAMES", "").split(",")
    return any(size.isdigit() and int(size) > 1 for size in sizes) or len(workers) > 1


def _given(hosts: str, coordinator: str | None, process: int | None) -> dict[str, Any]:
    """The arguments of `jax.distributed.initialize` where nothing is to be found out."""
    if hosts == "auto" or coordinator is None or process is None:
        raise ValueError(
            "--hosts N, --coordinator HOST:PORT and --process I go together; --hosts auto goes "
            "alone, on SLURM, Open MPI and TPU slices"
        )
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(
            f"--coordinator is HOST:PORT, 10.0.0.1:8476 for example, got {coordinator}"
        )
    if not 0 <= process < int(hosts):
        raise ValueError(f"--process {process} is not one of {hosts}: 0 to {int(hosts) - 1}")
    given: dict[str, Any] = {
        "coordinator_address": coordinator,
        "num_processes": int(hosts),
        "process_id": process,
        "cluster_detection_method": "deactivate",
    }
    if host in ("localhost", "127.0.0.1"):  # then nobody else has any business there
        given["coordinator_bind_address"] = coordinator
    return given


def _terminated(number: int, frame: Any) -> None:
    fail(
        f"stopped by {signal.Signals(number).name} before there was anything to save", 128 + number
    )


def _many() -> int:
    return distributed.global_state.num_processes if jax.distributed.is_initialized() else 1


def count() -> int:
    """How many processes the run has. Does not start JAX."""
    return 1 if _watch is None else _many()


def index() -> int:
    """Which of them this is, from 0. Does not start JAX."""
    return distributed.global_state.process_id if jax.distributed.is_initialized() else 0


def first() -> bool:
    """Whether this process writes what is written once."""
    return index() == 0


def watch() -> Watch | None:
    """The watch over the other processes; None where there are none."""
    return _watch


def _key() -> str:
    global _calls
    _calls += 1
    return f"mat_jax/call/{_calls}"


def barrier() -> None:
    """Until all processes have come here."""
    if _watch is not None:
        distributed.global_state.client.wait_at_barrier(_key(), FOREVER)  # type: ignore[union-attr]


def broadcast(message: bytes | None, source: int = 0) -> bytes:
    """The message of one process, on all of them.

    Args:
        message: what the source sends; of the others it is not looked at.
        source: which process sends.
    """
    if _watch is None:
        assert message is not None
        return message
    client: Any = distributed.global_state.client
    key = _key()
    if index() == source:
        assert message is not None
        pieces = [message[i : i + PIECE] for i in range(0, len(message), PIECE)] or [b""]
        for number, piece in enumerate(pieces):
            client.key_value_set_bytes(f"{key}/{number}", piece)
        client.key_value_set(f"{key}/count", str(len(pieces)))
    else:
        many = int(client.blocking_key_value_get(f"{key}/count", FOREVER))
        found = [client.blocking_key_value_get_bytes(f"{key}/{n}", FOREVER) for n in range(many)]
        message = b"".join(found)
    barrier()
    if index() == source:
        client.key_value_delete(f"{key}/")
    return message


def total(number: int) -> int:
    """The sum of a number over all processes."""
    if _watch is None:
        return number
    client: Any = distributed.global_state.client
    key = _key()
    client.key_value_increment(key, number)
    barrier()
    return int(client.key_value_try_get(key))


def require_same(what: str, value: str) -> None:
    """Refuse to go on where a process has something else than process 0.

    Raises:
        ValueError: on the process that differs; it names what, and both values.
    """
    theirs = broadcast(value.encode()).decode()
    if theirs != value:
        raise ValueError(
            f"{what} of process {index()} and of process 0 differ ({value} and {theirs}): start "
            "all processes with the same command, on the same files"
        )
    barrier()


@contextlib.contextmanager
def together(folder: Path) -> Iterator[None]:
    """`utils.files.alone` of all processes at once: nobody else is in the folder.

    Raises:
        OSError: the folder cannot be written, or is another one to some process.
    """
    with contextlib.ExitStack() as inside:
        if first():
            inside.enter_context(alone(folder))
        if _watch is not None:
            _require_shared(folder)
        yield


def _require_shared(folder: Path) -> None:
    """Refuse a folder that is not the same one on all processes' disks."""
    mark = folder / ".processes"
    token = broadcast(os.urandom(8).hex().encode()).decode()
    if first():
        write_text(mark, token)
    barrier()
    if not mark.is_file() or mark.read_text() != token:
        raise OSError(
            f"process {index()} does not see in {folder} what process 0 wrote there: give a "
            "--workdir on a disk that all machines share"
        )
    barrier()
    if first():
        mark.unlink(missing_ok=True)


def fail(text: str, code: int) -> int:
    """Say why this process ends, and end all others with it; one alone returns the code."""
    if _watch is not None:
        _watch.fail(text, code)
    print(text, file=sys.stderr)
    return code


def finish(code: int, text: str = "") -> int:
    """All processes are done, with the same exit code; process 0 says so."""
    global _watch
    if _watch is not None:
        text = text if first() else ""
        barrier()
        _watch.close()
        _watch = None
        jax.distributed.shutdown()
    if text:
        print(text, file=sys.stderr)
    return code


def run(main: Callable[[], int]) -> int:
    """A command's exit code; where it breaks down, all processes end."""
    try:
        return main()
    except Exception as error:
        if _watch is None:
            raise
        if isinstance(error, jax.errors.JaxRuntimeError):  # another's end looks like this from here
            _watch.wait_for_cause()
        traceback.print_exc()
        return fail(f"error: {type(error).__name__}: {str(error).partition(chr(10))[0]}", 1)
