"""What is drawn of the studies of verdicts, answers and classes."""

from pathlib import Path

from experiments.study import studies
from experiments.study.answered import TRAITS
from experiments.study.saved import Shelf
from experiments.study.tables import costs, protocol, recalls

JUDGED = {
    "entailment": "A sentence follows from the picture, contradicts it, or neither: by chance a "
    "third is right.",
    "vqa": "The commonest answer alone is right on {chance:.1f} % of the questions.",
}


def judged(shelf: Shelf, task: str) -> str:
    """Models of entailment or of answers under attack; replaced words leave the answer right."""
    there = [run for run in studies.every()[task] if run.key in shelf]
    if not there:
        return ""
    first = shelf.of(there[0].key)[0].content
    said = JUDGED[task].format(chance=first["protocol"].get("chance", 0.0))
    table = recalls(shelf, there, "accuracy", list(first["attacks"]))
    return "\n\n".join([protocol(shelf, there), said, table, costs(shelf, there)])


def entailment(shelf: Shelf, results: Path) -> str:
    """Verdicts on sentences."""
    return judged(shelf, "entailment")


def questions(shelf: Shelf, results: Path) -> str:
    """Answers to questions."""
    return judged(shelf, "vqa")


CLASSES = (
    "All train on the kinds of 4,000 scenes. Kinds of other scenes are in distribution; the colour "
    "of the main object and the ground are not. By chance 2.5, 8.3 and 10 % are right. MMCoA's "
    "attacks replace a word of each class prompt, the class's name too."
)


def classes(shelf: Shelf, results: Path) -> str:
    """Zero-shot classification, a table a set."""
    every = studies.every()["classes"]
    parts = []
    for trait, said in TRAITS.items():
        there = [run for run in every if run.name.endswith(f"-{trait}") and run.key in shelf]
        if there:
            attacks = list(shelf.of(there[0].key)[0].content["attacks"])
            parts += [f"**{said.capitalize()}**", recalls(shelf, there, "accuracy", attacks)]
    if not parts:
        return ""
    trained = [run for run in every if run.name.endswith("-kind")]
    return "\n\n".join([protocol(shelf, every), CLASSES, *parts, costs(shelf, trained)])
