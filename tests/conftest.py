"""How the tests run: eight CPU devices, and JAX at its strictest."""

import os
from pathlib import Path

# Two cores give XLA too few threads for eight devices that wait for each other: a deadlock.
os.environ.setdefault("NPROC", "16")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Nothing is looked up on the Hugging Face hub in a test.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Nearly all the time of a test is compiling. In the environment, so that commands inherit it.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

import jax
import pytest

ROOT = Path(__file__).resolve().parents[1]

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the repository, which only some machines have."""
    folder = ROOT.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip(f"no real data at {folder}")
    return folder
