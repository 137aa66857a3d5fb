"""The gallery of defences: a page for each of the registry."""

from collections.abc import Mapping

from building import defense_figures, docstrings
from building.checkout import put
from building.pages import fence, page, source_link, table, toctree, where_of
from mat_jax import defenses
from mat_jax.cli import defenses as said
from mat_jax.defenses.registry import DEFENSES


def defenses_page() -> str:
    """All defences, each with its cost and when to take it."""
    rows = [
        (
            f"[{name}](/made/gallery/defenses/{name}.md)",
            said.trains(one.kind),
            said.cost(one.kind),
            one.when,
        )
        for name, one in DEFENSES.items()
    ]
    return page(
        "# Defences",
        "Made from `mat_jax.defenses.registry`. Cost is that of a step over a step of plain "
        "fine-tuning, where a picture and a caption cost the same, at the defaults.",
        table(("defence", "trains", "cost", "when to use it"), rows),
        toctree(f"defenses/{name}" for name in DEFENSES),
    )


def defense_page(name: str) -> str:
    """What a defence minimises, its settings, cost and source."""
    one = DEFENSES[name]
    doc = docstrings.read(one.kind)
    told = meanings(doc.entries, docstrings.read(defenses.ImageDefense).entries)
    rows = []
    for line in docstrings.fields(one.kind):
        field, _, rest = line.partition(":")
        _, _, default = rest.partition("=")
        rows.append((f"`{field}`", f"`{default.strip() or 'must be given'}`", told.get(field, "")))
    facts = {
        "when to use it": one.when,
        "trains": said.trains(one.kind),
        "cost of a step": f"{said.cost(one.kind)} (plain fine-tuning is 1)",
        "source": source_link(one.source),
    }
    prompts = any(row[0] == "`prompts`" for row in rows)
    settings = 'prompts=defenses.Prompts(("a cat.", "a dog."))' if prompts else ""
    if one.kind is defenses.MaskedWords:
        settings = "mask=103, first=999, vocabulary=30522"  # of BERT's uncased vocabulary
    code_lines = [
        "from mat_jax import defenses",
        "",
        f"defense = defenses.{name}({settings})  # an experiment's `defense`",
    ]
    return page(
        f"# {name}",
        doc.text,
        "## In short",
        table(("", ""), list(facts.items())),
        "## What it leaves",
        defense_figures.figure(name),
        "## Settings",
        table(("setting", "default", "meaning"), rows) if rows else "It has none.",
        "## In an experiment",
        fence("\n".join(code_lines), "python"),
        "[Train on my data](/how/train.md) shows a whole experiment. "
        f"The code is [`{one.kind.__module__}`]({where_of(one.kind)}).",
    )


def meanings(entries: Mapping[str, str], shared: Mapping[str, str]) -> dict[str, str]:
    """What each setting means; of `a, b: see ...; more`, what `shared` says of a and b."""
    found = dict(shared)
    for names, meaning in entries.items():
        each = [name.strip() for name in names.split(",")]
        for name in each:
            more = meaning.partition("; ")[2]
            if len(each) == 1:
                found[name] = meaning
            elif name == "step_size" and more:
                found[name] = f"{shared[name]} Here: {more}"
    return found


def write() -> None:
    """Write the pages, and the one that lists them."""
    for name in DEFENSES:
        put(f"gallery/defenses/{name}", defense_page(name))
    put("gallery/defenses", defenses_page())
