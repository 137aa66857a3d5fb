"""The papers' tables: list them, or carry them out in miniature, on `scenes`.

python -m experiments.tables [--redraw]
python -m experiments.tables --miniature --out runs/tables [--only mava_1,mava_8]

A miniature has small models and the embedded world, and its figures say nothing of the real ones.
It trains what it needs for a minute or two, and evaluates. What is finished is not done again, so
the same command goes on after a stop. Each table has a page of its own in the folder, and
`index.md` has all that were printed.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.tables import TABLES
from experiments.tables.across import across_tasks
from experiments.tables.table import Table
from mat_jax.utils.command_line import Parser
from mat_jax.utils.files import writing

HERE = Path(__file__).parent
HEAD = """# The papers' tables

`python -m experiments.tables --redraw` writes this page. It has the command of every table and
figure, and the paper's figures. The last column is for whoever has the real weights: we have not.
Nothing of a miniature is ever put there. `python -m experiments.tables --miniature --out DIR`
carries all miniatures out. Names in capitals are folders of models: a training wrote them, or
their authors. A raised figure is the eps of a training in grey levels.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; a mistake is one sentence and status 2."""
    line = Parser(prog="python -m experiments.tables", description=__doc__)
    line.add_argument("--miniature", action="store_true", help="carry them out on scenes")
    line.add_argument("--redraw", action="store_true", help="write the page of all tables anew")
    line.add_argument("--only", help=f"of {', '.join(TABLES)}")
    line.add_argument("--out", type=Path, default=Path("runs/tables"), help="for miniatures")
    given = line.parse_args(arguments)
    try:
        chosen = chosen_tables(given.only)
        if given.miniature:
            for table in chosen:
                miniature(table, given.out)
            write_index(chosen, given.out)
            print(f"tables: {given.out / 'index.md'}")
        else:
            print("\n".join(f"{table.name:16}{table.title}" for table in chosen))
        if given.redraw:
            (HERE / "README.md").write_text(page())
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def chosen_tables(only: str | None) -> list[Table]:
    """Those named, or all.

    Raises:
        ValueError: there is no such table.
    """
    names = list(TABLES) if only is None else [name.strip() for name in only.split(",")]
    for name in names:
        if name not in TABLES:
            raise ValueError(f"unknown table {name!r}; choose from {', '.join(TABLES)}")
    return [TABLES[name] for name in names]


def page() -> str:
    """All tables as Markdown."""
    return "\n".join([HEAD, *(table.page() for table in TABLES.values())])


def miniature(table: Table, out: Path) -> None:
    """Train what a miniature measures, and measure it, unless that is done.

    A table across tasks has a page for each of them, `TABLE/TASK/index.html`.

    Raises:
        ValueError: a command failed, whose output is in the folder.
    """
    folder = out / table.name
    if not (table.miniature or table.tasks) or (folder / "table.txt").is_file():
        return
    for training in table.trainings:
        if not Path(training.model.format(out=out)).is_dir():
            print(f"{table.name}: training {training.name}", file=sys.stderr, flush=True)
            _run("mat_jax.train", [one.format(out=out) for one in training.arguments])
    print(f"{table.name}: measuring", file=sys.stderr, flush=True)
    if table.tasks:
        for task, asked in table.tasks.items():
            if not (folder / task / "results.json").is_file():
                arguments = ["--task", task, *asked.format(out=out).split()]
                _run("mat_jax.evaluate", [*arguments, "--out", str(folder / task)])
        printed = across_tasks([folder / task for task in table.tasks])
    else:
        arguments = table.miniature.format(out=out).split()
        printed = _run(table.module, [*arguments, "--out", str(folder)])
    with writing(folder / "table.txt") as file:
        file.write(printed.encode())


def write_index(tables: Sequence[Table], out: Path) -> None:
    """All printed tables on one page, with a link to each report."""
    parts = ["# The papers' tables in miniature\n", "Of small models on `scenes`.\n"]
    for table in tables:
        told = out / table.name / "table.txt"
        if told.is_file():
            parts += [f"## {table.title}\n"]
            if (told.parent / "index.html").is_file():
                parts += [f"[report]({table.name}/index.html)\n"]
            parts += [f"```\n{told.read_text().strip()}\n```\n"]
    with writing(out / "index.md") as file:
        file.write("\n".join(parts).encode())


def _run(module: str, arguments: Sequence[str]) -> str:
    """What a command of ours prints; a process of its own, so that its memory is given back."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise ValueError(
            f"python -m {module} {' '.join(arguments)} ended with status {done.returncode}: see "
            "its sentence above; the same command goes on from there"
        )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
