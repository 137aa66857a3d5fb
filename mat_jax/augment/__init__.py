"""One-to-many partners of images and captions, for MAT+ (Waseda et al., arXiv:2405.18770)."""

from mat_jax.augment.eda import edited as edited
from mat_jax.augment.maker import make as make
from mat_jax.augment.manifest import Entry as Entry
from mat_jax.augment.manifest import Manifest as Manifest
from mat_jax.augment.manifest import read_manifest as read_manifest
from mat_jax.augment.methods import WAYS as WAYS
from mat_jax.augment.randaugment import rand_augment as rand_augment
from mat_jax.augment.recipe import Recipe as Recipe
from mat_jax.augment.shift import restyle as restyle
from mat_jax.augment.shift import reword as reword
