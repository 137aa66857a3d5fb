"""What mat_jax and the released programs are both given: weights, pictures, captions, a BERT."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np
import published
import torch
import work
from flax import nnx

from mat_jax import data, models
from mat_jax.models import features
from mat_jax.models.files import SHIPPED
from mat_jax.types.arrays import Adversarial, Batch

MLM = "scenes-bert"
OPENAI_MERGES = Path("models", "clip_model")  # in SGA's folder: the vocabulary of CLIP


class Given:
    """The first images of a corpus with their captions, in the form each side reads.

    `tables` has the candidates of the whole corpus for each preset.
    """

    def __init__(
        self, size: str, images: int, corpus: int, sga: Path, co_attack: Path, folder: Path, **torch
    ):
        self.sga, self.co_attack = published.sga(sga), published.co_attack(co_attack)
        _export(size, sga / OPENAI_MERGES, folder)
        self.model, self.tokenizer = models.load(folder)
        self.corpus = data.Corpus.prepare(
            data.load_scenes("test", max(images, corpus)),
            self.tokenizer,
            image_size=self.model.config.image_size,
            captions_per_image=work.CAPTIONS,
        )
        self.images = images
        self.tables, self.table_seconds = self._tables()
        self.clean = self.batch("strict").images
        self.pixels = nchw(self.clean)
        self.texts = self.strings(None)
        self.image_of = [i for i in range(images) for _ in self.corpus.captions(i)]
        self.mlm, self.bert = published.masked_lm(SHIPPED / MLM)
        self.victim = published.Victim(folder, self.bert, **torch)

    def _tables(self) -> tuple[dict[str, data.WordTable], float]:
        """All tables, and how many seconds one of them takes, compilation included."""
        mlm, reads = models.load(MLM)
        tables, seconds = {}, []
        for name, alignment in (("strict", "fixed"), ("official", "official")):
            before = time.perf_counter()
            tables[name] = data.build_words(
                self.corpus.caption_list, self.tokenizer, mlm, reads, alignment=alignment
            )
            seconds.append(time.perf_counter() - before)
        return tables, float(np.median(seconds))

    def batch(self, table: str) -> Batch:
        """The images with the candidates of a table."""
        return self.corpus.with_words(self.tables[table]).batch(range(self.images))

    def strings(self, found: Adversarial | None, table: str = "strict") -> list[str]:
        """The captions, as an attack on the batch of a table left them."""
        chosen = None if found is None else np.asarray(found.choice)
        words, rows = self.tables[table], self.corpus.rows[: self.images]
        return [
            words.caption(int(row), None if chosen is None else chosen[i, m])
            for i, own in enumerate(rows)
            for m, row in enumerate(own)
            if row >= 0
        ]

    def judged(self, images: Any, texts: list[str]) -> dict[str, float]:
        """How an attack ended: the mean cosine of image and own caption, and recall at 1.

        Read from the strings, as a retrieval would.
        """
        cosines = (
            features.encode_images(self.model, np.asarray(images)).unit
            @ features.encode_texts(self.model, self.tokenizer, texts).unit.T
        )
        own = np.array(self.image_of)
        return {
            "cosine": float(np.mean(cosines[own, np.arange(len(own))])),
            "tr@1": float(np.mean(own[cosines.argmax(1)] == np.arange(self.images))),
            "ir@1": float(np.mean(cosines.argmax(0) == own)),
        }


def nchw(images: Any) -> torch.Tensor:
    """[batch, height, width, 3] to PyTorch's order of axes."""
    return torch.tensor(np.asarray(images)).permute(0, 3, 1, 2).contiguous()


def nhwc(images: torch.Tensor) -> np.ndarray:
    """And back."""
    return images.detach().permute(0, 2, 3, 1).numpy()


def _export(size: str, merges: Path, folder: Path) -> None:
    """A CLIP and a tokenizer that knows its vocabulary, where both sides find them.

    `scenes` is the trained one that ships; other sizes have random weights. OpenAI's vocabulary,
    which `b16` reads, is in the folder of the released SGA.
    """
    if size == "scenes":
        return models.save(*models.load("scenes-clip"), folder)
    config = work.SIZES[size]
    if size == "b16":
        tokenizer = models.Tokenizer.from_dir(merges, config.text.length)
    else:
        tokenizer = models.load("scenes-clip")[1]
    form = tokenizer.text_format
    text = dataclasses.replace(config.text, vocab_size=tokenizer.vocab_size, pad=form.pad)
    config = dataclasses.replace(config, text=text, bos=form.start, eos=form.end)
    models.save(models.CLIP(config, nnx.Rngs(0)), tokenizer, folder)
