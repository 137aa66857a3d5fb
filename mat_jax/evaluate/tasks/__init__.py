"""Tasks: the protocol and the metric by which a model is judged."""

from mat_jax.evaluate.tasks.retrieval import Ranks, nearest, rank, retrieval_ranks

__all__ = ["Ranks", "nearest", "rank", "retrieval_ranks"]
