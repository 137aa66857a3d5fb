"""What a run will need, before it runs: `python -m mat_jax.train --config F --plan`."""

from mat_jax.train.plan.chips import CHIPS as CHIPS
from mat_jax.train.plan.chips import topology as topology
from mat_jax.train.plan.making import planned as planned
from mat_jax.train.plan.making import suggested as suggested
from mat_jax.train.plan.record import Plan as Plan
from mat_jax.train.plan.text import format_plan as format_plan
