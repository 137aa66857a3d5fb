"""Where what is made once is kept: `$MAT_JAX_CACHE`, else `~/.cache/mat_jax`."""

import gc
import os
import tempfile
from pathlib import Path

import jax

QUICK = 0.1  # seconds: what compiles faster than that is not worth a file


def folder(*parts: str, root: str | Path | None = None) -> Path:
    """The cache's folder of this name; `root` in the place of the usual one. Nothing is made."""
    usual = os.environ.get("MAT_JAX_CACHE") or Path.home() / ".cache" / "mat_jax"
    return Path(root or usual, *parts)


def unwritable(path: Path, error: OSError) -> OSError:
    """An error in writing there, as a sentence that says what to do."""
    return OSError(
        f"cannot write in the cache {str(path)!r} ({error.strerror or error}): set MAT_JAX_CACHE "
        "to a folder with free space that you may write to"
    )


def keep_programs() -> None:
    """From now on compiled programs are kept in the folder `programs`, and read from there.

    For commands and scripts, before they compute anything. A library leaves the settings of JAX
    alone, so that `import mat_jax` does not. JAX finds a program by what it computes, the versions,
    the flags and the kind of processor, so an old file never serves another program. Nothing is
    kept where the folder cannot be written, and who has chosen a folder already
    (`JAX_COMPILATION_CACHE_DIR`) keeps it.

    Modules that are loaded by then stay for good. So the garbage collector no longer looks through
    them (`gc.freeze`), which took an eighth of the time of the README's snippet.
    """
    if not gc.get_freeze_count():  # once: a later call would keep what others have thrown away
        gc.freeze()
    if jax.config.jax_compilation_cache_dir is not None:  # type: ignore[attr-defined]
        return
    path = folder("programs")
    try:
        path.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()
    except OSError:
        return
    jax.config.update("jax_compilation_cache_dir", str(path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", QUICK)
