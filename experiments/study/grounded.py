"""How many phrases a model still grounds under attack: a measurement beside retrieval's."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments.study.saved import single_attacks, threat_of
from mat_jax import evaluate
from mat_jax.evaluate.config import Evaluation
from mat_jax.evaluate.results import Result
from mat_jax.types.protocols import SizedModel, Tokenizer


def ground(
    asked: Evaluation,
    model: SizedModel,
    tokenizer: Tokenizer,
    *,
    name: str,
    progress: Path | None = None,
    quiet: bool = False,
) -> Result:
    """Attack every phrase with its picture, and ask the model for the box that it means."""
    asked = replace(asked, task="grounding", suite=None)
    return evaluate.evaluate(asked, model, tokenizer, name=name, progress=progress, quiet=quiet)


def summary(result: Result) -> dict[str, Any]:
    """What of a measurement is kept: as `saved.summary`, of each picture how many were right."""
    rows = {row.attack: row for row in single_attacks(result)}
    picture = result.clean.ranks.group("box")
    own = {name: np.bincount(picture, row.ranks["box"] <= 1) for name, row in rows.items()}
    return {
        "attacks": {
            attack: {"accuracy": round(100 * row.ranks.recall("box", 1), 4)}
            for attack, row in rows.items()
        },
        "found": {
            attack: {"right": " ".join(str(int(n)) for n in counts)}
            for attack, counts in own.items()
        },
        "captions_changed": {name: round(100 * row.changed, 4) for name, row in rows.items()},
        "protocol": {**result.protocol, "images": len(np.unique(picture))},
        "threat": {name: threat_of(row) for name, row in rows.items()},
        "flags": list(result.flags),
        "checks": [],
        "neighbours": [],
    }
