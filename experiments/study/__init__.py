"""Studies: lists of runs, carried out one after another, and tables and figures of what they found.

python -m experiments.study --list
python -m experiments.study --only main --seeds 3 --out runs/study
python -m experiments.study --redraw

A run trains by an experiment file of `experiments/study/`, evaluates once, and leaves one small
JSON file under `experiments/study/results/`. Everything that is drawn is drawn from those files, by
`--redraw`, as `experiments/study/results/README.md`.
"""
