"""The outer losses of training: contrastive, matching, and what a model minimises on pairs."""
