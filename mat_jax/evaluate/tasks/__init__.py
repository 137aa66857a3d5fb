"""Tasks: what a model is asked, what an adversary climbs, and how answers are scored.

`base` says what a task is; each task is one file; `registry` names them for the command line.
"""
