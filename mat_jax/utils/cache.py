"""Where what is made once is kept: `$MAT_JAX_CACHE`, else `~/.cache/mat_jax`."""

import os
from pathlib import Path


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
