"""One-to-many partners of images and captions, for MAT+ (Waseda et al., arXiv:2405.18770)."""

from mat_jax.augment.manifest import Entry as Entry
from mat_jax.augment.manifest import Manifest as Manifest
from mat_jax.augment.manifest import read_manifest as read_manifest
