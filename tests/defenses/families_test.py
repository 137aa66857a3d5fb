"""Defences on models that fuse image and text: ALBEF (TCL is the same model), BLIP, its captioner.

One compilation each: what is maximised is measured inside the step.
"""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mat_jax import defenses, models
from mat_jax.attacks.objectives import info_nce, squared_distance
from mat_jax.data import TextFormat
from mat_jax.defenses.inner.images import against_texts
from mat_jax.defenses.losses.matching import matching_loss
from mat_jax.defenses.losses.pair_loss import captioning, compare, encode_texts
from mat_jax.train import mesh, state
from mat_jax.train.step import compile_step
from mat_jax.types.arrays import Batch, Words
from mat_jax.types.text_format import compose

VIT = models.ViTConfig(width=8, layers=1, heads=2)
BERT = {"vocab_size": 40, "length": 6, "width": 8, "heads": 2}
MED = models.BertConfig(layers=1, segments=0, **BERT)
CONFIGS = {
    "albef": models.ALBEFConfig(
        16, 8, VIT, models.BertConfig(layers=2, **BERT), first_fusion=1, embed=8
    ),
    "blip": models.BLIPConfig(16, 8, VIT, MED, embed=8),
    "captioner": models.BLIPConfig(16, 8, VIT, MED, task="captioning"),
}
FORM = TextFormat(start=2, end=3, pad=0, length=6)
PGD = {"eps": 0.1, "steps": 3, "step_size": 0.05}
# Attacks on words are those of any model: of the defences one has them, in a whole step.
STILL = defenses.MAT(**PGD, words=0)
DEFENSES = {
    "mat": defenses.MAT(**PGD, words=0, part="vision"),
    "mat_plus": defenses.MATPlus(mat=replace(STILL, words=1), texts=2),
    "tecoa_itr": defenses.TeCoAITR(**PGD),
    "fare": defenses.FARE(**PGD),
    "mava": defenses.MAVA(**PGD, texts=2, count=1),
}
WRITES = {
    "mat": DEFENSES["mat"],
    "mat_plus": defenses.MATPlus(mat=STILL, texts=2),
    "tecoa_itr": DEFENSES["tecoa_itr"],
    "fare": DEFENSES["fare"],
    "mava": defenses.MAVA(**PGD, texts=2, count=1, cms=0.0),
}
# A compilation takes seconds: of those that use the same parts of a model, one is always run.
FIRST = {
    ("albef", "mat_plus"),
    ("albef", "fare"),
    ("blip", "mat"),  # alone in asking what the matching head learns from
    ("blip", "mava"),
    ("captioner", "mat"),
    ("captioner", "tecoa_itr"),
}
CASES = [(f, n) for f in CONFIGS for n in (WRITES if f == "captioner" else DEFENSES)]


def batch(captions, count=4):
    """Captions of four words, each with three substitutes."""
    one, two, three = jax.random.split(jax.random.key(0), 3)
    parts = jax.random.randint(one, (count, captions, 4, 1), 5, 38)
    images = jax.random.uniform(two, (count, 16, 16, 3))
    others = jax.random.randint(three, (count, captions, 4, 3, 1), 5, 38)
    lengths, each = (jnp.ones(x.shape[:-1], jnp.int32) for x in (parts, others))
    words = Words(parts, lengths, others, each)
    tokens, present = compose(parts, lengths, FORM), jnp.ones((count, captions), bool)
    return Batch(jnp.arange(count), images, tokens, present, words)


def maximised(defense, model, original, clean, found):
    """What the images of a defence climb, one value an image."""
    image = model.encode_image(found.images)
    if isinstance(defense, defenses.MATPlus):
        texts = encode_texts(model, found.tokens)
        # A captioner has no loss of all texts together.
        together = defense.use == "positives" and texts.features is not None
        return compare(model, [image], texts, clean, together=together)
    if isinstance(defense, defenses.FARE):
        return squared_distance(image.embed, original.encode_image(clean.images).embed)
    if isinstance(defense, defenses.MAVA):
        total = squared_distance(image.unit, original.encode_image(clean.images).unit)
        for m in range(2 if defense.cms else 0):
            text = original.encode_text(jax.tree.map(lambda x, m=m: x[:, m], clean.tokens))
            total = total - 0.5 * jnp.sum(image.unit * text.unit, axis=-1)
        return total
    return against_texts(model, clean, found.tokens)(image)


def learnt(model, found, key):
    """What pairs are learnt by: comparing and matching, or writing; matching by itself."""
    image, tokens = model.encode_image(found.images), jax.tree.map(lambda x: x[:, 0], found.tokens)
    if hasattr(model, "caption_logits"):
        return jnp.mean(captioning(model.caption_logits(image, tokens), tokens)), jnp.float32(0)
    text = model.encode_text(tokens)
    matched = jnp.mean(matching_loss(model, image, text, key, found.ids))
    return jnp.mean(info_nce(image.embed, text.embed, model.scale, found.ids)) + matched, matched


@dataclass(frozen=True)
class Watched(defenses.Defense):
    """A defence that tells besides what its attack reached."""

    defense: Any

    def perturb(self, model, reference, batch, key):
        return self.defense.perturb(model, reference, batch, key)

    def loss(self, model, reference, batch, batch_adv, key):
        losses, metrics = self.defense.loss(model, reference, batch, batch_adv, key)
        # All against the attacked captions: what those add is no merit of the images.
        still = batch._replace(tokens=batch_adv.tokens)
        # What is drawn at random, or climbed down, is no better than the other way from the image.
        away = still._replace(images=2 * batch.images - batch_adv.images)
        for name, found in (("clean", still), ("attacked", batch_adv), ("opposite", away)):
            reached = maximised(self.defense, model, reference, batch, found)
            told = {"reached": jnp.sum(reached)}
            if isinstance(self.defense, defenses.MAT) and name != "opposite":
                told["learnt"], told["matched"] = learnt(model, found, key)
            metrics |= {f"{name} {what}": jax.lax.stop_gradient(x) for what, x in told.items()}
        return losses, metrics


@pytest.mark.parametrize(
    ("family", "name"),
    [pytest.param(*c, marks=() if c in FIRST else pytest.mark.slow) for c in CASES],
)
def test_the_attack_raises_its_objective_and_what_does_not_train_stays(family, name):
    defense = (WRITES if family == "captioner" else DEFENSES)[name]
    model = models.files.build(CONFIGS[family], 0)
    model.text_format = FORM
    layout, weights = state.flatten(model)
    reference = state.flatten(models.files.build(CONFIGS[family], 1))[1]
    optimizer = optax.sgd(0.05)
    begin = state.create(weights, optimizer, defense.trains, 0)
    frozen, trained = jax.tree.map(np.array, (begin.frozen, begin.trained))
    step = compile_step(layout, Watched(defense), optimizer, mesh.make(1), begin)
    clean, now = batch(defense.texts or 1), begin
    for _ in range(2):
        now, told = step(now, reference, clean)
        assert told["attacked reached"] > max(told["clean reached"], told["opposite reached"])
        assert told["grad_norm"] > 0
        if "captions_changed" in told:
            assert (told["captions_changed"] > 0) == bool(defense.words)
        if name == "mat":
            # The pairs that are learnt, hard negatives too, are the attacked ones.
            assert float(told["loss"]) == pytest.approx(float(told["attacked learnt"]), rel=1e-5)
            if family != "captioner":
                assert told["attacked matched"] != told["clean matched"]
                matched = float(told["attacked matched"])
                assert float(told["matching"]) == pytest.approx(matched, rel=1e-5)
    jax.tree.map(np.testing.assert_array_equal, now.frozen, frozen)
    moved = {n for n, leaf in now.trained.items() if np.any(np.asarray(leaf) != trained[n])}
    assert "vision.patch.kernel" in moved
    held = {"mat": {"vision"}, "fare": {"vision"}, "mava": {"vision"}}.get(name)
    if held is not None:
        assert {n.split(".")[0].removesuffix("_proj") for n in now.trained} == held
    else:
        heads = {"captioner": "mlm", "blip": "itm_head", "albef": "itm_head"}
        assert any(n.startswith(heads[family]) for n in moved)
