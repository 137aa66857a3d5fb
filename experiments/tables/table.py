"""What a table or figure of a paper is: its commands, its published figures, its miniature."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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
        miniature: arguments of `module` on `scenes`, without `--out`.
        module: what carries the miniature out, as after `python -m`.
        tasks: of a table across tasks, task -> arguments of `mat_jax.evaluate`, without `--out`;
            then there is no other miniature.
        trainings: that the miniature needs.
        note: what of the table the miniature leaves out.
    """

    name: str
    title: str
    commands: Sequence[str]
    heads: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    miniature: str = ""
    module: str = "mat_jax.evaluate"
    tasks: Mapping[str, str] = field(default_factory=dict)
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
        if self.miniature or self.tasks:
            lines += [f"In miniature: `--only {self.name}`. {self.note}".strip(), ""]
        else:
            lines += [f"It has no miniature here. {self.note}".strip(), ""]
        return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
