"""Files that are there whole or not at all, in folders that one program writes at a time."""

import errno
import fcntl
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

LOCK = ".lock"


def there(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next(one for one in (path, *path.absolute().parents) if one.exists())


def writable(folder: Path) -> Path:
    """The folder, if it can be made and written; found out before hours of work depend on it.

    Raises:
        OSError: with one sentence, if nothing can be written there.
    """
    try:
        tempfile.TemporaryFile(dir=there(folder)).close()
    except OSError as error:
        raise _unwritable(folder, error) from None
    return folder


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """`with writing(path) as file`: the bytes appear under `path` at the end, or nothing does.

    Raises:
        OSError: with one sentence, if the folder cannot be written or is full.
    """
    # Two machines that share a disk may have processes of one number.
    beside = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            yield file
        beside.replace(path)
    except OSError as error:
        raise _unwritable(path.parent, error) from None
    finally:
        if beside.parent.is_dir():
            beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a small file as `writing` does."""
    with writing(path) as file:
        file.write(text.encode())


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """`with alone(folder)`: nobody else is inside; whoever comes later says so and waits.

    The folder is made if need be, and keeps an empty `.lock`. A program that ends, however it ends,
    is no longer inside. On disks that know no locks nobody waits.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("ab") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"another program is at work in {folder}: waiting for it", file=sys.stderr)
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            pass
        yield


def _unwritable(folder: Path, error: OSError) -> OSError:
    if error.strerror is None:  # one of our own, which says already what to do
        return error
    advice = "free some space, or choose" if error.errno == errno.ENOSPC else "choose"
    return OSError(f"cannot write in {folder} ({error.strerror}): {advice} another folder")
