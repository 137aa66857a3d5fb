"""What a table or figure of a paper is: its commands, its published figures, its miniature."""

from collections.abc import Sequence
from dataclasses import dataclass

MODELS = "{out}/models"  # where trainings of miniatures put their models


@dataclass(frozen=True)
class Training:
    """A short training of a shipped model, for the miniatures that measure it.

    Attributes:
        name: of the folder that it writes.
        config: of the experiment.
        settings: what `--set` gives.
    """

    name: str
    config: str
    settings: str

    @property
    def model(self) -> str:
        """The folder of the trained model."""
        return f"{MODELS}/{self.name}/export"

    @property
    def arguments(self) -> list[str]:
        """Of `python -m mat_jax.train`."""
        chosen = ["--set", *self.settings.split()]
        return ["--config", self.config, "--workdir", f"{MODELS}/{self.name}", *chosen]


@dataclass(frozen=True)
class Table:
    """A table or figure of a paper.

    Attributes:
        name: `mava_1`.
        title: what the paper calls it, and what is in it.
        commands: that draw it from the real data and weights.
        heads: of the published figures.
        rows: the published figures, as text; empty where the paper's are not at hand.
        miniature: arguments of `python -m mat_jax.evaluate` on `scenes`, without `--out`.
        trainings: that the miniature needs.
        note: what of the table the miniature leaves out.
    """

    name: str
    title: str
    commands: Sequence[str]
    heads: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    miniature: str = ""
    trainings: Sequence[Training] = ()
    note: str = ""

    def page(self) -> str:
        """As Markdown. The last column is for whoever has the real weights."""
        lines = [f"## {self.title}", "", "```", *self.commands, "```", ""]
        if self.rows:
            heads = [*self.heads, "measured with the real weights"]
            lines += [_line(heads), _line(["---"] * len(heads))]
            lines += [_line([*row, ""]) for row in self.rows] + [""]
        else:
            lines += ["The published figures are not at hand.", ""]
        if self.miniature:
            lines += [f"In miniature: `--only {self.name}`. {self.note}".strip(), ""]
        else:
            lines += [f"It has no miniature here. {self.note}".strip(), ""]
        return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
