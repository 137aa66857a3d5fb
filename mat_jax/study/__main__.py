"""`python -m mat_jax.study`: carry out studies, list them, or draw them again."""

import os
import sys

import jax

from mat_jax.data import cache
from mat_jax.study.command import main

if __name__ == "__main__":
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        # The seeds of a run, and the next start, need not compile again.
        jax.config.update("jax_compilation_cache_dir", str(cache.folder("compiled")))
    sys.exit(main())
