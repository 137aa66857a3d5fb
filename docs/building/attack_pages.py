"""The gallery of attacks: a page for each of the registry."""

import inspect
from typing import Any

from building import docstrings
from building.checkout import DOCS, put, shown
from building.pages import SHIPPED, code, fence, page, source_link, table, toctree, where_of
from mat_jax import attacks
from mat_jax.attacks import ATTACKS, ThreatModel
from mat_jax.attacks.cost import passes
from mat_jax.cli import attacks as said
from mat_jax.evaluate.tasks.registry import task_named

GROUPS = {
    "Pictures and words": lambda one: one.on_images and one.on_text and belongs(one, "retrieval"),
    "Words alone": lambda one: one.on_text and belongs(one, "retrieval"),
    "Pictures alone": lambda one: one.on_images and belongs(one, "retrieval"),
    "Classification": lambda one: belongs(one, "zero_shot") and (one.on_images or one.on_text),
    "Entailment and questions": lambda one: belongs(one, "entailment", "vqa") and one.fuses,
    "Captioning": lambda one: one.captions,
    "No attack": lambda one: True,
}

CARRIED = ("sga", "dra", "sa_aet")  # made to be crafted on one model for another


def belongs(one: attacks.Attack, *tasks: str) -> bool:
    """Whether an attack is made for one of the tasks."""
    return bool(set(tasks) & set(one.tasks))


def attacks_page() -> str:
    """All attacks in groups, each with its cost and when to take it."""
    rest = dict(ATTACKS)
    parts = [
        "# Attacks",
        "Made from `mat_jax.attacks.ATTACKS`. Cost is in passes of the image encoder, forward + "
        "backward, and of the text encoder. It is that of one picture with five captions of seven "
        "words each that may change, at 10 steps and one word.",
    ]
    for title, fits in GROUPS.items():
        names = [name for name, one in rest.items() if fits(one)]
        rows = [
            (
                f"[{rest[name].title}](/made/gallery/attacks/{name}.md) `{name}`",
                said.cost(name),
                rest[name].when,
            )
            for name in names
        ]
        parts += [f"## {title}", table(("attack, name", "passes", "when to use it"), rows)]
        rest = {name: one for name, one in rest.items() if name not in names}
    parts += ["## Suites", "Each member attacks what still stands after those before it."]
    suites = attacks.ensembles.ENSEMBLES.items()
    parts.append(
        table(
            ("suite", "attacks (steps, starts)"),
            [
                (f"`{name}`", ", ".join(f"`{m.attack}` ({m.steps}, {m.restarts})" for m in members))
                for name, members in suites
            ],
        )
    )
    return page(*parts, toctree(f"attacks/{name}" for name in ATTACKS))


def attack_page(name: str) -> str:
    """What an attack does, asks, costs and comes from."""
    one = ATTACKS[name]
    doc = docstrings.read(one.function)
    threat = ThreatModel()
    rows = []
    told = docstrings.read(ThreatModel).entries
    for field in fields_of(one):
        rows.append((f"`threat.{field}`", code(getattr(threat, field)), told[field]))
    rows.append(("`preset`", code("strict"), "`strict` is our reading, `official` the release's"))
    own = [p for p in keywords(one.function) if p not in ("threat", "preset")]
    for parameter in own:
        meaning = doc.entries.get(parameter, "")
        rows.append((f"`{parameter}`", default_of(one.function, parameter), meaning))
    each = passes(name, threat)
    facts = {
        "when to use it": one.when,
        "changes": said.changes(one),
        "tasks": ", ".join(f"[{task}](/made/gallery/tasks/{task}.md)" for task in one.tasks),
        "norms": ", ".join(one.norms) if one.on_images else "-",
        "source": source_link(said.source(name)),
        "does at least": ", ".join(f"[{c}](/made/gallery/attacks/{c}.md)" for c in one.contains)
        or "-",
        "image encoder": f"{each.image_forwards} forwards, {each.image_backwards} backwards",
        "text encoder": f"{each.text_forwards:.0f} forwards",
    }
    where = one.function.__module__
    return page(
        f"# {one.title}",
        f"`{name}`",
        doc.text,
        picture(name),
        "## In short",
        table(("", ""), list(facts.items())),
        "Costs are of one picture with five captions, at the defaults below. The command `mat-jax "
        "attack` has an eps of its own, 4/255.",
        "## Parameters",
        table(("parameter", "default", "meaning"), rows),
        *(how_at_random(name) if one.random else how(name)),
        f"The code is [`{where}`]({where_of(one.function)}).",
    )


def how(name: str) -> list[str]:
    """The commands that run an attack."""
    carried = []
    if name in CARRIED:
        carried = ["Crafted on one model, and measured on another:", fence(transfer_command(name))]
    return [
        "## Command",
        fence(command(name)),
        *carried,
        "Steps, radius and words are flags of the command: `--steps`, `--eps`, `--words`.",
    ]


def how_at_random(name: str) -> list[str]:
    """How an attack on a model that answers at random is called: no shipped model is one."""
    code_lines = [
        "from mat_jax import attacks",
        "",
        f'attack = attacks.ATTACKS["{name}"].function',
        "# adversarial = attack(model, batch, key, threat=attacks.ThreatModel(eps=4 / 255))",
    ]
    return [
        "## In Python",
        fence("\n".join(code_lines), "python"),
        "`model` is one of yours that answers at random, and has `drawn_class_logits(images, "
        "keys)`. The models that commands load have not, so there is no command.",
    ]


def picture(name: str) -> str:
    """What the attack does to a scene, where it has been drawn."""
    if not (DOCS / f"pictures/{name}.png").exists():
        return ""
    return (
        f"![A scene before and after {ATTACKS[name].title}](/pictures/{name}.png)\n\n"
        "A scene clean and attacked, and their difference, at 6/255 and one word. What was put "
        "into the caption is red. "
        f"[`docs/attack_pictures.py`]({shown(str(DOCS / 'attack_pictures.py'))}) draws it."
    )


def command(name: str) -> str:
    """A command that runs the attack on a shipped model."""
    one = ATTACKS[name]
    if task_named("retrieval").allows(name):
        model = " --model scenes-albef" * one.fuses
        return f'mat-jax attack photo.jpg "a caption" --attack {name}{model} --out attacked'
    task = one.tasks[0]
    return (
        f"mat-jax evaluate --task {task} --model {SHIPPED[task]} --data scenes \\\n"
        f"    --attacks none,{name} --suite none --out report"
    )


def transfer_command(name: str) -> str:
    """A command that crafts the attack on one shipped model and measures another."""
    return (
        "mat-jax evaluate --surrogate scenes-albef --model scenes-clip --data scenes \\\n"
        f"    --attacks none,{name} --suite none --out report"
    )


def fields_of(one: attacks.Attack) -> list[str]:
    """The fields of the threat that an attack reads."""
    found = []
    if one.on_images:
        found += ["eps", "norm", "steps", "restarts"]
        if one.step_size is not None:
            found.append("step_size")
    if one.on_text and not one.characters:
        found += ["words", "candidates", "constraint"]
    return found


def keywords(function: Any) -> list[str]:
    """The parameters of a function that are given by name."""
    found = inspect.signature(inspect.unwrap(function)).parameters.values()
    return [one.name for one in found if one.kind is inspect.Parameter.KEYWORD_ONLY]


def default_of(function: Any, parameter: str) -> str:
    """A default, as Python writes it."""
    found = inspect.signature(inspect.unwrap(function)).parameters[parameter].default
    return "must be given" if found is inspect.Parameter.empty else code(found)


def write() -> None:
    """Write the pages, and the one that lists them."""
    for name in ATTACKS:
        put(f"gallery/attacks/{name}", attack_page(name))
    put("gallery/attacks", attacks_page())
