"""The API: a page for each public face, with what it exports as Sphinx's own objects.

Docstrings of the house are Markdown with formulas, so MyST reads them, and not autodoc, which wants
reStructuredText. Objects, index and search are those of Sphinx's Python domain all the same.
"""

import importlib
import inspect
import typing
from types import ModuleType

from building import docstrings
from building.checkout import put
from building.pages import page, table, where_of

FACES = {
    "mat_jax": "What most programs need.",
    "mat_jax.types": "The records that travel, and what parts ask of each other.",
    "mat_jax.attacks": "Attacks, their threat model, and what they are made of.",
    "mat_jax.defenses": "Defences, for an experiment's `defense`.",
    "mat_jax.data": "Sources, and the way from them to batches.",
    "mat_jax.models": "Encoders and their files.",
    "mat_jax.evaluate": "Measuring what a model withstands.",
    "mat_jax.train": "An experiment and its run.",
    "mat_jax.augment": "Further captions and pictures.",
}


def write() -> None:
    """Write the pages; a thing that several faces export stands on one of them."""
    homes = home_of_each()
    for face in FACES:
        put(f"api/{face}", face_page(face, homes))


def home_of_each() -> dict[str, tuple[str, object]]:
    """By its name, the face that documents a thing, and the thing: the last that exports it."""
    return {
        name: (face, thing)
        for face in FACES
        for name, thing in exported(importlib.import_module(face)).items()
    }


def exported(module: ModuleType) -> dict[str, object]:
    """What a face exports by name; packages are faces of their own."""
    names = getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]
    found = {name: getattr(module, name) for name in names}
    return {
        name: one
        for name, one in sorted(found.items(), key=lambda item: item[0].lower())
        if not isinstance(one, ModuleType)
        and (getattr(one, "__module__", None) or "mat_jax").startswith("mat_jax")
    }


def face_page(face: str, homes: dict[str, tuple[str, object]]) -> str:
    """A face: its docstring, and each thing that it exports."""
    module = importlib.import_module(face)
    things = exported(module)
    parts = [f"# `{face}`", FACES[face], docstrings.read(module).text if face != "mat_jax" else ""]
    for name, one in things.items():
        home, other = homes[name]
        if home == face:
            parts.append(described(face, name, one))
        elif other is one:
            parts.append(f"{{py:obj}}`{face}.{name} <{home}.{name}>` stands in `{home}`.")
        else:  # another thing of the same name has the entry of the index
            parts.append(described(face, name, one, options=":no-index:\n"))
    return page(*parts)


def described(face: str, name: str, thing: object, options: str = "") -> str:
    """A thing with its signature, docstring and parameters."""
    if not (inspect.isclass(thing) or inspect.isfunction(thing)):
        kind = getattr(type(thing), "__name__", "object")
        return directive("data", f"{face}.{name}", f"{options}\nA `{kind}`.", fences=4)
    if getattr(thing, "_is_protocol", False) or typing.is_typeddict(thing):
        signature = ""
    else:
        signature = docstrings.signature(thing)
    body = told(docstrings.read(thing))
    if inspect.isclass(thing):
        body = page(body, *methods(thing))
    body = page(body, f"Source: [`{thing.__module__}`]({where_of(thing)})")
    kind = "class" if inspect.isclass(thing) else "function"
    return directive(kind, f"{face}.{name}{signature}", f"{options}\n{body}", fences=6)


def methods(kind: type) -> list[str]:
    """The public methods and properties that a class itself documents."""
    found = []
    for name, one in vars(kind).items():
        function = one.__func__ if isinstance(one, classmethod | staticmethod) else one
        if name.startswith("_"):
            continue
        if isinstance(function, property) and function.__doc__:
            found.append(directive("property", name, docstrings.read(function).text, fences=5))
        elif inspect.isfunction(function) and function.__doc__:
            line = docstrings.signature(function)
            for first in ("self, ", "cls, ", "self", "cls"):
                line = line.replace(f"({first}", "(", 1)
            options = "" if function is one else f":{type(one).__name__}:\n"
            body = told(docstrings.read(function))
            found.append(directive("method", f"{name}{line}", options + "\n" + body, fences=5))
    return found


def told(doc: docstrings.Docstring) -> str:
    """A docstring with its sections as lists and tables."""
    entries = [(f"`{name}`", meaning) for name, meaning in doc.entries.items()]
    return page(
        doc.text,
        table(("", ""), entries) if entries else "",
        f"Returns: {' '.join(doc.returns.split())}" if doc.returns else "",
        f"Raises: {' '.join(doc.raises.split())}" if doc.raises else "",
    )


def directive(kind: str, line: str, body: str, *, fences: int) -> str:
    """A directive of the Python domain."""
    fence = "`" * fences
    return f"{fence}{{py:{kind}}} {line}\n{body.strip()}\n{fence}"
