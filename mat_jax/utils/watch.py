"""What the processes of one run tell each other: that they live, get on, failed, or stop.

All goes through the key-value store of JAX's coordination service, which process 0 serves. A thread
of each process looks there a few times a second. So a process hears of another's end while its own
main thread waits in a computation that would never return.
"""

import json
import os
import sys
import threading
import time
from typing import Any, Protocol, runtime_checkable

LOOK = 0.2  # seconds between two looks at what the others tell
BEAT = 2.0  # seconds between two signs of life
LOST = 30.0  # seconds without one, after which a process is taken for dead
STUCK = 1800.0  # seconds without the end of a step on any process, after which all end
ROOM = 5.0  # seconds that process 0 waits for the others to hear of its own end

NEWS, BEATS, HEARD = "mat_jax/news/", "mat_jax/beats/", "mat_jax/heard/"


@runtime_checkable
class Keys(Protocol):
    """What is asked of JAX's client of the coordination service."""

    def key_value_set(self, key: str, value: str, allow_overwrite: bool = False) -> None:
        """Write under a key; an error if it is there already, unless that is allowed."""
        ...

    def key_value_dir_get(self, key: str) -> list[tuple[str, str]]:
        """All keys that begin so, with their values."""
        ...


class Watch:
    """Watches over the other processes, and agrees with them on the step to stop at.

    Args:
        keys: the client of the coordination service.
        index: which process this is.
        count: how many there are.
        lost: seconds without a sign of life, after which a process is taken for dead.
        stuck: seconds between steps in which no process ends one, after which none will.
    """

    def __init__(
        self, keys: Keys, index: int, count: int, *, lost: float = LOST, stuck: float = STUCK
    ) -> None:
        self._keys, self._index, self._count = keys, index, count
        self._lost, self._stuck = lost, stuck
        self._changed = threading.Condition()
        self._step = 0  # the last step boundary that this process has passed
        self._stepping = False  # whether another step is to follow that one
        self._steps: dict[str, int] = {}  # of all processes that are between steps
        self._moved = 0.0  # when process 0 last saw one of these change
        self._asked: int | None = None  # by which signal this process was asked to stop
        self._told = False  # whether the others have been told of that
        self._deciding = False
        self._agreed: tuple[int, int] | None = None  # the step to stop at, and the signal
        self._beats: dict[str, tuple[str, float]] = {}
        self._beaten = 0.0
        self._over = threading.Event()
        self._ending = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def ask_to_stop(self, number: int) -> None:
        """A signal asks this process to stop: then all do. Safe in a signal handler."""
        self._asked = number

    def stops_at(self, step: int) -> int | None:
        """At the boundary after a step: the signal for which all processes stop here, or None.

        All get the same answer at the same step. Each tells the last boundary that it has passed,
        and waits at its next one; all stop one step after the farthest of these. What is waited
        for is told by the threads, so a process that waits here holds up no computation for ever.
        """
        with self._changed:
            self._step, self._stepping = step, True
            while self._deciding:
                self._changed.wait()
            if self._agreed is None or step < self._agreed[0]:
                return None
            return self._agreed[1]

    def rest(self) -> None:
        """No step follows for now, so nothing is stuck if none ends."""
        self._stepping = False

    def fail(self, text: str, code: int) -> None:
        """End this process with an exit code, and with it all others; says why, once."""
        with self._ending:
            try:
                news = json.dumps({"process": self._index, "text": text, "code": code})
                self._keys.key_value_set(f"{NEWS}ended", news)
                _say(text)
                self._wait_until_heard()
            except Exception:  # another was first, or process 0 is gone
                _say(text)
            os._exit(code)

    def close(self) -> None:
        """Stop watching: this process has nothing more to do with the others."""
        self._over.set()
        self._thread.join()

    def wait_for_cause(self) -> None:
        """After a failure that another process may have caused: give it time to be heard of."""
        time.sleep(self._lost + ROOM + 4 * BEAT)

    def _wait_until_heard(self) -> None:
        """The coordination service ends with process 0, so that one waits for the others."""
        deadline = time.monotonic() + ROOM
        while self._index == 0 and time.monotonic() < deadline:
            if len(self._keys.key_value_dir_get(HEARD)) >= self._count - 1:
                return
            time.sleep(LOOK / 2)

    def _run(self) -> None:
        while not self._over.wait(LOOK):
            try:
                self._look()
            except Exception as error:
                if not self._over.is_set():
                    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                    self._end(f"error: process 0 is gone or cannot be reached ({reason})", 1)

    def _look(self) -> None:
        news = {key.removeprefix(NEWS): text for key, text in self._keys.key_value_dir_get(NEWS)}
        if "ended" in news:
            self._follow(json.loads(news["ended"]))
        if self._asked is not None and not self._told:
            self._told = True
            if "stop" not in news:
                self._keys.key_value_set(f"{NEWS}stop", str(self._asked), True)
        if "stop" in news and self._agreed is None:
            self._agree(news)
        if time.monotonic() - self._beaten > BEAT:
            self._beaten = time.monotonic()
            beat = f"{self._beaten} {self._step if self._stepping else ''}"
            self._keys.key_value_set(f"{BEATS}{self._index}", beat, True)
            if self._index == 0:
                self._listen()

    def _agree(self, news: dict[str, str]) -> None:
        with self._changed:
            if not self._deciding:
                self._deciding = True
                self._keys.key_value_set(f"{NEWS}at/{self._index}", str(self._step), True)
            passed = [int(text) for key, text in news.items() if key.startswith("at/")]
            if len(passed) == self._count:
                self._agreed = max(passed) + 1, int(news["stop"])
                self._deciding = False
                self._changed.notify_all()

    def _listen(self) -> None:
        """Process 0 looks for one that has fallen silent."""
        now = time.monotonic()
        for key, beat in self._keys.key_value_dir_get(BEATS):
            if self._beats.get(key, ("", now))[0] != beat:
                self._beats[key] = beat, now
        for key, (_, since) in self._beats.items():
            if now - since > self._lost:
                self.fail(
                    f"error: process {key.removeprefix(BEATS)} has not been heard of for "
                    f"{self._lost:.0f} s: it was killed, or its machine is gone; the same command "
                    "on all goes on from the last checkpoint",
                    1,
                )
        told = {key: beat.split(" ")[1] for key, (beat, _) in self._beats.items()}
        steps = {key.removeprefix(BEATS): int(step) for key, step in told.items() if step}
        if steps != self._steps or len(steps) < self._count:
            self._steps, self._moved = steps, now
        elif now - self._moved > self._stuck:
            behind = [name for name, step in steps.items() if step == min(steps.values())]
            others = f", the others after step {max(steps.values())}"
            who = f"process {' and '.join(behind)} is after step {min(steps.values())}"
            self.fail(
                f"error: no step has ended for {self._stuck:.0f} s: "
                f"{who}{others if len(behind) < self._count else ''}; the same command on all "
                "goes on from the last checkpoint",
                1,
            )

    def _follow(self, ended: dict[str, Any]) -> None:
        """Another process has ended, and this one does."""
        if ended["process"] == self._index:
            return
        self._keys.key_value_set(f"{HEARD}{self._index}", "", True)
        text = ended["text"].removeprefix("error: ")
        self._end(f"error: process {ended['process']} ended: {text}", ended["code"])

    def _end(self, text: str, code: int) -> None:
        # While the main thread says why it ends, only that is said.
        if self._ending.acquire(timeout=ROOM):
            _say(text)
        os._exit(code)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
