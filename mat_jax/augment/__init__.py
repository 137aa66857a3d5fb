"""One-to-many partners of images and captions, for MAT+ (Waseda et al., arXiv:2405.18770)."""
