"""Docstrings of the house as Markdown: text and formulas as they are, sections as lists."""

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable
from typing import NamedTuple

SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields):\n((?:[ \t]+.*\n?|\n)*)", re.M)
ENTRY = re.compile(r"^([^\s:][^:]*):(?:\s+|$)", re.M)


class Docstring(NamedTuple):
    """A docstring in its parts; `entries` are of Args or Attributes, by name."""

    text: str
    entries: dict[str, str]
    returns: str
    raises: str

    @property
    def summary(self) -> str:
        """The first sentence or paragraph."""
        return " ".join(self.text.split("\n\n")[0].split())


def read(thing: object) -> Docstring:
    """The docstring of a thing, empty where it has none."""
    text = inspect.getdoc(thing) or ""
    sections = {match[1]: textwrap.dedent(match[2]).strip() for match in SECTION.finditer(text)}
    body = markdown(SECTION.sub("", text).strip())
    entries = _entries(sections.get("Args", "") or sections.get("Attributes", ""))
    return Docstring(body, entries, sections.get("Returns", ""), sections.get("Raises", ""))


def markdown(text: str) -> str:
    """Displayed formulas get lines of their own, as MyST wants them."""

    def displayed(match: re.Match[str]) -> str:
        lines = textwrap.dedent(match[2]).strip()
        return f"\n\n{match[1]}$$\n{textwrap.indent(lines, match[1])}\n{match[1]}$$\n\n"

    text = re.sub(r"(?m)(?:^>>> .*\n(?:^(?!\n).+\n?)*)+", _session, text + "\n")
    text = re.sub(r"(?:^|\n)([ ]*)\$\$(.+?)\$\$[ ]*(?=\n|$)", displayed, text, flags=re.S)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _session(match: re.Match[str]) -> str:
    return f"\n```pycon\n{match[0].rstrip()}\n```\n"


def _entries(text: str) -> dict[str, str]:
    """`name: meaning`, with lines that go on indented."""
    found: dict[str, str] = {}
    for block in re.split(r"\n(?=\S)", text):
        name, _, meaning = block.partition(":")
        if meaning:
            found[name.strip()] = " ".join(meaning.split())
    return found


def signature(thing: Callable[..., object] | type) -> str:
    """The parameters as the source writes them, with types and defaults."""
    if not inspect.isclass(thing):
        found = inspect.unwrap(thing)
        node = ast.parse(textwrap.dedent(inspect.getsource(found))).body[0]
        assert isinstance(node, ast.FunctionDef)
        result = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
        return f"({ast.unparse(node.args)}){result}"
    if dataclasses.is_dataclass(thing) or issubclass(thing, tuple):
        return f"({', '.join(fields(thing))})"
    start = vars(thing).get("__init__")
    if start is None:
        return ""
    node = ast.parse(textwrap.dedent(inspect.getsource(start))).body[0]
    assert isinstance(node, ast.FunctionDef)
    node.args.args = node.args.args[1:]
    return f"({ast.unparse(node.args)})"


def fields(kind: type) -> list[str]:
    """`name: type = default` of each field, those of its bases first, as the source writes them."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        if one in (object, tuple) or one.__module__ == "typing":
            continue
        node = ast.parse(textwrap.dedent(inspect.getsource(one))).body[0]
        assert isinstance(node, ast.ClassDef)
        for line in node.body:
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                if line.target.id != "_":
                    found[line.target.id] = ast.unparse(line)
    return list(found.values())
