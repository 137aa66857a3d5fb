"""Compiled programs are kept where the user may write, and nowhere that somebody chose not to."""

import os
import subprocess
import sys

import jax
import pytest

from mat_jax.utils import cache

SETTINGS = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")


@pytest.fixture(autouse=True)
def as_before():
    before = {name: getattr(jax.config, name) for name in SETTINGS}
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_programs_are_kept_in_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MAT_JAX_CACHE", str(tmp_path / "new"))
    cache.keep_programs()
    assert jax.config.values["jax_compilation_cache_dir"] == str(tmp_path / "new" / "programs")


def test_a_folder_that_was_chosen_is_left(monkeypatch, tmp_path):
    monkeypatch.setenv("MAT_JAX_CACHE", str(tmp_path))
    jax.config.update("jax_compilation_cache_dir", "elsewhere")
    cache.keep_programs()
    assert jax.config.values["jax_compilation_cache_dir"] == "elsewhere"
    assert not any(tmp_path.iterdir())


def test_nothing_is_kept_where_nothing_can_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MAT_JAX_CACHE", str(tmp_path / "file"))
    cache.keep_programs()
    assert jax.config.values["jax_compilation_cache_dir"] is None


def test_importing_changes_no_setting():
    program = (
        "import jax, mat_jax.train.__main__, mat_jax.evaluate.__main__\n"
        "assert jax.config.jax_compilation_cache_dir is None"
    )
    environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)


def test_the_collector_passes_over_what_is_loaded(tmp_path):
    program = (
        "import gc, jax\n"
        "from mat_jax import keep_programs\n"
        "looked_through = lambda: any(one is vars(jax) for one in gc.get_objects())\n"
        "assert looked_through()\n"
        "keep_programs()\n"
        "assert not looked_through()"
    )
    environment = os.environ | {"MAT_JAX_CACHE": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
