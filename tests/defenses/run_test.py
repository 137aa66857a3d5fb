"""What a run gives to a defence that asks for it: prompts, labels, captions, the original."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from mat_jax import Experiment, data, defenses, fit
from mat_jax.train.run import Resume
from tests.toy_experiment import NAMES, Blocks, Tiny, experiment


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


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Blocks(), "trains on classes but 'blocks' has no labels: give the experiment a source"),
        (Named(), "the labels of 'blocks' run from 0 to 5, and there are 2 prompts: give one"),
    ],
)
def test_labels_that_are_not_the_prompts_end_a_run_before_it_begins(tmp_path, source, message):
    asked = Experiment(
        model=Tiny(),
        data=source,
        defense=defenses.TeCoA(defenses.Prompts(("left red", "left blue"))),
        optimizer=optax.sgd(0.1),
        steps=1,
        batch_size=6,
    )
    with pytest.raises(ValueError, match=message):
        fit(asked, tmp_path / "run", mesh=1, quiet=True)
    assert not (tmp_path / "run" / "settings.json").exists()


@dataclasses.dataclass(frozen=True)
class Drifting(defenses.FARE):
    """FARE, which tells how far the model is from the original it is given."""

    def loss(self, model, reference, batch, batch_adv, key):
        losses, metrics = super().loss(model, reference, batch, batch_adv, key)
        here, there = (one.encode_image(batch.images).embed for one in (model, reference))
        return losses, metrics | {"drift": jnp.abs(here - there).max()}


def test_a_run_that_goes_on_keeps_the_original_it_began_with(tmp_path):
    """From the checkpoint's weights its first step would have no drift, as step 1 has none."""

    def run(folder, steps, resume: Resume = "auto"):
        asked = experiment(steps=steps, sgd=True, lr=0.05)
        asked = dataclasses.replace(asked, defense=Drifting(eps=8 / 255, steps=2))
        model = fit(asked, tmp_path / folder, mesh=1, resume=resume, quiet=True)
        lines = (tmp_path / folder / "metrics.jsonl").read_text().splitlines()
        return model, [json.loads(line)["drift"] for line in lines]

    whole, drifts = run("whole", 4)
    run("broken", 2)
    again, same = run("broken", 4, resume="anyway")
    assert drifts[0] < 1e-6 and min(drifts[1:]) > 1e-3
    assert same == drifts
    jax.tree.map(np.testing.assert_array_equal, nnx.state(whole), nnx.state(again))
