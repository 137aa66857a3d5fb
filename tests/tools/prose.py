"""How long the sentences of the documents are, and how many commas they have.

python tests/tools/prose.py [FILE ...]     # README, ARCHITECTURE and docs/ if none is named

The house wants fewer than 16 words and 1.2 commas a sentence. This reports and fails nothing.
Tables, code and headings do not count.
"""

import re
import sys
from pathlib import Path
from statistics import fmean

ROOT = Path(__file__).resolve().parents[2]
WORDS, COMMAS = 16.0, 1.2


def sentences(text: str) -> list[str]:
    """The sentences of a Markdown page, list items among them."""
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines = []
    for line in text.splitlines():
        plain = line.strip()
        if plain.startswith(("|", "#", "![")):
            lines.append("")
        elif re.match(r"([-*]|\d+\.) ", plain):
            lines += ["", re.sub(r"^([-*]|\d+\.) ", "", plain)]
        else:
            lines.append(plain)
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines))
    found = []
    for paragraph in paragraphs:
        joined = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(paragraph.split()))
        found += re.split(r"(?<=[.!?:]) +(?=[A-Z`\[*])", joined)
    return [one for one in found if len(one.split()) > 2]


def measured(path: Path) -> tuple[float, float, int]:
    """Mean words and commas of a sentence, and how many sentences there are."""
    every = sentences(path.read_text(encoding="utf-8"))
    if not every:
        return 0.0, 0.0, 0
    return (
        fmean(len(one.split()) for one in every),
        fmean(one.count(",") for one in every),
        len(every),
    )


def main(arguments: list[str]) -> None:
    """Print a line a page."""
    pages = [Path(one) for one in arguments] or [
        ROOT / "README.md",
        ROOT / "ARCHITECTURE.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").glob("*.md")),
        *sorted((ROOT / "docs/how").glob("*.md")),
    ]
    print(f"{'page':34}{'words':>7}{'commas':>8}{'sentences':>11}")
    for page in pages:
        words, commas, count = measured(page)
        mark = " *" if words > WORDS or commas > COMMAS else ""
        print(f"{page.name:34}{words:7.1f}{commas:8.2f}{count:11d}{mark}")


if __name__ == "__main__":
    main(sys.argv[1:])
