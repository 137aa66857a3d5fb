"""What pages are made of: tables, fences, lists of pages, links."""

import inspect
from collections.abc import Iterable
from typing import Any

from building import checkout

# A shipped model for each task, with which its commands run as they stand.
SHIPPED = {
    "retrieval": "scenes-clip",
    "zero_shot": "scenes-clip",
    "entailment": "scenes-entailment",
    "vqa": "scenes-vqa",
    "grounding": "scenes-albef",
    "captioning": "scenes-captioner",
}


def code(value: object) -> str:
    """A value as code; radii as a share of 255."""
    if isinstance(value, float) and 0 < value < 1 and abs(round(value * 255) - value * 255) < 1e-9:
        return f"`{round(value * 255)}/255`"
    return f"`{value!r}`"


def source_link(source: str) -> str:
    """A paper, with a link to arXiv where it has a number."""
    before, found, number = source.partition("arXiv:")
    if not found:
        return source
    digits, _, after = number.partition(" ")
    return f"{before}[arXiv:{digits}](https://arxiv.org/abs/{digits}){' ' * bool(after)}{after}"


def where_of(thing: Any) -> str:
    """The page that shows a module's code."""
    file = inspect.getsourcefile(inspect.unwrap(thing) if callable(thing) else thing)
    assert file is not None
    return checkout.shown(file)


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join(
        "| " + " | ".join(" ".join(str(c).replace("|", "\\|").split()) for c in line) + " |"
        for line in lines
    )


def fence(text: str, language: str = "") -> str:
    """A block of code."""
    return f"```{language}\n{text}\n```"


def toctree(pages: Iterable[str]) -> str:
    """The pages below a page."""
    return "```{toctree}\n:hidden:\n\n" + "\n".join(pages) + "\n```"


def page(*parts: str) -> str:
    """The parts of a page, an empty line between them."""
    return "\n\n".join(part for part in parts if part) + "\n"
