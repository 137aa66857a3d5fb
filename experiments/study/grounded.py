"""How many phrases a model still grounds under attack: a measurement beside retrieval's."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.study.saved import single_attacks, summary_of_answers
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
    return summary_of_answers(result, single_attacks(result), "box")
