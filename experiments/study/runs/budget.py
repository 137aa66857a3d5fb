"""Four ways to more training pairs with one budget: MAT's figure 4. And how many texts: figure 3 b.

python -m experiments.study --only budget,counts --seeds 3
python -m mat_jax.train --config experiments/study/runs/budget.py --set way=one_to_many texts=5

    original       `scenes` pictures with one caption each
    pairs          the same with `texts` captions each, every one a pair of its own
    one_to_many    the same, all captions of a picture at once, and right for it: MAT+
    averaged       the same, and as many losses of one caption each, averaged
    new            `texts` times as many pictures, with one caption each

All see `steps` batches of `batch_size` pictures, half as many pictures as the main table's. `pairs`
sees one caption of a picture at a visit, MAT+ all of them: with `steps` divided by `texts` it sees
as many pairs as the others. What was measured: `python -m experiments.study --redraw` draws it, as
`experiments/study/results/README.md`.
"""

from dataclasses import dataclass
from typing import Any, Literal

from experiments.study.setting import on_scenes
from mat_jax import Experiment, data, defenses

# What MAT+ makes of several texts.
USES: dict[str, Literal["positives", "average"]] = {
    "one_to_many": "positives",
    "averaged": "average",
}


@dataclass(frozen=True)
class FirstCaptions:
    """A source of which only the first captions of an image are known."""

    source: Any
    count: int

    @property
    def name(self) -> str:
        """Of the source."""
        return f"{self.source.name}/first-{self.count}"

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int, /) -> Any:
        example = self.source[index]
        return example._replace(captions=example.captions[: self.count])

    def captions(self, index: int) -> tuple[str, ...]:
        """The first ones of one image."""
        return self.source.captions(index)[: self.count]


def experiment(
    model: Literal["scenes-clip", "scenes-albef"] = "scenes-clip",
    way: Literal["original", "pairs", "one_to_many", "averaged", "new"] = "original",
    scenes: int = 800,
    texts: int = 5,
    lr: float = 6e-4,
    steps: int = 200,
    batch_size: int = 32,
    eps: float = 6 / 255,
    words: int = 1,
    limit: int = 100,
    seed: int = 0,
) -> Experiment:
    """`texts` counts the original caption."""
    pictures = data.load_scenes("train", limit=scenes * texts if way == "new" else scenes)
    mat = defenses.MAT(eps=eps, steps=2, words=words)
    use = USES.get(way)
    return on_scenes(
        mat if use is None else defenses.MATPlus(mat, use=use, texts=texts),
        model=model,
        source=FirstCaptions(pictures, texts if way in ("pairs", *USES) else 1),
        lr=lr,
        steps=steps,
        batch_size=batch_size,
        eps=eps,
        words=words,
        limit=limit,
        seed=seed,
    )
