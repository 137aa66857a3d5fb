"""A whole run with partners: from the source to the defence."""

from dataclasses import dataclass

import jax
import numpy as np
import optax

from mat_jax import Experiment, defenses, fit
from tests.defenses.one_to_many_test import brighter
from tests.toy_experiment import Blocks, Tiny


class Partnered(Blocks):
    """Each picture has its mirror image and a text about it."""

    def captions(self, index):
        return self[index].captions

    def partner_captions(self, index):
        return (f"two blocks {self[index].captions[0]}",)

    def partner_images(self, index):
        return (self[index].image[:, ::-1],)


seen = []


@dataclass(frozen=True)
class Looks(defenses.MATPlus):
    """MAT+ that looks at what it is given."""

    def perturb(self, model, reference, batch, key):
        jax.debug.callback(seen.append, batch)
        return super().perturb(model, reference, batch, key)


def test_a_run_gives_partners_and_views(tmp_path):
    experiment = Experiment(
        model=Tiny(),
        data=Partnered(),
        defense=Looks(
            mat=defenses.MAT(words=0, steps=1), texts=2, images=1, views=1, augment=brighter
        ),
        optimizer=optax.sgd(0.1),
        steps=1,
        batch_size=6,
    )
    seen.clear()
    fit(experiment, tmp_path / "run", mesh=1, quiet=True)
    (one,) = seen
    mirrored = np.stack([Blocks()[int(i)].image[:, ::-1] for i in one.ids]) / np.float32(255)
    np.testing.assert_array_equal(one.partner_images[:, 0], mirrored)
    light = one.partner_images[:, 1] - one.images
    assert np.all(light >= 0) and np.any(light > 0)
    tokenize = Tiny().build(0)[1]
    texts = tokenize([Partnered().partner_captions(int(i))[0] for i in one.ids])
    np.testing.assert_array_equal(one.tokens.ids[:, 1], texts.ids)
    assert "images=1" in (tmp_path / "run" / "settings.json").read_text()
