"""A tiny CLIP and BERT with random weights, in our form and in torch's, and what they attack."""

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mat_jax import models
from mat_jax.data.substitutes.candidates import WordTable, build_words
from mat_jax.data.substitutes.proposals import Alignment
from mat_jax.types.arrays import Batch
from tests.tools.narrow import host, some

FEW = (
    ("a red ball lies on green grass", "the small ball is on a lawn"),
    ("two brown dogs run across the beach", "dogs chase each other near water"),
    ("a woman rides her bicycle", "one cyclist in a yellow jacket"),
    ("three boats sail under dark clouds", None),
    ("it is in there", "an old man reads his paper"),  # the first has no attackable word
)
WHO = ("a girl", "an old sailor", "the tired clown", "two brown dogs", "a horse with a saddle")
DOES = (
    "looks at",
    "runs towards",
    "sits beside",
    "jumps over",
    "sleeps under",
    "paints",
    "hides in",
)
WHAT = ("a red fence", "the frozen lake", "three tall trees", "some hay", "an empty market stall")


def several(image: int) -> tuple[str, ...]:
    """Five captions of one image, of which no two are alike."""
    return tuple(
        f"{WHO[n]} {DOES[(image + n) % 7]} {WHAT[(2 * image + n) % 5]}"
        + " at night" * (n == image % 5)
        for n in range(5)
    )


CAPTIONS = (*FEW, *map(several, range(11)))  # 64


@dataclass(frozen=True)
class World:
    model: models.CLIP
    tokenizer: models.Tokenizer
    mlm: models.BertMLM
    mlm_tokenizer: models.Tokenizer
    folder: Any
    tables: dict[str, WordTable] = field(default_factory=dict)

    @property
    def texts(self) -> list[str]:
        return [text for row in CAPTIONS for text in row if text]

    def table(self, alignment: Alignment = "fixed") -> WordTable:
        if alignment not in self.tables:
            self.tables[alignment] = build_words(
                self.texts,
                self.tokenizer,
                self.mlm,
                self.mlm_tokenizer,
                candidates=6,
                alignment=alignment,
            )
        return self.tables[alignment]

    def batch(self, table: WordTable) -> Batch:
        rows, count = [], 0
        for row in CAPTIONS:
            texts = [*row, *[None] * (5 - len(row))]
            rows.append([count + i if text else -1 for i, text in enumerate(texts)])
            count += sum(text is not None for text in row)
        rows = np.array(rows)
        tokens = self.tokenizer([*self.texts, ""])
        images = np.random.RandomState(0).rand(len(CAPTIONS), 32, 32, 3).astype(np.float32)
        batch = Batch(
            ids=host(np.array([7, 3, 11, 2, 40, *range(50, 61)], np.int32)),
            images=host(images),
            tokens=jax.tree.map(lambda x: x[rows], tokens),
            present=host(rows >= 0),
            words=table.take(rows),
        )
        return jax.tree.map(jnp.asarray, batch)

    def strings(self, table: WordTable, choice: np.ndarray) -> list[list[str]]:
        row, result = 0, []
        for i, captions in enumerate(CAPTIONS):
            result.append([])
            for m, text in enumerate(captions):
                if text:
                    result[-1].append(table.caption(row, np.asarray(choice)[i, m]))
                    row += 1
        return result


def spread(model: nnx.Module, key: jax.Array) -> None:
    """Random weights large enough that every word and pixel matters."""
    state = nnx.state(model, nnx.Param)
    leaves, tree = jax.tree.flatten(state)
    keys = jax.random.split(key, len(leaves))
    new = [
        leaf + (0.15 if leaf.ndim > 1 else 0.02) * jax.random.normal(k, leaf.shape)
        for leaf, k in zip(leaves, keys, strict=True)
    ]
    nnx.update(model, jax.tree.unflatten(tree, new))


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> World:
    texts = [text for row in CAPTIONS for text in row if text]
    tokenizer = models.Tokenizer.train_clip(texts, 640, 16)
    mlm_tokenizer = models.Tokenizer.train_bert(texts, 170, 32)
    model = models.CLIP(
        models.CLIPConfig(
            image_size=32, patch_size=8, vision=models.ViTConfig(32, layers=2, heads=2),
            text=models.BertConfig(tokenizer.vocab_size, 16, 32, layers=2, heads=2), embed=24,
        ),
        nnx.Rngs(0),
    )  # fmt: skip
    model.text_format = tokenizer.text_format
    config = models.BertConfig(
        vocab_size=mlm_tokenizer.vocab_size, length=32, width=32, layers=2, heads=2
    )
    mlm = models.BertMLM(config, nnx.Rngs(1))
    spread(model, jax.random.key(2))
    spread(mlm, jax.random.key(3))
    folder = tmp_path_factory.mktemp("tiny")
    models.save(model, tokenizer, folder / "clip")
    models.save(mlm, mlm_tokenizer, folder / "bert")
    return World(model, tokenizer, mlm, mlm_tokenizer, folder)


@pytest.fixture(scope="session")
def reference(world):
    """The torch reading of the attacks, on the same weights."""
    path = Path(__file__).with_name("reference.py")
    spec = importlib.util.spec_from_file_location("attack_reference", path)
    module = importlib.util.module_from_spec(some(spec))
    some(some(spec).loader).exec_module(module)
    return module.Reference(world.folder)
