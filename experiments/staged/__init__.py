"""Training in stages: each goes on from the model that the one before it made.

`python -m experiments.staged` carries stages out, `python -m experiments.staged.study` compares
training in stages with training without.
"""
