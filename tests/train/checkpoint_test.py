"""Checkpoints: whole, few, and restored onto any mesh."""

import contextlib
import errno
import gc
import logging
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as orbax_checkpoint
import pytest

from mat_jax.train import mesh, sharding, state
from mat_jax.train.checkpoint import Checkpoints, OtherModel


def make(width=4):
    weights = {"vision.w": jnp.arange(2.0 * width).reshape(2, width), "text.w": jnp.ones(3)}
    return state.create(weights, optax.adam(1e-3), lambda path: path[0] == "vision", seed=5)


def opened(folder, every=2, keep=2):
    return contextlib.closing(Checkpoints(folder, every=every, keep=keep))


def test_what_comes_back_is_what_was_saved_though_it_was_donated(tmp_path):
    start = make()
    wanted = jax.tree.map(np.array, start)
    spend = jax.jit(lambda s: jax.tree.map(lambda x: x + x, s), donate_argnums=0)
    with opened(tmp_path / "c") as checkpoints:
        checkpoints.save(4, start, {"next_index": 12})
        spend(start)
    one, two = mesh.make(1), mesh.make("data=4,fsdp=2")
    for devices in (one, two):
        with opened(tmp_path / "c") as checkpoints:
            assert checkpoints.latest() == 4
            shardings = sharding.state_shardings(devices, make())
            found, iterator = checkpoints.restore(make(), shardings)
        assert iterator == {"next_index": 12}
        assert found.trained["vision.w"].sharding == shardings.trained["vision.w"]
        jax.tree.map(np.testing.assert_array_equal, wanted, found)


def test_only_the_last_few_are_kept(tmp_path):
    with opened(tmp_path / "c", keep=2) as checkpoints:
        assert checkpoints.latest() is None
        for step in range(1, 8):
            if checkpoints.due(step):
                checkpoints.save(step, make(), None)
    kept = sorted(path.name for path in (tmp_path / "c").iterdir() if path.name.isdigit())
    assert kept == ["4", "6"]


def test_another_models_checkpoint(tmp_path):
    with opened(tmp_path / "c") as checkpoints:
        checkpoints.save(2, make(), None)
    other = make(width=6)
    with opened(tmp_path / "c") as checkpoints, pytest.raises(OtherModel) as raised:
        checkpoints.restore(other, sharding.state_shardings(mesh.make(1), other))
    assert "vision.w is float32[2,4] trained there and float32[2,6] trained here" in str(
        raised.value
    )


def test_a_full_disk_is_an_os_error_and_leaves_whole_checkpoints_only(tmp_path, monkeypatch):
    """The text is tensorstore's own, from a run on a file system of 1.5 MB."""
    with opened(tmp_path / "c") as checkpoints:
        checkpoints.save(2, make(), None)
        checkpoints.wait()

        def full(*args, **kwargs):
            (tmp_path / "c" / "4.orbax-checkpoint-tmp").mkdir()
            raise ValueError(
                "RESOURCE_EXHAUSTED: Failed writing: Failed to write 108665 bytes to file 27: No "
                "space left on device [os_error_code='28']"
            )

        monkeypatch.setattr(checkpoints._orbax, "save_async", full)
        with pytest.raises(OSError) as raised:
            checkpoints.save(4, make(), None)
    assert raised.value.errno == errno.ENOSPC
    assert [path.name for path in (tmp_path / "c").iterdir() if path.is_dir()] == ["2"]


def test_absl_is_left_as_it_was(tmp_path, caplog):
    """Orbax is quiet while checkpoints are open; what others log through absl is always seen."""
    gc.collect()  # what a failed save of another test left open
    logger = logging.getLogger("absl")
    before = logger.level, list(logger.filters)
    orbax = str(Path(orbax_checkpoint.__file__).parent / "save.py")

    def seen(path, level=logging.ERROR):
        record = logger.makeRecord("absl", level, path, 1, "said", (), None)
        caplog.clear()
        logger.handle(record)
        return bool(caplog.records)

    with opened(tmp_path / "c") as checkpoints:
        checkpoints.save(2, make(), None)
        assert seen("/elsewhere/other.py") and not seen(orbax) and seen(orbax, logging.CRITICAL)
    assert seen(orbax) and (logger.level, logger.filters) == before


def test_importing_does_not_silence_absl():
    code = "import logging; from absl import logging as absl; before = absl.get_verbosity(); "
    code += "from mat_jax import data, fit; data.load_scenes; logger = logging.getLogger('absl'); "
    code += "assert absl.get_verbosity() == before and not logger.filters; "
    code += "absl.error('heard'); assert logger.level <= logging.WARNING, logger.level"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "heard" in done.stderr
