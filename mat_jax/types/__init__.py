"""What the parts hand to each other: arrays in records, and the protocols that they keep."""

from mat_jax.types.arrays import Adversarial as Adversarial
from mat_jax.types.arrays import Batch as Batch
from mat_jax.types.arrays import ImageFeatures as ImageFeatures
from mat_jax.types.arrays import TextFeatures as TextFeatures
from mat_jax.types.arrays import Tokens as Tokens
from mat_jax.types.arrays import Words as Words
from mat_jax.types.arrays import unit as unit
from mat_jax.types.text_format import TextFormat as TextFormat
from mat_jax.types.text_format import compose as compose
