"""Pickles as Python 2's cPickle wrote them, which is how CIFAR is published."""

import struct

import numpy as np


def dumps(value) -> bytes:
    """Text, numbers below 2^31, lists, dicts and arrays of bytes, in protocol 2."""
    return b"\x80\x02" + b"".join(_parts(value, [0])) + b"."


def _parts(value, puts):
    if isinstance(value, int):
        yield b"K" + bytes([value]) if 0 <= value < 256 else b"J" + struct.pack("<i", value)
        return
    if isinstance(value, str):
        data = value.encode()
        yield b"U" + bytes([len(data)]) + data
    elif isinstance(value, list):
        yield b"]" + _put(puts) + b"("
        for one in value:
            yield from _parts(one, puts)
        yield b"e"
        return
    elif isinstance(value, dict):
        yield b"}" + _put(puts) + b"("
        for key, one in value.items():
            yield from _parts(key, puts)
            yield from _parts(one, puts)
        yield b"u"
        return
    else:
        yield from _array(np.ascontiguousarray(value), puts)
        return
    yield _put(puts)


def _array(array, puts):
    assert array.dtype == np.uint8 and array.ndim == 2
    yield b"cnumpy.core.multiarray\n_reconstruct\n" + _put(puts) + b"cnumpy\nndarray\n" + _put(puts)
    yield b"K\x00\x85U\x01b\x87R" + _put(puts) + b"(K\x01"
    for side in array.shape:
        yield b"J" + struct.pack("<i", side)
    yield b"\x86cnumpy\ndtype\n" + _put(puts) + b"U\x02u1K\x00K\x01\x87R" + _put(puts)
    yield b"(K\x03U\x01|NNN" + 2 * b"J\xff\xff\xff\xff" + b"K\x00tb\x89"
    data = array.tobytes()
    yield b"T" + struct.pack("<i", len(data)) + data + b"tb"


def _put(puts) -> bytes:
    puts[0] += 1
    return b"q" + bytes([puts[0]]) if puts[0] < 256 else b"r" + struct.pack("<i", puts[0])
