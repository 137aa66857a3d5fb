"""A toy: two blocks of colour, a CLIP of 30,000 weights, every defence.

python -m mat_jax.train --config tests/toy_experiment.py --set defense=mat
"""

from dataclasses import dataclass

import numpy as np
import optax

from mat_jax import Experiment, defenses, models
from mat_jax.data import Example, WordTable

COLOURS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "white": (255, 255, 255),
    "grey": (120, 120, 120),
    "yellow": (255, 255, 0),
}
NAMES = tuple(COLOURS)


@dataclass(frozen=True)
class Blocks:
    """Pictures 16 pixels wide, left half one colour, right half another."""

    name: str = "blocks"

    def __len__(self) -> int:
        return 36

    def __getitem__(self, index: int) -> Example:
        left, right = NAMES[index % 6], NAMES[index // 6]
        image = np.zeros((16, 16, 3), np.uint8)
        image[:, :8], image[:, 8:] = COLOURS[left], COLOURS[right]
        return Example(image, (f"{left} beside {right}", f"left {left} right {right}"), index)


@dataclass(frozen=True)
class Tiny:
    """A CLIP of one layer a tower."""

    width: int = 32

    def build(self, seed: int):
        captions = [text for i in range(36) for text in Blocks()[i].captions]
        tokenizer = models.Tokenizer.train_clip(captions, 600, 12)
        config = models.CLIPConfig(
            image_size=16,
            patch_size=8,
            vision=models.ViTConfig(width=self.width, layers=1, heads=2),
            text=models.BertConfig(width=32, layers=1, heads=2),
            embed=16,
        )
        return models.Fresh(config, tokenizer).build(seed)


@dataclass(frozen=True)
class Swap:
    """Substitutes without a language model: every colour may become any other colour."""

    def build(self, corpus, tokenizer, **settings) -> WordTable:
        captions = corpus.caption_list
        vocabulary = tuple(dict.fromkeys(w for text in captions for w in text.split()))
        ids = [tokenizer.parts(word) for word in vocabulary]
        parts = np.zeros((len(vocabulary), max(map(len, ids))), np.int32)
        for row, found in enumerate(ids):
            parts[row, : len(found)] = found
        words = np.full((len(captions), 4), -1, np.int32)
        substitutes = np.full((len(captions), 4, len(NAMES) - 1), -1, np.int32)
        for row, caption in enumerate(captions):
            for slot, word in enumerate(caption.split()):
                words[row, slot] = vocabulary.index(word)
                if word in NAMES:
                    others = [vocabulary.index(name) for name in NAMES if name != word]
                    substitutes[row, slot] = others
        lengths = np.array([len(found) for found in ids], np.int32)
        return WordTable(vocabulary, parts, lengths, words, substitutes)


def experiment(
    lr: float = 1e-3,
    steps: int = 6,
    batch_size: int = 8,
    eps: float = 8 / 255,
    seed: int = 0,
    width: int = 32,
    defense: str = "fine_tune",
    sgd: bool = False,
    log_every: int = 1,
    checkpoint_every: int = 1000,
) -> Experiment:
    schedule = optax.warmup_cosine_decay_schedule(0.0, lr, 2, max(steps, 3))
    return Experiment(
        model=Tiny(width),
        data=Blocks(),
        defense={
            "fine_tune": defenses.FineTune(),
            "mat": defenses.MAT(eps=eps),
            "tecoa_itr": defenses.TeCoAITR(eps=eps),
            "fare": defenses.FARE(eps=eps, steps=2),
        }[defense],
        substitutes=Swap(),
        optimizer=optax.sgd(lr) if sgd else optax.adamw(schedule, weight_decay=1e-4),
        schedule=schedule,
        steps=steps,
        batch_size=batch_size,
        seed=seed,
        log_every=log_every,
        checkpoint_every=checkpoint_every,
    )
