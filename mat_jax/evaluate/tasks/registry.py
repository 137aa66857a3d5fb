"""The tasks by name, for the command line."""

from mat_jax.evaluate.tasks.base import Task
from mat_jax.evaluate.tasks.captioning import Captioning
from mat_jax.evaluate.tasks.entailment import Entailment
from mat_jax.evaluate.tasks.grounding import Grounding
from mat_jax.evaluate.tasks.retrieval import Retrieval
from mat_jax.evaluate.tasks.vqa import VQA
from mat_jax.evaluate.tasks.zero_shot import ZeroShot
from mat_jax.utils.spelling import meant

TASKS: dict[str, Task] = {
    task.name: task
    for task in (Retrieval(), ZeroShot(), Entailment(), VQA(), Grounding(), Captioning())
}


def task_named(name: str) -> Task:
    """The task of a name.

    Raises:
        ValueError: there is none.
    """
    if name not in TASKS:
        raise ValueError(
            f"unknown task {name!r}{meant(name, TASKS)}; choose from {', '.join(TASKS)}"
        )
    return TASKS[name]
