"""`mat-jax attacks`: every attack of the registry, with what it changes, costs and comes from."""

from collections.abc import Sequence

from mat_jax.attacks import ATTACKS, Attack, ThreatModel
from mat_jax.attacks.cost import passes
from mat_jax.attacks.ensembles import ENSEMBLES
from mat_jax.cli.help_text import Grouped
from mat_jax.cli.listing import summary_of, table
from mat_jax.evaluate.tasks.registry import TASKS, task_named
from mat_jax.utils.spelling import meant


def parser() -> Grouped:
    """Every option that there is."""
    line = Grouped(
        "mat-jax attacks",
        "mat-jax attacks [NAME] [--task TASK]",
        "Lists the attacks, or tells more of one. Passes are those of the image encoder (forward + "
        "backward) and of the text encoder for one picture with five captions, at 10 steps.",
        "mat-jax attacks sga",
    )
    add = line.add_argument_group("which").add_argument
    add("name", metavar="NAME", nargs="?", help="one of them")
    add("--task", choices=tuple(TASKS), help="only those made for it")
    return line


def run(arguments: Sequence[str], /) -> int:
    """List them, or describe one."""
    given = parser().parse_args(list(arguments))
    if given.name is not None:
        print(described(given.name))
        return 0

    def allowed(name: str) -> bool:
        return given.task is None or task_named(given.task).allows(name)

    names = [name for name in ATTACKS if allowed(name)]
    rows = [
        (name, ATTACKS[name].title, changes(ATTACKS[name]), cost(name), source(name))
        for name in names
    ]
    print(table(("name", "title", "changes", "passes", "source"), rows, width=110))
    suites = [
        (name, ", ".join(dict.fromkeys(one.attack for one in members)))
        for name, members in ENSEMBLES.items()
        if any(allowed(one.attack) for one in members)
    ]
    print("\n" + table(("suite", "attacks, each on what still stands"), suites, width=110))
    return 0


def changes(attack: Attack) -> str:
    """What an attack may change."""
    text = "letters" if attack.characters else "words"
    found = ["pictures"] * attack.on_images + [text] * attack.on_text
    return " + ".join(found) or "nothing"


def cost(name: str) -> str:
    """`53+50, 60`: image forwards and backwards, text forwards, at the usual threat."""
    each = passes(name, ThreatModel())
    return f"{each.image_forwards}+{each.image_backwards}, {each.text_forwards:.0f}"


def source(name: str) -> str:
    """The paper of an attack."""
    return "-" if name == "none" else ATTACKS[name].source


def described(name: str) -> str:
    """What is known of one attack.

    Raises:
        ValueError: there is none of this name.
    """
    if name not in ATTACKS:
        raise ValueError(
            f"unknown attack {name!r}{meant(name, ATTACKS)}; choose from {', '.join(ATTACKS)}"
        )
    of = ATTACKS[name]
    needs = [
        "a model that reads picture and text together"
        if of.fuses
        else "a model that writes captions"
        if of.captions
        else "a model that classifies"
        if of.classifies
        else "a model that embeds pictures and texts"
    ]
    needs += ["a language model that proposes words (--mlm)"] * (of.on_text and not of.characters)
    facts = {
        "title": of.title,
        "does": summary_of(of.function),
        "changes": changes(of),
        "tasks": ", ".join(of.tasks),
        "norms": ", ".join(of.norms) if of.on_images else "-",
        "needs": ", ".join(needs),
        "contains": ", ".join(of.contains) or "-",
        "passes": cost(name),
        "source": source(name),
        "when": of.when,
        "function": f"{of.function.__module__}.{getattr(of.function, '__name__', name)}",
    }
    return table(("attack", name), list(facts.items()))
