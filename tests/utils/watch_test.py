"""Processes that watch over each other, as threads with one key-value store."""

import contextlib
import os
import threading
import time

import pytest

from mat_jax.utils import watch as watching
from mat_jax.utils.watch import Watch


class Store:
    """What the coordination service keeps."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.lock = threading.Lock()

    def key_value_set(self, key: str, value: str, allow_overwrite: bool = False) -> None:
        with self.lock:
            if key in self.values and not allow_overwrite:
                raise ValueError(f"{key} is there already")
            self.values[key] = value

    def key_value_dir_get(self, key: str) -> list[tuple[str, str]]:
        with self.lock:
            return [(name, value) for name, value in self.values.items() if name.startswith(key)]


def test_all_stop_at_the_same_step_though_they_are_at_others():
    """Three run at their own pace, never more than two steps apart; one of them is asked."""
    store = Store()
    watches = [Watch(store, index, 3) for index in range(3)]
    steps = [0, 0, 0]
    stopped: list[tuple[int, int] | None] = [None, None, None]

    def work(index: int) -> None:
        for step in range(1, 4000):
            while step > min(steps) + 2:  # a collective waits for the slowest
                time.sleep(0.0005)
            time.sleep(0.001 * (index + 1))
            steps[index] = step
            if index == 1 and step == 20:
                watches[1].ask_to_stop(15)
            number = watches[index].stops_at(step)
            if number is not None:
                stopped[index] = step, number
                steps[index] = 10_000
                return

    threads = [threading.Thread(target=work, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for watch in watches:
        watch.close()
    assert stopped[0] is not None and set(stopped) == {stopped[0]}
    assert stopped[0][0] > 20 and stopped[0][1] == 15


class Exited(BaseException):
    pass


@contextlib.contextmanager
def exits(monkeypatch):
    """Collects exit codes where a process would end."""
    codes: list[int] = []

    def leave(code):
        codes.append(code)
        raise Exited

    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(threading, "excepthook", lambda found: None)
    yield codes


@pytest.mark.parametrize("who", [0, 1])
def test_one_s_failure_is_everybody_s_with_its_sentence_and_code(monkeypatch, capsys, who):
    store = Store()
    with exits(monkeypatch) as codes:
        watches = [Watch(store, index, 2) for index in range(2)]
        with pytest.raises(Exited):
            watches[who].fail("error: the disk is full", 2)
        watches[1 - who]._thread.join(10)
        watches[who].close()
    assert codes == [2, 2]
    said = capsys.readouterr().err.splitlines()
    assert sorted(said) == sorted(
        ["error: the disk is full", f"error: process {who} ended: the disk is full"]
    )


def test_a_process_that_falls_silent_ends_the_run(monkeypatch, capsys):
    store = Store()
    monkeypatch.setattr(watching, "BEAT", 0.1)
    monkeypatch.setattr(watching, "ROOM", 0.5)
    with exits(monkeypatch) as codes:
        silent = Watch(store, 1, 2)
        time.sleep(0.5)
        silent.close()
        watch = Watch(store, 0, 2, lost=1.0)
        watch._thread.join(20)
    assert codes == [1]
    assert "process 1 has not been heard of for 1 s" in capsys.readouterr().err


@pytest.mark.parametrize(("rests", "codes"), [(False, [1]), (True, [])])
def test_one_that_lives_and_does_nothing_ends_the_run(monkeypatch, capsys, rests, codes):
    """Process 1 stands still after step 3; the others go as far as they can without it."""
    store = Store()
    monkeypatch.setattr(watching, "BEAT", 0.1)
    monkeypatch.setattr(watching, "ROOM", 0.1)
    with exits(monkeypatch) as ended:
        watches = [Watch(store, index, 3, stuck=1.0) for index in range(3)]
        for watch, last in zip(watches, (5, 3, 5), strict=True):
            for step in range(1, last + 1):
                watch.stops_at(step)
        if rests:
            watches[1].rest()
        watches[0]._thread.join(3)
        for watch in watches:
            watch._over.set()
            watch._thread.join(5)
    said = capsys.readouterr().err
    assert ended[:1] == codes
    sentence = "no step has ended for 1 s: process 1 is after step 3, the others after step 5"
    assert (sentence in said) == (not rests)
