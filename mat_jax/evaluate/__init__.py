"""What a model withstands: tasks under attack, the worst case, checks, transfer, the report."""

from mat_jax.evaluate.comparison import compare as compare
from mat_jax.evaluate.config import Evaluation as Evaluation
from mat_jax.evaluate.results import Result as Result
from mat_jax.evaluate.runner import evaluate as evaluate
from mat_jax.evaluate.runner import prepare as prepare
from mat_jax.evaluate.tables import format_cautions as format_cautions
from mat_jax.evaluate.tables import format_table as format_table
from mat_jax.evaluate.tasks.base import Task as Task
from mat_jax.evaluate.tasks.base import Victim as Victim
from mat_jax.evaluate.transfer import measure_transfer as measure_transfer
