"""`python -m experiments.study`: carry out studies, list them, or draw them again."""

import os
import sys

import jax

from experiments.study.command import main
from mat_jax.utils import cache

if __name__ == "__main__":
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        # The seeds of a run, and the next start, need not compile again.
        jax.config.update("jax_compilation_cache_dir", str(cache.folder("compiled")))
    sys.exit(main())
