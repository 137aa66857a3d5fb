"""What is timed: each piece of work on both sides, and the proof that both find the same."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import published
import torch
import work
from clock import Program
from flax import nnx
from given import Given, nchw, nhwc
from jaxtyping import Array

from mat_jax import attacks
from mat_jax.attacks.embeddings import embed_images, embed_texts, unchanged
from mat_jax.attacks.image_ascent import attack_embeds, attack_images
from mat_jax.attacks.optimizers.views import scale_views
from mat_jax.attacks.sep import (
    attack_captions,
    attackable_words,
    plan_captions,
    with_captions,
)
from mat_jax.attacks.sga import step_size
from mat_jax.attacks.words.substitution import away
from mat_jax.types.arrays import Adversarial, Batch
from mat_jax.types.protocols import Model

# Rounding decides between words that matter equally, and the sign of a gradient near zero.
SAME_CAPTIONS, SAME_COSINE, SAME_PIXELS = 0.9, 5e-3, 5e-3
THREAT = attacks.ThreatModel(eps=work.EPS, steps=work.SGA_STEPS)
PRESETS = {"official": "official", "strict": "strict"}  # and the table each reads
KEY = jax.random.key(1)
PASSES = ("text_forwards", "image_forwards", "image_backwards")


def first_pass(model: Model, batch: Batch, key: Array, *, threat, preset) -> Adversarial:
    """SGA's first step: every caption away from its clean image."""
    words = attackable_words(batch, threat, preset)
    prepared = plan_captions(model, batch, words, preset)
    image = jnp.broadcast_to(embed_images(model, batch.images)[:, None], prepared.clean.shape)
    found = attack_captions(model, batch, words, threat, prepared, away, image)
    return with_captions(unchanged(batch), batch, words, prepared, found)


def one_step(model: Model, batch: Batch, target: Array) -> Array:
    """A step of `attacks.sga` on the images, away from the sum of their captions."""
    return attack_embeds(
        model, lambda embeds, rows: away(embeds, target[rows]), batch, KEY,
        replace(THREAT, steps=1), "official", default=step_size, one_sided=False,
        views_fn=scale_views,
    )[0]  # fmt: skip


def one_step_in_turn(model: Model, batch: Batch, target: Array) -> Array:
    """The same step with the views scanned, and not one batch."""

    def loss(images):
        return away(embed_images(model, images), target)

    def climb(images, keys):
        values = jax.lax.map(loss, scale_views(images, keys))
        return jnp.sum(values, axis=0), values[0]

    return attack_images(
        loss, batch, KEY, replace(THREAT, steps=1), "official", default=step_size,
        one_sided=False, climb_fn=climb,
    )  # fmt: skip


class Contest:
    """One piece of work: `released()`, and `attack` of mat_jax under both presets.

    `plain` is a cheaper attack beside them, `strict`.
    """

    attack: Callable[..., Adversarial]
    plain: Callable[..., Adversarial] | None = None
    released: Program

    def __init__(self, given: Given):
        self.given = given
        self.batches = {name: given.batch(table) for name, table in PRESETS.items()}

    @property
    def ways(self) -> dict[str, Any]:
        """What of ours takes part, and the preset of each."""
        plain = {} if self.plain is None else {"plain": "strict"}
        return {preset: preset for preset in PRESETS} | plain

    def ours(self, way: str) -> Adversarial:
        """Our result, when it is there."""
        preset = self.ways[way]
        attack = type(self).plain if way == "plain" else type(self).attack
        assert attack is not None
        run = attacks.compile_attack(attack, self.given.model, threat=THREAT, preset=preset)
        return jax.block_until_ready(run(self.batches[preset], KEY))

    def programs(self) -> dict[str, Program]:
        """What takes turns."""
        ours = {f"mat_jax {way}": lambda way=way: self.ours(way) for way in self.ways}
        return {"released": self.released, **ours}

    def same(self, images: Any, texts: list[str], passes: Counter) -> dict[str, Any]:
        """What both found; stops if they are not the same."""
        given, count = self.given, len(self.given.texts)
        found = {way: self.ours(way) for way in self.ways}
        ours = {
            way: given.strings(found[way], PRESETS[preset]) for way, preset in self.ways.items()
        }
        apart = [
            {"clean": clean, "released": a, "mat_jax": b}
            for clean, a, b in zip(given.texts, texts, ours["official"], strict=True)
            if a != b
        ]
        judged = {
            "clean": given.judged(given.clean, given.texts),
            "released": given.judged(images, texts),
            **{way: given.judged(found[way].images, ours[way]) for way in self.ways},
        }
        report = {
            "same_captions": 1 - len(apart) / count,
            "apart": apart,
            "pixels_apart": _apart(found["official"].images, images),
            "judged": judged,
            "passes": {"released": _counted(passes)}
            | {name: _passes(one) for name, one in found.items()},
        }
        gap = abs(judged["official"]["cosine"] - judged["released"]["cosine"])
        require(report["same_captions"] >= SAME_CAPTIONS, "captions differ", report)
        require(gap <= SAME_COSINE, "mean cosines differ", report)
        return report


class SGA(Contest):
    """SGA as eval_clip-vit2clip-cnn.py runs it, all images in one batch (published: 8)."""

    attack = staticmethod(attacks.sga_attack)
    plain = staticmethod(attacks.sga_plain_attack)

    def __init__(self, given: Given):
        super().__init__(given)
        module, normalize = given.sga, published.normalize()
        self.images = module.ImageAttacker(
            normalize, eps=work.EPS, steps=work.SGA_STEPS, step_size=step_size(THREAT)
        )
        self.texts = module.TextAttacker(
            given.mlm, given.bert, cls=False, max_length=published.LENGTH,
            number_perturbation=1, topk=10, threshold_pred_score=0.3,
        )  # fmt: skip
        self.attacker = module.SGAttacker(given.victim, self.images, self.texts)

    def released(self) -> tuple[torch.Tensor, list[str]]:
        given = self.given
        # Their script misspells max_length, so that 30 is what happens.
        return self.attacker.attack(
            given.pixels, given.texts, given.image_of, device="cpu", scales=list(work.SCALES)
        )

    def agree(self) -> dict[str, Any]:
        """Run both from the same random draws, and compare the first text pass."""
        given, whole, first = self.given, self.texts.img_guided_attack, []

        def listening(*args: Any, **settings: Any) -> list[str]:
            first.append(whole(*args, **settings))
            return first[-1]

        given.victim.count.clear()
        with self.drawn(), mock.patch.object(self.texts, "img_guided_attack", listening):
            images, texts = self.released()
        found = attacks.compile_attack(first_pass, given.model, threat=THREAT, preset="official")
        ours = given.strings(found(given.batch("official"), KEY), "official")
        share = float(np.mean([a == b for a, b in zip(ours, first[0], strict=True)]))
        report = {"first_pass_same": share}
        require(share >= SAME_CAPTIONS, "first captions differ", report)
        return report | self.same(nhwc(images), texts, given.victim.count)

    @contextmanager
    def drawn(self) -> Iterator[None]:
        """Their random numbers are ours."""
        clean, ids = np.asarray(self.given.clean), np.asarray(self.batches["official"].ids)
        noises = (
            nchw(0.05 * work.noise(clean, ids, KEY, step, view + 1)).numpy()
            for step in range(work.SGA_STEPS)
            for view in range(len(work.SCALES))
        )
        start = nchw(work.start(clean, ids, KEY, work.EPS) - clean).numpy()
        random = SimpleNamespace(
            uniform=lambda low, high, shape: start, normal=lambda mean, std, shape: next(noises)
        )
        with mock.patch.object(self.given.sga, "np", SimpleNamespace(random=random)):
            yield


class CoAttack(Contest):
    """Co-Attack as RetrievalCLIPEval.py runs it: pair by pair, four in a batch, the last counts."""

    attack = staticmethod(attacks.co_attack)

    def __init__(self, given: Given):
        super().__init__(given)
        module = given.co_attack
        self.images = module.ImageAttacker(
            work.EPS, preprocess=published.normalize(), bounding=(0, 1), cls=False
        )
        self.texts = module.BertAttack(given.mlm, given.bert, cls=False)
        self.attacker = module.MultiModalAttacker(
            given.victim, self.images, self.texts, given.bert, cls=False
        )

    def pairs(self) -> Iterator[tuple[list[int], list[str]]]:
        """The images and the captions of each batch."""
        given = self.given
        for first in range(0, len(given.texts), published.PAIRS):
            chosen = slice(first, first + published.PAIRS)
            yield given.image_of[chosen], given.texts[chosen]

    def released(self) -> tuple[torch.Tensor, list[str]]:
        images, texts = torch.empty_like(self.given.pixels), []
        for of, captions in self.pairs():
            moved, changed = self.attacker.run_before_fusion(
                self.given.pixels[of], captions, adv=4, num_iters=work.SGA_STEPS,
                max_length=published.LENGTH, alpha=published.ALPHA,
            )  # fmt: skip
            for image, one in zip(of, moved, strict=True):
                images[image] = one
            texts += changed
        return images, texts

    def agree(self) -> dict[str, Any]:
        """Run both from the same random draws."""
        given, ids = self.given, np.asarray(self.batches["official"].ids)
        starts = (
            nchw(work.start(np.asarray(given.clean), ids, KEY, work.EPS, one_sided=True))
            - given.pixels
        )
        order = iter([of for of, _ in self.pairs()])
        given.victim.count.clear()
        file = sys.modules[type(self.images).__module__]
        with mock.patch.object(file, "random_init", lambda x, *_: starts[next(order)].clone()):
            images, texts = self.released()
        return self.same(nhwc(images), texts, given.victim.count)


class Texts(CoAttack):
    """BERT-Attack by itself, as Co-Attack runs it on the captions of its batches."""

    attack = staticmethod(attacks.bert_attack)

    def released(self) -> list[str]:  # type: ignore[bad-override]  # texts alone
        with torch.no_grad():
            return [
                text
                for _, captions in self.pairs()
                for text in self.texts.attack(self.given.victim, captions, 10)
            ]

    def agree(self) -> dict[str, Any]:
        """There is no chance in it."""
        self.given.victim.count.clear()
        return self.same(self.given.clean, self.released(), self.given.victim.count)


class Step(SGA):
    """One step of SGA's image attack: five views, from the random start to the ball and box.

    `released` has weights that require gradients, as published; `frozen` has not. Ours has the
    views in one batch, and once scanned.
    """

    def __init__(self, given: Given):
        super().__init__(given)
        self.images.steps = 1
        texts = embed_texts(given.model, self.batches["official"].tokens)
        self.target, self.sums = torch.tensor(np.asarray(texts)).flatten(0, 1), texts.sum(1)
        graph, self.state = nnx.split(given.model)
        self.forms = {
            form: jax.jit(lambda state, *inputs, form=form: form(nnx.merge(graph, state), *inputs))
            for form in (one_step, one_step_in_turn)
        }

    def step(self, form: Callable[..., Array] = one_step) -> Array:
        batch = self.batches["official"]
        return self.forms[form](self.state, batch, self.sums).block_until_ready()

    def released(self) -> torch.Tensor:  # type: ignore[bad-override]  # one step's images
        given = self.given
        return self.images.txt_guided_attack(
            given.victim, given.pixels, given.image_of, "cpu",
            scales=list(work.SCALES), txt_embeds=self.target,
        )  # fmt: skip

    def frozen(self) -> torch.Tensor:
        self.given.victim.requires_grad_(False)
        moved = self.released()
        self.given.victim.requires_grad_(True)
        return moved

    def programs(self) -> dict[str, Program]:
        return {
            "released": self.released,
            "released, frozen": self.frozen,
            "mat_jax official": self.step,
            "mat_jax, views scanned": lambda: self.step(one_step_in_turn),
        }

    def agree(self) -> dict[str, Any]:
        """From the same random draws to the same pixels."""
        theirs = {}
        for program in (self.frozen, self.released):
            self.given.victim.count.clear()
            with self.drawn():
                theirs[program.__name__] = nhwc(program())
        ours, count = self.step(), _counted(self.given.victim.count)
        apart = {name: _apart(ours, images) for name, images in theirs.items()}
        apart["scanned"] = _apart(ours, self.step(one_step_in_turn))
        # As many of ours: five views an image.
        report = {"pixels_apart": apart["released"], "passes": {"released": count}}
        require(max(apart.values()) <= SAME_PIXELS, f"pixels differ ({apart})", report)
        return report


def require(condition: bool, complaint: str, report: dict[str, Any]) -> None:
    """Time nothing where both sides do not do the same."""
    if not condition:
        sys.exit(f"{complaint}, so nothing was timed:\n{json.dumps(report, indent=1)}")


def _passes(found: Adversarial) -> dict[str, int]:
    """Of all examples, as `attacks` counts them."""
    return _counted({name: int(np.sum(value)) for name, value in found.stats.items()})


def _counted(count: Mapping[str, int]) -> dict[str, int]:
    return {name: count.get(name, 0) for name in PASSES}


def _apart(a: Any, b: Any) -> float:
    """The share of pixels that differ by more than rounding."""
    return float(np.mean(np.abs(np.asarray(a) - np.asarray(b)) > 1e-6))
