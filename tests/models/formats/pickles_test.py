"""torch writes, we read the same without it; whatever else is in a file is refused, and not run."""

import argparse
import collections
import io
import os
import pickle
import subprocess
import zipfile
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import torch

from mat_jax.models.formats import pickles

DTYPES = {
    torch.float64: np.float64,
    torch.float32: np.float32,
    torch.float16: np.float16,
    torch.bfloat16: jnp.bfloat16,
    torch.int64: np.int64,
    torch.int32: np.int32,
    torch.int16: np.int16,
    torch.int8: np.int8,
    torch.uint8: np.uint8,
    torch.bool: np.bool_,
}
FORMATS = {
    "zip": {},
    "zip, protocol 4": {"pickle_protocol": 4},
    "before torch 1.6": {"_use_new_zipfile_serialization": False},
}
formats = pytest.mark.parametrize("options", FORMATS.values(), ids=FORMATS.keys())


def contents():
    layers = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    return {
        "model": layers.state_dict(),
        "weight": torch.nn.Parameter(torch.arange(6.0).reshape(2, 3)),
        "args": argparse.Namespace(lr=1e-4, names=["a", "b"], deeper=argparse.Namespace(k=1)),
        "lr_scheduler": {"base_lrs": [0.1], 0: -1, "big": 2**70, "minus": -300},
        "nothing": None,
        "yes": [True, False, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {}, "\u00e9\u2028"],
    }


@formats
def test_contents(tmp_path, options):
    written = contents()
    torch.save(written, tmp_path / "file.pth", **options)
    read = pickles.read(tmp_path / "file.pth")
    assert read.keys() == written.keys()
    assert read["args"] == {"lr": 1e-4, "names": ["a", "b"], "deeper": {"k": 1}}
    for name in ("lr_scheduler", "nothing", "yes"):
        assert read[name] == written[name]
    assert read["model"].keys() == written["model"].keys()
    for name, tensor in (written["model"] | {"weight": written["weight"]}).items():
        ours = read["weight"] if name == "weight" else read["model"][name]
        assert ours.tobytes() == tensor.detach().numpy().tobytes()
        assert ours.shape == tensor.shape


@formats
def test_views_and_dtypes(tmp_path, options):
    base = torch.arange(24.0)
    written = {
        "base": base,
        "matrix": base.reshape(4, 6),
        "transposed": base.reshape(4, 6).T,
        "part": base.reshape(4, 6)[1:3, 2:],
        "every other": base[1::2],
        "permuted": base.reshape(2, 3, 4).permute(2, 0, 1),
        "expanded": base[:4].expand(3, 4),
        "one": base[5],
        "none": base[:0].reshape(0, 3),
        **{str(dtype): torch.arange(5).to(dtype) for dtype in DTYPES},
    }
    torch.save(written, tmp_path / "file.pth", **options)
    read = pickles.tensors(tmp_path / "file.pth")
    assert read.keys() == written.keys()
    for name, tensor in written.items():
        same = tensor.float().numpy()
        np.testing.assert_array_equal(read[name].astype(np.float32), same, err_msg=name)
    for dtype, expected in DTYPES.items():
        assert read[str(dtype)].dtype == expected
    assert np.shares_memory(read["base"], read["transposed"])


def archive(path, data, records, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in {"data.pkl": data, **records}.items():
            file.writestr(f"archive/{name}", content)
    return path


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_big_endian(tmp_path, dtype):
    tensor = torch.linspace(-1, 1, 7).to(dtype)
    torch.save({"a": tensor}, tmp_path / "file.pth")
    with zipfile.ZipFile(tmp_path / "file.pth") as file:
        records = {name.split("/", 1)[1]: file.read(name) for name in file.namelist()}
    step = tensor.element_size()
    swapped = np.frombuffer(records["data/0"], f"u{step}").byteswap().tobytes()
    data = records.pop("data.pkl")
    path = archive(tmp_path / "big", data, records | {"data/0": swapped, "byteorder": b"big"})
    read = pickles.tensors(path)["a"]
    np.testing.assert_array_equal(read.astype(np.float32), tensor.float().numpy())


def test_only_the_model_of_a_checkpoint(tmp_path):
    state = {"module.a.weight": torch.ones(2), "module.b": torch.zeros(())}
    for part in ("model", "state_dict"):
        torch.save({part: state, "optimizer": {"a": torch.ones(3)}}, tmp_path / "file.pth")
        assert pickles.tensors(tmp_path / "file.pth").keys() == {"a.weight", "b"}
    torch.save({"model": {"module.a": state["module.b"], "b": state["module.b"]}}, tmp_path / "two")
    assert pickles.tensors(tmp_path / "two").keys() == {"module.a", "b"}


def test_a_dict_that_holds_itself(tmp_path):
    state = {"a": torch.ones(2)}
    round_and_round: Any = state
    round_and_round["self"] = state
    torch.save(state, tmp_path / "file.pth")
    assert pickles.tensors(tmp_path / "file.pth").keys() == {"a"}


class Runs:
    """Pickled, it asks for a call."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


HOSTILE = {
    "shell": (lambda mark: Runs(os.system, f"touch {mark}"), "system"),
    "eval": (lambda mark: Runs(eval, f"open({str(mark)!r}, 'w')"), "eval"),
    "exec": (lambda mark: Runs(exec, f"open({str(mark)!r}, 'w')"), "exec"),
    "process": (lambda mark: Runs(subprocess.Popen, ["touch", str(mark)]), "Popen"),
    "import": (lambda mark: Runs(__import__, "antigravity"), "__import__"),
    "getattr": (lambda mark: Runs(getattr, torch.ones(1), "numpy"), "getattr"),
    "numpy": (lambda mark: np.float64(1.0), "numpy"),
    "module": (lambda mark: torch.nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
    "function": (lambda mark: os.system, "system"),
}


def nested(value):
    return {"model": {"weight": torch.ones(2)}, "args": argparse.Namespace(list=[(1, [value])])}


def refused(path, *words):
    with pytest.raises(ValueError) as caught:
        pickles.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path} is refused, nothing in it was run or loaded: ")
    assert "\n" not in message
    assert all(word in message for word in words), message


@formats
@pytest.mark.parametrize("inside", [lambda value: value, nested], ids=["alone", "nested"])
@pytest.mark.parametrize(("make", "named"), HOSTILE.values(), ids=HOSTILE.keys())
def test_code_is_refused_and_not_run(tmp_path, make, named, inside, options):
    torch.save(inside(make(tmp_path / "mark")), tmp_path / "file.pth", **options)
    refused(tmp_path / "file.pth", "it asks for", named)
    assert not (tmp_path / "mark").exists()


class Storage:
    def __init__(self, *identity):
        self.identity = identity


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        return value.identity if isinstance(value, Storage) else None


def tensor(offset=0, shape=(2, 3), strides=(3, 1), *, count=6, kind=torch.FloatStorage, key="0"):
    """The pickle of a tensor, which may lie, on a storage of six floats."""
    storage = Storage("storage", kind, key, "cpu", count)
    built = Runs(torch._utils._rebuild_tensor_v2, storage, offset, shape, strides, False, {})
    file = io.BytesIO()
    Pickler(file, 2).dump({"a": built})
    return file.getvalue()


SIX = {"data/0": np.arange(6, dtype=np.float32).tobytes()}


def test_an_honest_tensor(tmp_path):
    read = pickles.read(archive(tmp_path / "file", tensor(), SIX))["a"]
    np.testing.assert_array_equal(read, np.arange(6, dtype=np.float32).reshape(2, 3))


LIES = {
    "offset": (tensor(offset=1), "reaches beyond its storage"),
    "shape": (tensor(shape=(3, 3)), "reaches beyond its storage"),
    "strides": (tensor(strides=(4, 1)), "reaches beyond its storage"),
    "overflow": (tensor(strides=(2**62, 2**62)), "reaches beyond its storage"),
    "negative offset": (tensor(offset=-1), "a shape that is none"),
    "negative strides": (tensor(5, (2, 3), (-3, -1)), "a shape that is none"),
    "negative shape": (tensor(shape=(-2, 3)), "a shape that is none"),
    "ranks": (tensor(strides=(1,)), "zip"),
    "not numbers": (tensor(shape=([0], 10**9)), "a shape that is none"),
    "larger than the file": (tensor(shape=(10**12,), strides=(0,)), "reaches beyond"),
    "storage": (tensor(count=7), "storage 0 reaches beyond the file"),
    "negative storage": (tensor(count=-1), "storage 0 reaches beyond the file"),
    "no storage": (tensor(key="1"), "it makes no sense"),
    "another record": (tensor(key="../data.pkl"), "it makes no sense"),
    "kind of storage": (tensor(kind=torch.ComplexFloatStorage), "torch.ComplexFloatStorage"),
    "deep key": (b"\x80\x02})" + 20_000 * b"\x85" + b"K\x00s.", "a key that is neither"),
    "far memo": (b"\x80\x02}r\xff\xff\xff\xff" + b"K\x00.", ""),
    "old call": (b"(S'true'\nios\nsystem\n.", "the pickle instruction"),
    "extension": (b"\x80\x02\x82\x01.", "the pickle instruction EXT1"),
    "called text": (b"\x80\x02X\x02\x00\x00\x00os)R.", "calls what is no function"),
    "called storage": (b"\x80\x02ctorch\nFloatStorage\n)R.", "calls what is no function"),
    "filled dict": (b"\x80\x02ccollections\nOrderedDict\n]\x85R.", "makes a collections.Ord"),
    "no end": (b"\x80\x02}", "exhausted before seeing STOP"),
    "nothing on the stack": (b"\x80\x02.", "it makes no sense"),
    "no mark": (b"\x80\x02}u.", "it makes no sense"),
    "empty": (b"", "exhausted before seeing STOP"),
}


@pytest.mark.parametrize(("data", "message"), LIES.values(), ids=LIES.keys())
def test_lies_are_refused(tmp_path, data, message):
    path = archive(tmp_path / "file", data, SIX)
    if message:
        refused(path, message)
    else:  # strange and harmless
        assert pickles.read(path) == 0


def test_objects_are_inert(tmp_path):
    state = b"(X\x0c\x00\x00\x00__setstate__K\x01X\x07\x00\x00\x00__del__K\x02u"
    for name in (b"cargparse\nNamespace\n", b"c__torch__.os\nsystem\n"):
        path = archive(tmp_path / "file", b"\x80\x02" + name + b")\x81}" + state + b"b.", SIX)
        assert pickles.read(path) == {"__setstate__": 1, "__del__": 2}


def test_what_is_no_checkpoint(tmp_path):
    files = {
        "empty": b"",
        "page": b"<!DOCTYPE html>",
        "pointer": b"version https://git-lfs.github.com/spec/v1",
        "picture": b"\x89PNG\r\n",
        "PK": b"PK\x03\x04",
        "plain": pickle.dumps({"a": 1}),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "zip", "w") as file:
        file.writestr("a/b.txt", "")
    refused(tmp_path / "zip", "an archive, but not one of torch's")
    pressed = archive(tmp_path / "pressed", tensor(), SIX, zipfile.ZIP_DEFLATED)
    refused(pressed, "data.pkl is compressed")
    with pytest.raises(FileNotFoundError):
        pickles.read(tmp_path / "nothing")


@formats
def test_truncated(tmp_path, options):
    path = tmp_path / "file.pth"
    torch.save(contents(), path, **options)
    whole = path.read_bytes()
    for length in (0, 1, 2, 30, 300, len(whole) // 2, len(whole) - 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="is refused, nothing in it was run or loaded"):
            pickles.read(path)


@formats
def test_damage_is_refused_or_harmless(tmp_path, options):
    path = tmp_path / "file.pth"
    torch.save(contents(), path, **options)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(0)
    outcomes = collections.Counter()
    for _ in range(60):
        damaged = whole.copy()
        damaged[rng.integers(0, 900, 3)] = rng.integers(0, 256, 3)
        path.write_bytes(damaged.tobytes())
        try:
            pickles.read(path)
            outcomes["read"] += 1
        except ValueError as error:
            assert "\n" not in str(error)
            outcomes["refused"] += 1
    assert outcomes["refused"] > 5
