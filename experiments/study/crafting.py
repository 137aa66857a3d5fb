"""What the measurements beside retrieval share: what they may be asked, and pictures of attacks."""

from dataclasses import replace
from typing import Any

from mat_jax import evaluate
from mat_jax.attacks import ThreatModel
from mat_jax.evaluate.config import Evaluation
from mat_jax.evaluate.gallery import Bench
from mat_jax.evaluate.protocol import check_request
from mat_jax.evaluate.tasks.retrieval import Retrieval
from mat_jax.types.protocols import SizedModel, Tokenizer


def one_threat(asked: Evaluation, task: str) -> ThreatModel:
    """What the adversary may do.

    Raises:
        ValueError: several eps.
    """
    threat, *others = asked.threats
    if others:
        raise ValueError(f"{task} is measured at one eps, {len(others) + 1} were given")
    return threat


def require(task: str, part: str, of: Any, needed: str, advice: str) -> None:
    """Refuse a model or data without what a task needs.

    Raises:
        ValueError: it has no attribute `needed`.
    """
    if not hasattr(of, needed):
        found = getattr(of, "name", type(of).__name__)
        raise ValueError(
            f"{task} cannot use the {part} {found!r}, which has no {needed}: give {advice}"
        )


def bench_of(asked: Evaluation, model: SizedModel, tokenizer: Tokenizer, *, quiet: bool) -> Bench:
    """A bench that attacks a model's retrieval of the data, and keeps all its pictures."""
    task = Retrieval()
    victim = evaluate.prepare(asked, model, tokenizer, task=task, quiet=quiet)
    check_request(asked.names, task, model, victim.examples, asked.threats)
    # A bench keeps the pictures that it shows.
    every = replace(asked, shown=len(victim.examples))
    return Bench(evaluation=every, task=task, crafter=victim, targets=(victim,), quiet=quiet)
