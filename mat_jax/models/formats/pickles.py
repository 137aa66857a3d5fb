"""torch's checkpoints, read without torch and without running what they ask for.

A checkpoint is the bytes of its tensors beside a pickle, which `utils.unpickle` runs: it can build
plain values and tensors, and nothing else.

Read are the zip archives of `torch.save` and of `torch.jit.save` (OpenAI's CLIP), and what
`torch.save` wrote before torch 1.6.
"""

import io
import math
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.lib.stride_tricks import as_strided

from mat_jax.utils import unpickle
from mat_jax.utils.unpickle import Attributes, Name

NUMBERS = {"Double": "f8", "Float": "f4", "Half": "f2", "BFloat16": jnp.bfloat16, "Bool": "?"}
NUMBERS |= {"Long": "i8", "Int": "i4", "Short": "i2", "Char": "i1", "Byte": "u1"}
STORAGES = {f"torch.{name}Storage": np.dtype(kind) for name, kind in NUMBERS.items()}
TENSOR, PARAMETER = "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"
ORDERED, OBJECT = "collections.OrderedDict", "argparse.Namespace"
MODULES = "__torch__."  # the classes of a TorchScript archive


def tensors(path: str | Path) -> dict[str, np.ndarray]:
    """The tensors of a checkpoint by their dotted names.

    If training wrote them beside other things, as `model` or `state_dict`, then those alone;
    without the `module.` that data-parallel training puts before every name.
    """
    contents = read(path)
    for part in ("state_dict", "model"):
        if isinstance(contents, dict) and isinstance(contents.get(part), dict):
            contents = contents[part]
    found: dict[str, np.ndarray] = {}
    todo, entered = [("", contents)], set()
    while todo:
        name, value = todo.pop()
        if isinstance(value, np.ndarray):
            found[name] = value
        elif isinstance(value, dict) and id(value) not in entered:  # it may hold itself
            entered.add(id(value))
            todo += [(f"{name}.{key}" if name else str(key), part) for key, part in value.items()]
    parallel = all(name.startswith("module.") for name in found)
    return {name.removeprefix("module.") if parallel else name: found[name] for name in found}


def read(path: str | Path) -> Any:
    """What a checkpoint holds: plain values, numpy arrays, dicts (also for objects) and lists.

    Arrays are mapped to the file, which is read where they are used.

    Raises:
        ValueError: the file is not torch's, is damaged, or asks for more than weights need.
        OSError: there is no such file, or it may not be read.
    """
    with open(path, "rb") as file:
        try:
            kind = file.read(1)
            file.seek(0)
            if kind not in (b"P", b"\x80"):
                raise ValueError("it does not begin like a file of torch's")
            memory = np.memmap(path, mode="r").view(np.ndarray)
            return _read_zip(file, memory) if kind == b"P" else _read_old(file, memory)
        except Exception as error:  # a damaged or hostile file can make no sense in many ways
            known = isinstance(error, ValueError | zipfile.BadZipFile)
            reason = " ".join(str(error).split())[:200] if known else "it makes no sense"
            raise ValueError(
                f"{path} is refused, nothing in it was run or loaded: {reason}; expected tensors "
                f"and plain values, whole, as torch.save writes a state_dict"
            ) from error


def _read_zip(file: io.BufferedIOBase, memory: np.ndarray) -> Any:
    """An archive of `data.pkl`, of a record of bytes for each storage, and of their byte order."""
    archive = zipfile.ZipFile(file)
    names = archive.namelist()
    root = next((name[:-8] for name in names if re.fullmatch(r"[^/]+/data\.pkl", name)), None)
    if root is None:
        raise ValueError("it is an archive, but not one of torch's")

    def record(name: str) -> np.ndarray:
        info = archive.getinfo(root + name)
        if info.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{name} is compressed, which torch never does")
        lengths = memory[info.header_offset + 26 :][:4].tobytes()
        begin = info.header_offset + 30 + sum(struct.unpack("<HH", lengths))
        return memory[begin : begin + info.file_size]

    swapped = root + "byteorder" in names and record("byteorder").tobytes() == b"big"
    pickle = io.BytesIO(record("data.pkl").tobytes())
    return _run(pickle, lambda key, size: record(f"data/{key}"), len(memory), swapped)


def _read_old(file: io.BufferedIOBase, memory: np.ndarray) -> Any:
    """Pickles of a magic number, a version, facts about the system, the contents, and the keys of
    the storages; then the storages in that order, each after eight bytes that count its elements.
    """
    magic, _, system = (_run(file) for _ in range(3))
    if magic != 0x1950A86A20F9469CFC6C:
        raise ValueError("its first number is not torch's")
    begin, sizes, places = file.tell(), {}, {}
    # Only the contents say how many bytes a storage has, so they are run twice.
    _run(file, lambda key, size: sizes.update({key: size}), len(memory))
    keys, place = _run(file), file.tell()
    for key in map(str, keys):
        places[key] = place + 8
        place = places[key] + sizes[key]
    file.seek(begin)
    swapped = not system["little_endian"]
    return _run(file, lambda key, size: memory[places[key] :][:size], len(memory), swapped)


def _run(
    file: io.BufferedIOBase,
    find: Callable[[str, int], np.ndarray | None] = lambda key, size: None,
    most: int = 0,
    swapped: bool = False,
) -> Any:
    """Run the pickle at the file's position, and leave the position behind it.

    Args:
        file: holds the pickle.
        find: the bytes of a storage, by its key and size; None makes its tensors None.
        most: bytes that a tensor may have.
        swapped: the bytes of numbers are in big-endian order.
    """

    def storage(identity: Any) -> np.ndarray | None:
        match identity:
            case ("storage", Name() as kind, str() as key, _, int() as n, *view) if not any(view):
                dtype = STORAGES[kind]
            case _:
                raise ValueError("it names a storage in no known way")
        size = n * dtype.itemsize
        data = find(key, size)
        if data is None:
            return None
        if not 0 <= size <= len(data):
            raise ValueError(f"storage {key} reaches beyond the file")
        if swapped:
            data = data[:size].view(f"u{dtype.itemsize}").byteswap()
        return data[:size].view(dtype)

    def tensor(data: np.ndarray | None, offset: int, shape: Any, strides: Any, *_: Any) -> Any:
        if data is None:
            return None
        if not all(type(n) is int and n >= 0 for n in (offset, *shape, *strides)):
            raise ValueError("a tensor has a shape that is none")
        size, step = math.prod(shape), data.itemsize
        last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
        if size * step > most or (size and last >= len(data)):
            raise ValueError("a tensor reaches beyond its storage")
        return as_strided(data[offset:], shape, [s * step for s in strides], writeable=False)

    def call(name: Name, arguments: tuple[Any, ...]) -> Any:
        if name in STORAGES:
            raise ValueError("it calls what is no function")
        if name == TENSOR:
            return tensor(*arguments)
        if name == PARAMETER:
            return arguments[0]
        if arguments:
            raise ValueError(f"it makes a {name[:100]} of something")
        return {} if name == ORDERED else Attributes()

    return unpickle.run(file, known=_known, call=call, stored=storage)


def _known(name: str) -> bool:
    return name in (TENSOR, PARAMETER, ORDERED, OBJECT, *STORAGES) or name.startswith(MODULES)
