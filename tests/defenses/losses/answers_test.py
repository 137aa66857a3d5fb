"""Models of answers learn from people's answers, clean and attacked."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import log_softmax

import mat_jax
from mat_jax import data, defenses, models
from mat_jax.defenses.losses.pair_loss import pair_losses
from mat_jax.types.arrays import Tokens
from mat_jax.types.protocols import AnswersQuestions
from tests.models.parity import run
from tests.tools.narrow import host

VIT = models.ViTConfig(width=8, layers=1, heads=2)
KEY = jax.random.key(0)
PEOPLE = [("yes",) * 6 + ("t-shirt",) * 3 + ("no",), ("no",) * 10]


@dataclasses.dataclass(frozen=True)
class Divided(data.Questions):
    """People who disagree on some questions."""

    def answers(self, index: int, /) -> tuple[str, ...]:
        return PEOPLE[index % 2]


@pytest.fixture(scope="module")
def source():
    return Divided(data.load_scenes("val", limit=3))


@pytest.fixture(scope="module")
def tokenizer(source):
    texts = [source.captions(i)[0] for i in range(len(source))]
    return models.Tokenizer.train_bert([*texts, "yes no t-shirt"], vocab_size=120, length=16)


def spec(family, tokenizer):
    text = models.BertConfig(width=8, layers=2, heads=2, segments=2 * (family == "albef"))
    if family == "albef":
        config = models.ALBEFConfig(
            32, 16, VIT, text, first_fusion=1, embed=0, task="answering", decoder_layers=1
        )
    else:
        config = models.BLIPConfig(32, 16, VIT, text, task="answering")
    return models.Fresh(config, tokenizer)


@pytest.mark.parametrize(("family", "smoothing"), [("albef", 0.0), ("blip", 0.1)])
def test_the_loss_is_the_weighted_surprise_at_each_answer(family, smoothing, source, tokenizer):
    """Each answer of each question alone, without padding."""
    model, reads = spec(family, tokenizer).build(0)
    corpus = data.Corpus.prepare(source, reads, image_size=32)
    batch = jax.tree.map(jnp.asarray, corpus.batch(np.arange(4)))
    np.testing.assert_allclose(batch.answers.weights[0], [0.6, 0.3, 0.1], rtol=1e-6)
    np.testing.assert_allclose(batch.answers.weights[1], [1, 0, 0])

    def read(model, batch):
        text = model.encode_text(batch.first)
        return model.fuse(model.encode_image(batch.images), text), text.mask

    fused, mask = run(read, model, batch)
    form, expected = reads.text_format, []
    for row in range(4):
        people, total = PEOPLE[row % 2], 0.0
        for answer in set(people):
            ids = np.array([[form.start, *reads.parts(answer), form.end]])
            tokens = Tokens(host(ids), host(np.ones(ids.shape, bool)))
            logits = model.answer_logits(fused[row : row + 1], mask[row : row + 1], tokens)
            log_p = log_softmax(np.asarray(logits)[0, :-1].astype(np.float64), axis=-1)
            own = log_p[np.arange(ids.shape[1] - 1), ids[0, 1:]]
            smoothed = (1 - smoothing) * own + smoothing * log_p.mean(axis=-1)
            total -= people.count(answer) / len(people) * smoothed.sum()
        expected.append(total)
    found, figures = run(lambda model, batch: pair_losses(model, batch, KEY), model, batch)
    assert figures == {} and np.ptp(expected) > 0
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    with pytest.raises(ValueError, match="the batch has no answers"):
        pair_losses(model, batch._replace(answers=None), KEY)


def test_attacked_pairs_are_learnt_and_what_is_exported_still_answers(source, tokenizer, tmp_path):
    asked = mat_jax.Experiment(
        model=spec("albef", tokenizer),
        data=source,
        defense=defenses.TeCoAITR(eps=2 / 255),
        optimizer=optax.adam(1e-2),
        steps=20,
        batch_size=6,
        log_every=1,
    )
    mat_jax.fit(asked, tmp_path, mesh=1, quiet=True)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    model, _ = models.load(tmp_path / "export")
    assert isinstance(model, models.ALBEFAnswerer) and isinstance(model, AnswersQuestions)


def test_a_defence_that_compares_embeddings_refuses_it(source, tokenizer, tmp_path):
    asked = mat_jax.Experiment(
        model=spec("albef", tokenizer),
        data=source,
        defense=defenses.MAVA(),
        optimizer=optax.adam(1e-2),
        steps=1,
        batch_size=6,
    )
    with pytest.raises(ValueError, match="is a model of answers, expected one of images and texts"):
        mat_jax.fit(asked, tmp_path, mesh=1, quiet=True)


def test_the_decoder_begins_as_the_blocks_that_fuse():
    """As ALBEF's program fills it; what an image of another width is read by is drawn."""
    from flax import nnx

    old, _ = models.load("scenes-albef")
    model, _ = models.ForAnswering(models.Pretrained("scenes-albef")).build(0)
    first = old.config.first_fusion
    assert model.config.decoder_layers == old.config.text.layers - first
    kept = dict(nnx.to_flat_state(nnx.state(old)))
    drawn = set()
    for path, leaf in nnx.to_flat_state(nnx.state(model)):
        source_path = path
        if path[0] == "decoder":
            source_path = ("text", *path[1:])
            if path[1] == "blocks":
                source_path = ("text", "blocks", path[2] + first, *path[3:])
        if source_path in kept and kept[source_path].shape == leaf.shape:
            np.testing.assert_array_equal(leaf[...], kept[source_path][...])
        else:
            drawn.add((path[0], *path[3:]))
    keys = {("decoder", "cross", "attn", name, "kernel") for name in "kv"}
    assert {path for path in drawn if path[0] == "decoder"} == keys
    assert {path[0] for path in drawn} == {"decoder", "mlm"}
    with pytest.raises(
        ValueError, match="'scenes-clip' is a CLIP; expected an ALBEF or TCL, whose"
    ):
        models.ForAnswering(models.Pretrained("scenes-clip")).build(0)
