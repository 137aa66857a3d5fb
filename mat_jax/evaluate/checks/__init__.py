"""Whether an evaluation can be believed: its model, its attack and what they did, checked.

`before` looks at a few images before anything is measured, `after` at the measured rows. What would
make every number meaningless stops the run; everything else is a `Check` with a verdict, its
figures and one sentence. The checks are those of Carlini et al. (2019), Croce & Hein's AutoAttack
(2020), Pintor et al. (2022) and Zimmermann et al. (2022), put to image-text retrieval.
"""

from mat_jax.evaluate.checks.sample import Readout, Sample
from mat_jax.evaluate.checks.sequence import after, before
from mat_jax.evaluate.results import Check

__all__ = ["Check", "Readout", "Sample", "after", "before"]
