"""The fenced blocks of the documents, with why some do not run."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
HANDMADE = [page for page in sorted(DOCS.rglob("*.md")) if (DOCS / "made") not in page.parents]
BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[a-z ]+): (?P<reason>[^>]+) -->\n)?"
    r"^```(?P<language>[\w{}-]*)[^\n]*\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


class Block(NamedTuple):
    """A fenced block; `mark` is "not run" or "theirs", with a reason, or empty."""

    page: Path
    language: str
    text: str
    mark: str

    @property
    def commands(self) -> Iterator[list[str]]:
        """The words of each command of a block without a language."""
        if self.language == "":
            joined = re.sub(r"\\\n\s*", " ", self.text)
            for line in joined.splitlines():
                words = shlex.split(line, comments=True)
                if words:
                    yield words


def blocks(page: Path) -> list[Block]:
    """The blocks of a page in order."""
    return [
        Block(page, match["language"], match["text"], match["mark"] or "")
        for match in BLOCK.finditer(page.read_text(encoding="utf-8"))
    ]
