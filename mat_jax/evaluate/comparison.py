"""Several models side by side: one page, one file of results, the ranks of every query."""

from collections.abc import Mapping
from pathlib import Path

from mat_jax.evaluate import report
from mat_jax.evaluate.files import save
from mat_jax.evaluate.protocol import other_threat
from mat_jax.evaluate.results import Matrix, Result
from mat_jax.evaluate.transfer import cells


def compare(
    results: Mapping[str, Result], out: str | Path, *, matrix: Matrix | None = None
) -> Path:
    """Write `results.json`, `ranks.npz` and `index.html` of one or several models, side by side.

    Args:
        results: name -> what was measured, the undefended model first; all over the same gallery
            and with the same attacks.
        out: folder, made if need be.
        matrix: of transfers, to be written with them; its cells go to the files all the same.

    Returns:
        The page's path.

    Raises:
        ValueError: results that cannot stand side by side.
        OSError: the folder cannot be written.
    """
    first = next(iter(results.values()), None)
    if first is None:
        raise ValueError("there is nothing to compare: give at least one result")
    for name, result in results.items():
        if [row.name for row in result.rows] != [row.name for row in first.rows]:
            raise ValueError(f"{name!r} was measured under other attacks than {first.model!r}")
        if _owners(result) != _owners(first):
            raise ValueError(f"{name!r} was measured on another gallery than {first.model!r}")
        apart = other_threat(result, first)
        if matrix is None and apart is not None:
            raise ValueError(f"{name!r} and {first.model!r} had other threats: {apart}")
    out = Path(out)
    page = report.draw_page(results, matrix)
    save(results if matrix is None else cells(matrix), out, page, matrix)
    return out / "index.html"


def _owners(result: Result) -> list[list[int]]:
    """The example of every query, by which two measurements are known to be of one gallery."""
    return [owner.tolist() for owner in result.clean.ranks.owners.values()]
