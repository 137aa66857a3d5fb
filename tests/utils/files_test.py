"""Files whole or not at all, and folders that one program writes at a time."""

import errno
import fcntl
import subprocess
import sys
import threading

import pytest

from mat_jax.utils.files import alone, there, writable, write_text, writing
from tests.tools.narrow import some

HOLD = """
import sys
from pathlib import Path
from mat_jax.utils.files import alone
from tests.tools.narrow import some
with alone(Path(sys.argv[1])):
    print("inside", flush=True)
    sys.stdin.readline()
"""


def test_nothing_half_written(tmp_path):
    (tmp_path / "file").write_text("whole")
    with pytest.raises(RuntimeError), writing(tmp_path / "file") as file:
        file.write(b"ha")
        raise RuntimeError
    assert (tmp_path / "file").read_text() == "whole"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_one_sentence(tmp_path):
    with pytest.raises(OSError, match="cannot write .*No space left.*free some space"):
        with writing(tmp_path / "file"):
            raise OSError(28, "No space left on device")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot write .*choose another folder"):
        writable(tmp_path / "file" / "report")


def test_a_small_file_is_replaced_whole(tmp_path):
    for text in ("old", "ä"):
        write_text(tmp_path / "settings.json", text)
    assert [p.name for p in tmp_path.iterdir()] == ["settings.json"]
    assert (tmp_path / "settings.json").read_bytes() == "ä".encode()


def test_a_folder_that_was_not_there_is_not_left(tmp_path):
    assert writable(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert not list(tmp_path.iterdir())


def test_many_may_ask_at_once_whether_a_folder_can_be_written(tmp_path):
    failed = []

    def ask(name):
        for _ in range(200):
            try:
                writable(tmp_path / "new" / name)
            except OSError as error:
                failed.append(error)

    threads = [threading.Thread(target=ask, args=(str(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


@pytest.fixture
def another(tmp_path):
    """Another process at work in the folder."""
    place = tmp_path / "new" / "run"
    command = [sys.executable, "-c", HOLD, str(place)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert some(process.stdout).readline() == "inside\n"
        yield place, process
        process.kill()


@pytest.mark.parametrize("killed", [False, True])
def test_who_comes_later_says_so_and_waits(another, capsys, killed):
    place, process = another
    entered = threading.Event()

    def enter():
        with alone(place):
            entered.set()

    thread = threading.Thread(target=enter)
    thread.start()
    assert not entered.wait(0.3)
    process.kill() if killed else print(file=process.stdin, flush=True)
    thread.join(timeout=30)
    assert entered.is_set()
    assert capsys.readouterr().err == f"another program is at work in {place}: waiting for it\n"


def test_on_a_disk_without_locks_nobody_waits(tmp_path, monkeypatch, capsys):
    def none(handle, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with alone(tmp_path), alone(tmp_path):
        pass
    assert not capsys.readouterr().err


def test_where_a_path_begins_to_be_new(tmp_path):
    assert there(tmp_path) == tmp_path == there(tmp_path / "a" / "b")
