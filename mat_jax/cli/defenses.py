"""`mat-jax defenses`: every defence, with what it trains, costs and comes from."""

from collections.abc import Sequence
from typing import Any

from mat_jax import defenses
from mat_jax.cli.help_text import Grouped
from mat_jax.cli.listing import summary_of, table
from mat_jax.defenses.cost import passes
from mat_jax.defenses.registry import DEFENSES
from mat_jax.utils.spelling import meant

BATCH = 64


def parser() -> Grouped:
    """Every option that there is."""
    line = Grouped(
        "mat-jax defenses",
        "mat-jax defenses [NAME]",
        "Lists the defences, or tells more of one. Cost is that of a step over a step of plain "
        "fine-tuning, where a picture and a caption cost the same, at the defaults.",
        "mat-jax defenses MAT",
    )
    line.add_argument_group("which").add_argument(
        "name", metavar="NAME", nargs="?", help="one of them"
    )
    return line


def run(arguments: Sequence[str], /) -> int:
    """List them, or describe one."""
    name = parser().parse_args(list(arguments)).name
    known = every()
    if name is None:
        rows = [
            (n, trains(one), cost(one), DEFENSES[n].source, summary_of(one)) for n, one in known
        ]
        print(table(("name", "trains", "cost", "source", "does"), rows, width=120))
        return 0
    found = dict(known).get(name)
    if found is None:
        names = [one for one, _ in known]
        raise ValueError(
            f"unknown defence {name!r}{meant(name, names)}; choose from {', '.join(names)}"
        )
    facts = {
        "does": summary_of(found),
        "trains": trains(found),
        "cost": cost(found),
        "source": DEFENSES[name].source,
        "when": DEFENSES[name].when,
        "settings": made(found),
        "class": f"mat_jax.defenses.{name}, for an experiment's `defense`",
    }
    print(table(("defence", name), list(facts.items())))
    return 0


def every() -> list[tuple[str, type[defenses.Defense[Any]]]]:
    """The defences of the package by name."""
    return [(name, one.kind) for name, one in sorted(DEFENSES.items())]


def instance(kind: type[defenses.Defense[Any]]) -> defenses.Defense[Any]:
    """A defence with the defaults; where it wants class prompts or ids of a vocabulary, some."""
    if kind is defenses.MaskedWords:
        return defenses.MaskedWords(mask=4, first=5, vocabulary=100)
    if issubclass(kind, defenses.TeCoA | defenses.MMCoA | defenses.PMGAFT | defenses.TGAZSR):
        return kind(prompts=defenses.Prompts(("a photo of a cat.", "a photo of a dog.")))
    return kind()


def trains(kind: type[defenses.Defense[Any]]) -> str:
    """Which towers train."""
    one = instance(kind)
    if not one.encodes:
        return "language model"
    towers = {"vision": "pictures", "text": "texts"}
    return " + ".join(said for tower, said in towers.items() if one.trains((tower,)))


def cost(kind: type[defenses.Defense[Any]]) -> str:
    """Times a plain step; a dash where nobody has counted."""
    try:
        return f"{passes(instance(kind), batch_size=BATCH).relative(1.0, 1.0):.1f}"
    except ValueError:
        return "-"


def made(kind: type[defenses.Defense[Any]]) -> str:
    """Its settings, as Python writes them."""
    return repr(instance(kind))
