"""Results as files: `results.json`, `ranks.npz` and the page, each whole or not at all."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mat_jax.evaluate.results import WORST_CASE, Matrix, Result, Row
from mat_jax.evaluate.statistics import difference
from mat_jax.utils.files import writing


def as_json(results: Mapping[str, Result], matrix: Matrix | None = None) -> dict[str, Any]:
    """The content of `results.json`: a list of models, each with its rows and their protocol.

    `headline` of a model is its worst case at each eps; `transfer`, where attacks were crafted on
    surrogates, has R@1 by attack, metric, surrogate and target.
    """
    first = next(iter(results.values()))
    content = {
        "task": first.task.name,
        "unit": "percent",
        "intervals": "95 %, over examples: Wilson for shares and asr, with the queries of an "
        "example counted as alike as they are; bootstrap for drop and lost",
        "definitions": {
            **first.task.definitions,
            "asr@k": "SGA: share of the queries right when clean that fail under attack",
            "drop@k": "Co-Attack: clean minus adversarial share, in points",
            "lost@k": "share of the clean share that is gone",
            "more_right": "points of the mean of the first figures, than the first model; noise: "
            "standard deviation over draws of the images, not over trainings",
            "worst_case": "the largest rank of each query over clean and its members",
            "null": "no number: a figure @k of an attack that was not after rank k",
        },
        "models": [
            {
                "model": name,
                "protocol": dict(result.protocol),
                "flags": list(result.flags),
                "notes": list(result.notes),
                "headline": [
                    _headline_json(row) for row in result.rows if row.attack == WORST_CASE
                ],
                "checks": [asdict(check) for check in result.checks],
                "rows": [_row_json(name, result, row) for row in result.rows],
                **({} if result is first else {"more_right": _more_right(result, first)}),
            }
            for name, result in results.items()
        ],
    }
    if matrix is not None:
        content["transfer"] = _matrix_json(matrix)
    return content


def _more_right(result: Result, first: Result) -> list[dict[str, Any]]:
    """Of each row, what a model has right more than the first one."""
    return [
        {
            "attack": row.attack,
            "eps": row.eps,
            **difference(row.ranks, other.ranks).as_json(),
        }
        for row, other in zip(result.rows, first.rows, strict=True)
    ]


def _headline_json(row: Row) -> dict[str, Any]:
    """The number to quote, with what it is the worst of."""
    found = {f"{kind}@1": 100 * row.ranks.recall(kind, 1) for kind in row.ranks.kinds}
    return {"attack": row.attack, "eps": row.eps, **found, "protocol": dict(row.protocol)}


def _matrix_json(matrix: Matrix) -> list[dict[str, Any]]:
    """R@1 of every attack and eps: metric -> surrogate -> target -> percent."""
    first = next(iter(next(iter(matrix.values())).values()))
    return [
        {
            "attack": row.attack,
            "eps": row.eps,
            **{
                f"{direction}@1": {
                    surrogate: {
                        target: 100 * result.rows[index].ranks.recall(direction, 1)
                        for target, result in own.items()
                    }
                    for surrogate, own in matrix.items()
                }
                for direction in row.ranks.kinds
            },
        }
        for index, row in enumerate(first.rows)
    ]


def _row_json(name: str, result: Result, row: Row) -> dict[str, Any]:
    content = {
        "attack": row.attack,
        "protocol": {**result.protocol, **row.protocol},
        "figures": result.figures(row),
        "captions_changed": 100 * row.changed,
        "language": dict(row.language),
        "seconds": row.seconds,
        "checks": dict(row.checks),
        "ranks": [f"{ranks_key(name, row)}_{kind}" for kind in row.ranks.kinds],
    }
    if row.rounded is not None:
        content["figures_8bit"] = {
            f"{kind}@{k}": 100 * row.rounded.recall(kind, k) if k in row.depths else float("nan")
            for kind in row.rounded.kinds
            for k in result.task.depths
        }
    if result.per_class.get(row.name):
        content["per_class"] = result.per_class[row.name]
    if result.scores.get(row.name):
        content["scores"] = dict(result.scores[row.name])
    return content


def ranks_key(name: str, row: Row) -> str:
    """Start of a row's names in `ranks.npz`: model, attack and eps without blanks or slashes."""
    return "_".join(f"{name} {row.name}".replace("/", "-").split())


def save(
    results: Mapping[str, Result], folder: Path, page: str, matrix: Matrix | None = None
) -> None:
    """Write `results.json`, `ranks.npz` and `index.html`, each whole or not at all.

    Raises:
        OSError: with one sentence, if the folder cannot be written.
    """
    arrays: dict[str, np.ndarray] = {}
    for name, result in results.items():
        start = "_".join(name.replace("/", "-").split())
        owners = result.clean.ranks.owners
        # Of retrieval the images own themselves, so one array says all.
        last = list(owners)[-1]
        arrays[f"{start}_owner"] = owners[last]
        if result.answers is not None:
            arrays[f"{start}_labels"] = result.answers.labels
        for row in result.rows:
            for kind, ranks in row.ranks.places.items():
                arrays[f"{ranks_key(name, row)}_{kind}"] = ranks
            for kind, answers in row.ranks.answers.items():
                arrays[f"{ranks_key(name, row)}_{kind}_answers"] = answers
            for kind, marks in row.ranks.marks.items():
                arrays[f"{ranks_key(name, row)}_{kind}_marks"] = marks
    text = json.dumps(_finite(as_json(results, matrix)), indent=1, allow_nan=False)
    with writing(folder / "ranks.npz") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    with writing(folder / "results.json") as file:
        file.write(text.encode())
    with writing(folder / "index.html") as file:
        file.write(page.encode())


def _finite(value: Any) -> Any:
    """JSON has no NaN: numbers that do not exist become null, others keep a few digits."""
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(f"{float(value):.6g}") if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
