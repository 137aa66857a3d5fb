"""The gallery of tasks: a page for each of the registry."""

from building import docstrings
from building.checkout import DOCS, put, shown
from building.pages import SHIPPED, fence, page, table, toctree, where_of
from mat_jax.attacks import ATTACKS
from mat_jax.cli.tasks import figures
from mat_jax.evaluate.config import usual_attacks
from mat_jax.evaluate.tasks.registry import TASKS, task_named


def tasks_page() -> str:
    """All tasks with their figures."""
    rows = [
        (
            f"[{task_named(name).title}](/made/gallery/tasks/{name}.md)",
            f"`{name}`",
            figures(name),
        )
        for name in TASKS
    ]
    return page(
        "# Tasks",
        "Made from `mat_jax.evaluate.tasks.registry`.",
        table(("task", "name", "figures"), rows),
        toctree(f"tasks/{name}" for name in TASKS),
    )


def task_page(name: str) -> str:
    """What a task asks, its figures and its attacks."""
    task = task_named(name)
    allowed = [one for one in ATTACKS if task.allows(one)]
    facts = {
        "figures": figures(name),
        "measured unless named": ", ".join(f"`{one}`" for one in usual_attacks(name)),
        "attacks made for it": ", ".join(
            f"[{one}](/made/gallery/attacks/{one}.md)" for one in allowed
        ),
    }
    command = f"mat-jax evaluate --task {name} --model {SHIPPED[name]} --data scenes --out report"
    return page(
        f"# {task.title}",
        f"`{name}`",
        docstrings.read(type(task)).text,
        task.explained,
        picture(name),
        "## In short",
        table(("", ""), list(facts.items())),
        "## Command",
        fence(command),
        f"The code is [`{type(task).__module__}`]({where_of(type(task))}).",
    )


def picture(name: str) -> str:
    """What the task asks of a scene, and what an attack makes of the answer."""
    looks = f"{task_named(name).looks} ".lstrip()
    return (
        f"![A scene, what is asked and the answer, clean and attacked](/pictures/tasks/{name}.png)"
        f"\n\nWhat `{SHIPPED[name]}` answers about a scene, clean and attacked at 6/255. "
        f"A wrong answer is red, and so is a word that the attack put in. {looks}"
        f"[`docs/task_pictures.py`]({shown(str(DOCS / 'task_pictures.py'))}) draws it."
    )


def write() -> None:
    """Write the pages, and the one that lists them."""
    for name in TASKS:
        put(f"gallery/tasks/{name}", task_page(name))
    put("gallery/tasks", tasks_page())
