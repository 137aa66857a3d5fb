"""What a run gives to a defence that asks for it: prompts in tokens, labels, several captions."""

import dataclasses

import jax
import numpy as np
import optax
import pytest

from mat_jax import Experiment, data, defenses, fit
from tests.toy_experiment import NAMES, Blocks, Tiny


class Named(Blocks):
    """The class of a picture is the colour of its left half."""

    def label(self, index: int) -> int:
        return index % 6


@dataclasses.dataclass(frozen=True)
class Looks(defenses.TeCoA):
    """TeCoA without an attack, which looks at what it is given."""

    texts: int = 2

    def perturb(self, model, reference, batch, key):
        assert self.prompts.tokens is not None
        jax.debug.callback(seen.append, (batch.ids, batch.labels, self.prompts.tokens.ids))
        assert batch.tokens.ids.shape[:2] == (6, 2)
        return batch


seen = []


def test_a_run_gives_prompts_labels_and_captions(tmp_path):
    prompts = defenses.Prompts(tuple(f"left {name}" for name in NAMES))
    experiment = Experiment(
        model=Tiny(),
        data=Named(),
        defense=Looks(prompts),
        optimizer=optax.sgd(0.1),
        steps=1,
        batch_size=6,
    )
    seen.clear()
    fit(experiment, tmp_path / "run", mesh=1, quiet=True)
    (ids, labels, tokens) = seen[0]
    np.testing.assert_array_equal(labels, np.asarray(ids) % 6)
    expected = Tiny().build(0)[1](prompts.texts)
    length = expected.mask.sum(axis=1).max()
    np.testing.assert_array_equal(tokens, expected.ids[:, :length])
    assert "left grey" in (tmp_path / "run" / "settings.json").read_text()


def test_captions_alone_are_for_what_looks_at_no_picture(tmp_path):
    experiment = Experiment(
        model=Tiny(),
        data=data.Texts(name="captions", texts=("red beside blue", "grey beside white")),
        defense=defenses.FARE(),
        optimizer=optax.sgd(0.1),
        steps=1,
        batch_size=2,
    )
    with pytest.raises(ValueError, match="'captions' has captions without pictures, and FARE look"):
        fit(experiment, tmp_path / "run", mesh=1, quiet=True)
    assert not (tmp_path / "run" / "settings.json").exists()
