"""How sure a measured figure is: intervals, noise, spreads over trainings, verdicts."""

from mat_jax.evaluate.statistics.clustered import clustered_wilson as clustered_wilson
from mat_jax.evaluate.statistics.clustered import design_effect as design_effect
from mat_jax.evaluate.statistics.intervals import Figures as Figures
from mat_jax.evaluate.statistics.intervals import paired_bootstrap as paired_bootstrap
from mat_jax.evaluate.statistics.intervals import ranked_figures as ranked_figures
from mat_jax.evaluate.statistics.intervals import share as share
from mat_jax.evaluate.statistics.intervals import wilson as wilson
from mat_jax.evaluate.statistics.noise import by_chance as by_chance
from mat_jax.evaluate.statistics.noise import paired as paired
from mat_jax.evaluate.statistics.noise import rank_correlation as rank_correlation
from mat_jax.evaluate.statistics.noise import sampled as sampled
from mat_jax.evaluate.statistics.seeds import Spread as Spread
from mat_jax.evaluate.statistics.seeds import spread as spread
from mat_jax.evaluate.statistics.verdicts import Difference as Difference
from mat_jax.evaluate.statistics.verdicts import by_image as by_image
from mat_jax.evaluate.statistics.verdicts import difference as difference
from mat_jax.evaluate.statistics.verdicts import graded as graded
