"""The study's findings: its own page, with the figures put in and the verdicts counted.

No number is written here. The text is experiments/study/README.md, the figures and the verdicts are
those of experiments/study/results, which `python -m experiments.study --redraw` draws.
"""

import re
from collections import Counter

from building.checkout import ROOT, one_title, put, relinked

STUDY = ROOT / "experiments/study"
FIGURES = STUDY / "results/figures"
# A figure, and the beginning of the heading under which it belongs.
SHOWN = {
    "Attacks on both sides": ("main-clip", "main-albef"),
    "MAT+ is ahead": ("main-clip-longer",),
    "Which partners": (
        "augmentations-clip-pictures-alignment",
        "augmentations-clip-texts-diversity",
    ),
    "How many partners": ("counts-texts", "counts-pictures"),
    "New pairs": ("budget-clip", "budget-albef"),
    "MAVA is not": ("mava-neighbours", "mava-captions", "mava-steps"),
    "On photographs": ("photographs",),
    "The image tower alone": ("beyond-clip-sga", "beyond-clip-worst_case"),
}


def write() -> None:
    """Write the page."""
    put("findings", one_title(findings()))


def findings() -> str:
    """The page of the studies, each section with its figures and its verdicts."""
    text = relinked((STUDY / "README.md").read_text(encoding="utf-8"), STUDY)
    counted = verdicts((STUDY / "results/README.md").read_text(encoding="utf-8"))
    parts = re.split(r"(?m)^(?=## )", text)
    return "\n".join(section(part, counted) for part in parts)


def section(text: str, counted: dict[str, Counter[str]]) -> str:
    """A section with what belongs to it behind it."""
    title = text.partition("\n")[0].removeprefix("## ")
    pictures = [
        relinked(f"![{name}](results/figures/{name}.svg)", STUDY)
        for start, names in SHOWN.items()
        for name in names
        if title.startswith(start)
    ]
    asked = re.search(r"\(([A-L](?:, [A-L])*)\)$", title)
    lines = [
        f"- {letter}: "
        + ", ".join(f"{count} {verdict}" for verdict, count in counted[letter].items())
        for letter in (asked[1].split(", ") if asked else [])
        if letter in counted
    ]
    if lines:
        page = relinked("[results](results/README.md#what-the-papers-found-looked-for-here)", STUDY)
        lines = [f"Verdicts on what the papers say, claim by claim in the {page}:", "", *lines]
    return "\n\n".join([text.rstrip(), *pictures, *(["\n".join(lines)] if lines else [])]) + "\n"


def verdicts(text: str) -> dict[str, Counter[str]]:
    """How many claims of each letter are confirmed, likely, and so on."""
    found: dict[str, Counter[str]] = {}
    for block in re.split(r"(?m)^(?=\*\*[A-L]\. )", text)[1:]:
        rows = re.findall(r"(?m)^\| [^|]+ \| ([a-z ]+) \| [^|]+ \|$", block)
        found[block[2]] = Counter(row for row in rows if row != "on scenes")
    return found
