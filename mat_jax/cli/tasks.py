"""`mat-jax tasks`: what can be asked of a model, with its figures and the attacks made for it."""

from collections.abc import Sequence

from mat_jax.attacks import ATTACKS
from mat_jax.cli.help_text import Grouped
from mat_jax.cli.listing import table
from mat_jax.evaluate.config import usual_attacks
from mat_jax.evaluate.tasks.registry import TASKS, task_named


def parser() -> Grouped:
    """Every option that there is."""
    line = Grouped(
        "mat-jax tasks",
        "mat-jax tasks [NAME]",
        "Lists the tasks that mat-jax evaluate --task knows, or tells more of one.",
        "mat-jax tasks zero_shot",
    )
    line.add_argument_group("which").add_argument(
        "name", metavar="NAME", nargs="?", help="one of them"
    )
    return line


def run(arguments: Sequence[str], /) -> int:
    """List them, or describe one."""
    name = parser().parse_args(list(arguments)).name
    if name is None:
        rows = [(n, figures(n), ", ".join(usual_attacks(n)[1:])) for n in TASKS]
        print(table(("name", "figures", "usual attacks"), rows))
        return 0
    task = task_named(name)
    facts = {
        "title": task.title,
        "figures": figures(name),
        "means": task.explained,
        "usual attacks": ", ".join(usual_attacks(name)[1:]),
        "all attacks": ", ".join(one for one in ATTACKS if task.allows(one) and one != "none"),
    }
    print(table(("task", name), list(facts.items())))
    return 0


def figures(name: str) -> str:
    """The heads of its columns: `TR@1, TR@5, ...`."""
    task = task_named(name)
    return ", ".join(task.column(kind, k) for kind in task.kinds for k in task.depths)
