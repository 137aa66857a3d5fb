"""The command line of the studies.

Exit codes: 0 all done; 2 something in the command or in a run is not right (one sentence says
what; the other runs were carried out all the same); 128 + n stopped by signal n: the same command
goes on.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from experiments.study import augmented, saved, studies
from experiments.study.carry import carry_out
from experiments.study.plan import RESULTS, Run
from mat_jax.evaluate.invariants import Broken
from mat_jax.train import loop
from mat_jax.train.logging import duration
from mat_jax.utils.command_line import Parser
from mat_jax.utils.files import writable


def parser() -> Parser:
    """The command line."""
    line = Parser(
        prog="python -m experiments.study",
        description="Carry out studies: runs one after another, each trained and measured once.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = line.add_argument
    add("--only", help="studies or runs: main,strategies or main/clip-*; all if not given")
    add("--seeds", type=int, default=3, help="how many trainings of each")
    add("--limit", type=int, help="test images, with --results; default: each experiment's own")
    add(
        "--out",
        type=Path,
        default=Path("runs/study"),
        help=f"where runs keep their folders; partners are in {augmented.DATA} wherever that is",
    )
    add("--results", type=Path, help="where results are kept; default experiments/study/results")
    add("--list", action="store_true", help="show the runs and which are done, and do nothing")
    add("--redraw", action="store_true", help="draw all tables and figures again, and do no more")
    add("--quiet", action="store_true", help="no progress lines")
    return line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    try:
        given = parser().parse_args(arguments)
        usual = RESULTS
        results = given.results or usual
        if given.limit is not None and results.resolve() == usual.resolve():
            raise ValueError(
                f"--limit {given.limit} would replace the results in {usual} by those of another "
                "size: give another folder, --results"
            )
        if given.seeds < 1:
            raise ValueError(f"--seeds is {given.seeds}: give at least 1")
        only = tuple(name.strip() for name in (given.only or "").split(",") if name.strip())
        if given.only is not None and not only:
            raise ValueError(f"--only {given.only!r} names nothing: give names, or leave it out")
        runs = _limited(studies.chosen(only, given.seeds), given.limit)
        every = _limited((run for runs in studies.every().values() for run in runs), given.limit)
        shelf, others = saved.matching(saved.read(results), every)
        if others:
            print(f"left out, of other settings: {', '.join(others)}", file=sys.stderr)
        if given.redraw:
            from experiments.study.redraw import draw_all

            print(f"drawn: {draw_all(shelf, results)}")
            return 0
        if given.list:
            print(listed(runs, shelf, results))
            return 0
        writable(results), writable(given.out)
        return _carry_out(runs, every, given.out, results, quiet=given.quiet)
    except loop.Stopped as stopped:
        print(stopped, file=sys.stderr)
        return stopped.exit_code
    except (ValueError, OSError, Broken) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        return 130


def _limited(runs: Iterable[Run], limit: int | None) -> list[Run]:
    """The same runs, measured on another number of images if one is given."""
    more = () if limit is None else (f"limit={limit}",)
    return [replace(run, settings=(*run.settings, *more)) for run in runs]


def _carry_out(
    runs: Sequence[Run], every: Sequence[Run], out: Path, results: Path, *, quiet: bool
) -> int:
    """Every run that is not done, in turn; a run that cannot be does not keep the others."""
    status = 0
    for number, run in enumerate(runs):
        if saved.known(results, run):
            continue
        if not quiet:
            shelf, _ = saved.matching(saved.read(results), every)
            left = _minutes_left(runs[number:], shelf, results)
            print(f"== {run.file} ({number + 1} of {len(runs)}, {left} left)", file=sys.stderr)
        try:
            carry_out(run, out, results, quiet=quiet)
        except (ValueError, OSError, ArithmeticError, Broken) as error:
            if "\n" in str(error):  # our sentences are one line: this is a fault, not a mistake
                raise
            print(f"error: {run.file}: {error}", file=sys.stderr)
            status = 2
    return status


def listed(runs: Sequence[Run], shelf: saved.Shelf, results: Path) -> str:
    """One line a run: done or not, and what it took or may take."""
    lines, done = [], 0
    for run in runs:
        found = saved.known(results, run)
        done += found is not None
        taken = found.minutes if found else estimate(run, shelf)
        word = "done " if found else "to do"
        lines.append(f"{run.file:44} {word} {'' if found else '~'}{taken:.0f} min")
    left = _minutes_left(runs, shelf, results)
    lines.append(f"{len(runs)} runs: {done} done, {len(runs) - done} to do, about {left}")
    return "\n".join(lines)


def estimate(run: Run, shelf: saved.Shelf) -> float:
    """Minutes of a run: those of its other seeds, else its guess.

    The guess, with that of the trainings it needs, is scaled by what all runs of the shelf took
    beside theirs, so that a faster machine is known for one after its first run.
    """
    taken = saved.mean_minutes(shelf.of(run.key))
    if taken is not None:
        return taken
    guesses = {one.key: one.minutes for runs in studies.every().values() for one in runs}
    ratios = [
        one.minutes / guesses[key]
        for key, seeds in shelf.runs.items()
        if key in guesses
        for one in seeds
    ]
    needed = [one for one in run.ingredients if one.key not in shelf]
    guess = run.minutes + sum(one.minutes for one in needed)
    return guess * (sum(ratios) / len(ratios) if ratios else 1.0)


def _minutes_left(runs: Sequence[Run], shelf: saved.Shelf, results: Path) -> str:
    left = [estimate(run, shelf) for run in runs if not saved.known(results, run)]
    return duration(60 * sum(left))
