"""A captioner trained and measured by one experiment: its task is captioning."""

import dataclasses
from collections.abc import Callable

import pytest

from mat_jax import models
from mat_jax.defenses import MAT, FineTune
from mat_jax.evaluate import Evaluation
from mat_jax.train import run
from tests.toy_experiment import Blocks, experiment

EVALUATION = Evaluation(
    data=lambda: Judged(), task="captioning", eps=8 / 255, steps=1, limit=6, batch_size=3, shown=1
)


@dataclasses.dataclass(frozen=True)
class Judged(Blocks):
    """Blocks that know which of their two colours a caption names."""

    def judge(self, index: int) -> Callable[[str], float]:
        own = set(self[index].captions[0].split()) - {"beside"}
        return lambda caption: len(own & set(caption.split())) / len(own)

    def oracle(self, index: int) -> Callable[[str], bool]:
        return lambda caption: self.judge(index)(caption) == 1


@dataclasses.dataclass(frozen=True)
class Writer:
    """A BLIP captioner of one layer a tower."""

    name: str = "writer"

    def build(self, seed: int):
        captions = [text for i in range(36) for text in Blocks()[i].captions]
        tokenizer = models.Tokenizer.train_bert(captions, 160, 24)
        config = models.BLIPConfig(
            image_size=16,
            patch_size=8,
            vision=models.ViTConfig(width=32, layers=1, heads=2),
            text=models.BertConfig(width=32, layers=1, heads=2, segments=0),
            embed=16,
            task="captioning",
        )
        return models.Fresh(config, tokenizer).build(seed)


def of_writer(defense, evaluation=EVALUATION):
    return dataclasses.replace(
        experiment(steps=2),
        model=Writer(),
        defense=defense,
        substitutes=None,
        evaluation=evaluation,
    )


def test_it_is_measured_before_and_after(tmp_path):
    run.fit(of_writer(MAT(words=0)), tmp_path, quiet=True)
    page = (tmp_path / "report" / "index.html").read_text()
    assert "Captioning under attack" in page and "away from own captions" in page
    assert ">before<" in page and ">after<" in page


def test_a_captioner_is_asked_for_captions_alone(tmp_path):
    other = dataclasses.replace(EVALUATION, task="retrieval", mlm="scenes-bert")
    with pytest.raises(ValueError, match="is a captioner, expected one of images and te"):
        run.fit(of_writer(FineTune(), other), tmp_path, quiet=True)
    clip = dataclasses.replace(experiment(), evaluation=EVALUATION)
    with pytest.raises(ValueError, match="writes no captions: give a captioner"):
        run.fit(clip, tmp_path, quiet=True)
