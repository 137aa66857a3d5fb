"""Results made up for tests: ranks and pictures of two models, no model involved."""

import numpy as np

from mat_jax.evaluate.failures import failing
from mat_jax.evaluate.results import Check, Result, Row, Sights
from mat_jax.evaluate.tasks.cosine_ranks import both_ways
from mat_jax.evaluate.tasks.retrieval import Retrieval
from mat_jax.evaluate.views import View

ATTACKS = ("none", "pgd", "bert_attack", "sep", "co_attack", "sga")
WORDS = "a small red striped ball lies left of two dark <boxes> on grey sand & stone".split()


def made_up(
    name: str,
    strength: float,
    *,
    images: int = 40,
    captions: int = 5,
    eps: tuple[float, ...] = (2 / 255,),
    size: int = 64,
    seed: int = 0,
) -> Result:
    """A model that keeps a share `strength` of its retrieval under the strongest attack."""
    rng = np.random.default_rng(0)  # the gallery is the same for every model
    owner = np.repeat(np.arange(images), captions)
    texts = tuple(" ".join(rng.permutation(WORDS)[:9]) for _ in owner)
    pictures = _pictures(rng, images, size)
    shown = (0, images // 2, images - 1)
    rng = np.random.default_rng(seed)

    def row(attack: str, radius: float | None, keep: float) -> Row:
        words = [text.split() for text in texts]
        if attack not in ("none", "pgd"):
            for own in words:
                own[rng.integers(len(own))] = "blue"
        clean = np.stack([pictures[i] for i in shown]).astype(np.float32) / 255
        noise = 0 if radius is None else radius * rng.choice([-1, 1], clean.shape)
        found = {
            side: np.stack([np.r_[i, (i + 1 + np.arange(4)) % n] for i in shown])
            for side, n in (("texts", len(owner)), ("pictures", images))
        }
        found["texts"][:, 0] = [captions * i for i in shown]
        if attack != "none":
            found = {side: rng.permuted(value, axis=1) for side, value in found.items()}
        ranks = both_ways(
            _ranks(rng, images, 0.8 * keep), _ranks(rng, len(owner), 0.6 * keep), owner
        )
        return Row(
            attack=attack,
            eps=radius,
            protocol={"attack": attack}
            | ({} if radius is None else {"norm": "linf", "eps": radius, "steps": 10})
            | ({} if attack in ("none", "pgd") else {"words": 1, "candidates": 10}),
            ranks=ranks,
            rounded=None if radius is None else ranks,
            captions=tuple(" ".join(own) for own in words),
            changed=0.0 if attack in ("none", "pgd") else 0.97,
            seconds=12.3,
            checks={"largest_delta": radius or 0.0},
            sights=Sights(images=np.clip(clean + noise, 0, 1).astype(np.float32), **found),
            views={i: view(attack, i) for i in failing(ranks)} if radius else {},
        )

    def view(attack: str, place: int) -> View:
        share = np.random.default_rng(place).choice([-1, 0, 1], pictures[place].shape)
        moved = np.clip(pictures[place].astype(int) + 2 * share, 0, 255).astype(np.uint8)
        change = np.round(127.5 + 127.5 * share).astype(np.uint8)
        return View(attack=attack, picture=moved, difference=change)

    rows = [row("none", None, 1.0), row("bert_attack", None, 1 - 0.3 * (1 - strength))]
    for radius in eps:
        for step, attack in enumerate(("pgd", "sep", "co_attack", "sga")):
            rows.append(row(attack, radius, 1 - (1 - strength) * (0.7 + 0.1 * step)))
    rows.sort(key=lambda one: ATTACKS.index(one.attack))
    return Result(
        model=name,
        task=Retrieval(),
        protocol={
            "model": name,
            "gallery": "scenes/test",
            "images": images,
            "captions": len(owner),
            "preset": "strict",
            "seed": seed,
            "versions": {"jax": "0.10.2"},
        },
        rows=tuple(rows),
        text_owner=owner,
        flags=(f"Only {images} images: the intervals are wide.",),
        notes=("Every attacked picture is inside its ball.", f"{name} was looked at."),
        checks=(
            Check(name="planted", verdict="passed", sentence="All 16 were found."),
            Check(name="<steps>", verdict="flagged", sentence=f"{name} & more steps break more."),
            Check(name="square", verdict="not applicable", sentence="It was not measured."),
        ),
        shown=shown,
        thumbnails=dict(enumerate(pictures)),
    )


def _ranks(rng: np.random.Generator, count: int, share: float) -> np.ndarray:
    return np.where(rng.random(count) < share, 1, rng.integers(2, 30, count)).astype(np.int32)


def _pictures(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    """A coloured disc on a coloured ground each."""
    y, x = np.mgrid[:size, :size] / size
    centre = rng.uniform(0.3, 0.7, (count, 2, 1, 1))
    disc = (y - centre[:, 0]) ** 2 + (x - centre[:, 1]) ** 2 < 0.05
    inside, outside = rng.integers(40, 230, (2, count, 1, 1, 3))
    return np.where(disc[..., None], inside, outside).astype(np.uint8)
