"""Text attacks on photographs' captions, whose words fall into pieces of the real vocabularies."""

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mat_jax import attacks, models
from mat_jax.attacks.embeddings import embed_images, unchanged
from mat_jax.attacks.sep import attack_captions, attackable_words, plan_captions, with_captions
from mat_jax.attacks.words.substitution import away
from mat_jax.data import WordTable, build_words, clean_caption
from mat_jax.data.substitutes.proposals import Alignment
from mat_jax.types.arrays import Adversarial, Batch
from tests.attacks.conftest import spread
from tests.tools.narrow import host, some

IMAGES, CAPTIONS, SIDE = 4, 5, 32
ALIGNMENT: dict[str, Alignment] = {"strict": "fixed", "official": "official"}


@dataclass(frozen=True)
class Photographs:
    """Captions of photographs, models of random weights, and the same models in torch."""

    texts: list[str]
    model: models.CLIP
    tables: dict[str, WordTable]
    pieces: list[list[int]]  # of every word of every caption, under the language model
    reference: Any  # a `Reference` of reference.py, which needs torch
    tokenizer: models.Tokenizer

    def batch(self, preset: str) -> Batch:
        rows = np.arange(len(self.texts)).reshape(IMAGES, CAPTIONS)
        tokens = jax.tree.map(lambda x: x[rows], self.tokenizer(self.texts))
        images = np.random.RandomState(0).rand(IMAGES, SIDE, SIDE, 3).astype(np.float32)
        batch = Batch(
            ids=host(np.arange(IMAGES, dtype=np.int32)),
            images=host(images),
            tokens=tokens,
            present=host(np.ones(rows.shape, bool)),
            words=self.tables[preset].take(rows),
        )
        return jax.tree.map(jnp.asarray, batch)


@pytest.fixture(scope="module")
def photographs(shared, tmp_path_factory) -> Photographs:
    rows = json.loads((shared / "data/flickr8k/flickr8k_test.json").read_text())[:IMAGES]
    texts = [clean_caption(text) for row in rows for text in row["caption"][:CAPTIONS]]
    vocabularies = shared / "data/tokenizers"
    tokenizer = models.Tokenizer.openai(vocabularies / "bpe_simple_vocab_16e6.txt.gz")
    reads = models.Tokenizer.bert(vocabularies / "bert_base_uncased_vocab.txt", 64)
    form = tokenizer.text_format
    model = models.CLIP(
        models.CLIPConfig(
            image_size=SIDE, patch_size=8, vision=models.ViTConfig(16, layers=1, heads=2),
            text=models.BertConfig(
                tokenizer.vocab_size, 77, 16, layers=1, heads=2, pad=form.pad
            ),
            embed=16, bos=form.start, eos=form.end,
        ),
        nnx.Rngs(0),
    )  # fmt: skip
    model.text_format = form
    config = models.BertConfig(reads.vocab_size, 64, 16, layers=1, heads=2)
    mlm = models.BertMLM(config, nnx.Rngs(1))
    spread(model, jax.random.key(2))
    spread(mlm, jax.random.key(3))
    folder = tmp_path_factory.mktemp("photographs")
    models.save(model, tokenizer, folder / "clip")
    models.save(mlm, reads, folder / "bert")
    tables = {
        preset: build_words(texts, tokenizer, mlm, reads, alignment=alignment)
        for preset, alignment in ALIGNMENT.items()
    }
    path = Path(__file__).with_name("reference.py")
    spec = importlib.util.spec_from_file_location("attack_reference", path)
    module = importlib.util.module_from_spec(some(spec))
    some(some(spec).loader).exec_module(module)
    pieces = [[len(reads.parts(word)) for word in text.split()] for text in texts]
    reference = module.Reference(folder)
    return Photographs(texts, model, tables, pieces, reference, tokenizer)


def first_pass(model, batch, key, *, threat, preset) -> Adversarial:
    """SGA's first step: every caption away from its clean image."""
    words = attackable_words(batch, threat, preset)
    prepared = plan_captions(model, batch, words, preset)
    image = jnp.broadcast_to(embed_images(model, batch.images)[:, None], prepared.clean.shape)
    found = attack_captions(model, batch, words, threat, prepared, away, image)
    return with_captions(unchanged(batch), batch, words, prepared, found)


@pytest.fixture(params=["strict", "official"])
def preset(request):
    return request.param


def test_candidates(photographs, preset):
    """Of a word in pieces `official` has all 24 combinations, where `strict` has ten."""
    table, widest = photographs.tables[preset], 0
    for row, text in enumerate(photographs.texts):
        theirs = photographs.reference.proposals(text, 10, preset == "official")
        for slot, (count, options) in enumerate(zip(photographs.pieces[row], theirs, strict=True)):
            ours = [table.vocabulary[i] for i in table.substitutes[row, slot] if i >= 0]
            assert ours == options
            assert len(ours) <= (10 if count == 1 or preset == "strict" else 24)
            widest = max(widest, len(ours))
    assert widest > 10 if preset == "official" else widest == 10


@pytest.mark.parametrize("name", ["bert_attack", "first_pass"])
def test_attacked_captions(photographs, preset, name):
    """Co-Attack's text attack and SGA's first pass end at the captions of the plain reading."""
    function = attacks.bert_attack if name == "bert_attack" else first_pass
    run = attacks.compile_attack(
        function, photographs.model, threat=attacks.ThreatModel(), preset=preset
    )
    batch = photographs.batch(preset)
    found = np.asarray(run(batch, jax.random.key(0)).choice)
    embeds = np.asarray(embed_images(photographs.model, batch.images))
    official, reference = preset == "official", photographs.reference
    same = []
    for row, text in enumerate(photographs.texts):
        image = reference.clip.logit_scale.new_tensor(embeds[row // CAPTIONS])
        options = reference.proposals(text, 10, official)
        if name == "bert_attack":
            theirs = reference.bert_attack(text, options, budget=1, official=official)
        else:
            theirs = reference.attack_text(
                text, options, lambda e, image=image: -(e @ image), budget=1, official=official
            )
        choice = found[row // CAPTIONS, row % CAPTIONS]
        same.append(photographs.tables[preset].caption(row, choice) == theirs)
    # Two substitutes that are equally good but for rounding may change places.
    assert np.mean(same) >= 0.97
