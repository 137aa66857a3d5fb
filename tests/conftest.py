"""How the tests run: eight CPU devices, and JAX at its strictest."""

import atexit
import gc
import os
import shutil
import tempfile
from pathlib import Path

# Two cores give XLA too few threads for eight devices that wait for each other: a deadlock.
os.environ.setdefault("NPROC", "16")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# A cache of the session's own, which starts empty: no test passes because of what was run before.
# The workers of xdist inherit it, so that scenes are drawn once; who comes second waits.
if "PYTEST_XDIST_WORKER" not in os.environ:
    cache = tempfile.mkdtemp(prefix="mat_jax-tests-")
    atexit.register(shutil.rmtree, cache, ignore_errors=True)
    os.environ["MAT_JAX_CACHE"] = os.environ["HF_HOME"] = cache
    # Nearly all the time of a test is compiling. With XLA's older emitter of kernels, and each
    # program compiled in one piece, tests take a fifth to two fifths less processor time.
    quick = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {quick}".strip()
# Nothing is looked up on the Hugging Face hub in a test.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# In the environment, so that commands inherit it.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

import jax
import pytest

import tests.tools.shapes  # noqa: F401 - the checker that `--jaxtyping-packages` names

# Each compiled program takes memory maps, of which Linux allows a process 65,530; with no more to
# be had, the next compilation ends in a segmentation fault.
MOST_MAPS = 20_000

ROOT = Path(__file__).resolve().parents[1]

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


def pytest_collection_finish():
    """Look for garbage rarely: all that is imported lives on, and tracing makes little garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.fixture(autouse=True, scope="module")
def room_for_programs():
    """Forget what earlier modules compiled before there is no room for more."""
    maps = Path("/proc/self/maps")
    if maps.is_file() and maps.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()
        gc.collect()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the repository, which only some machines have."""
    folder = ROOT.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip(f"no real data at {folder}")
    return folder
