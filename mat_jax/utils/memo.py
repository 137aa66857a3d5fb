"""Measurements of a run, kept so that a run that goes on does not measure again."""

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mat_jax.utils.files import writing

FORMAT = 1  # of the file; another one is measured anew


def remembered(file: Path, what: Any, model: Any, measure: Callable[[], Any]) -> Any:
    """The result in `file` if it is of this measurement and model, else a new one, written there.

    The file is a pickle, made and read by runs on this machine only.

    Args:
        file: where it is kept.
        what: the settings of the measurement; their text decides.
        model: whose weights decide.
        measure: makes the result.
    """
    digest = hashlib.sha256(repr((FORMAT, what)).encode())
    for leaf in jax.tree.leaves(model):
        digest.update(np.ascontiguousarray(leaf).tobytes())
    try:
        known, result = pickle.loads(file.read_bytes())
        if known == digest.hexdigest():
            return result
    except (OSError, EOFError, pickle.UnpicklingError, TypeError, ValueError):
        pass  # not there, or cut short
    except (ImportError, AttributeError, IndexError):
        pass  # of other code
    result = measure()
    with writing(file) as stream:
        pickle.dump((digest.hexdigest(), result), stream)
    return result
