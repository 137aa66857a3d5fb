"""Meshes from text."""

import subprocess
import sys

import jax
import pytest

from mat_jax.train import mesh


@pytest.mark.parametrize(
    "text, axes",
    [
        ("8", {"data": 8}),
        (2, {"data": 2}),
        ("data=4,fsdp=2", {"data": 4, "fsdp": 2}),
        ("fsdp=2", {"data": 1, "fsdp": 2}),
        ("tensor=2,data=2,fsdp=2", {"data": 2, "fsdp": 2, "tensor": 2}),
        ("auto", None),
    ],
)
def test_parse(text, axes):
    assert mesh.parse(text) == axes


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "eight", "data=x", "data=2,data=2", "pipe=2", "2.5"]
)
def test_a_mesh_that_cannot_be(text):
    with pytest.raises(ValueError, match="--mesh does not understand"):
        mesh.parse(text)


def test_the_axis_that_was_called_model():
    with pytest.raises(ValueError, match="does not know the axis model.*fsdp=2.*tensor=2"):
        mesh.parse("data=4,model=2")


def test_auto_takes_all_devices():
    assert mesh.make("auto").shape == {"data": 8}


def test_more_devices_than_there_are():
    # The test process has started JAX with eight.
    with pytest.raises(ValueError, match="wants 16 devices and JAX has already started with 8"):
        mesh.make(16)


def test_an_accelerator_with_fewer_devices_refuses(monkeypatch):
    class Device:
        platform, device_kind = "tpu", "TPU v5 lite"

    monkeypatch.setattr(jax, "devices", lambda: [Device()])
    with pytest.raises(ValueError, match=r"1 device \(TPU v5 lite\): use --mesh 1 or --mesh auto"):
        mesh.make(8)


def test_a_batch_that_does_not_divide():
    with pytest.raises(ValueError, match="batch_size 12 does not divide over 8 devices.*=16"):
        mesh.check_batch_size(mesh.make(8), 12)
    with pytest.raises(ValueError, match="batch_size 6 does not divide over 4 devices"):
        mesh.check_batch_size(mesh.make("data=2,fsdp=2,tensor=2"), 6)


def test_virtual_devices_are_made_and_said():
    code = "from mat_jax.train import mesh; print(dict(mesh.make('4').shape))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "made 4 virtual devices" in done.stdout
    assert "{'data': 4}" in done.stdout
