"""The two programs under comparison, ready to be run, and the proof that they do the same."""

import json
import statistics
import sys
import time
from typing import Any

import jax
import numpy as np
import optax
import torch
import work
from clock import Program
from torch_peer import Peer

from mat_jax import attacks, defenses, models
from mat_jax.attacks.embeddings import embed_images, embed_texts
from mat_jax.train import mesh, state, step
from tests.tools.narrow import some

# What agreement means. Rounding turns the sign of a pixel's gradient where it is near zero, so
# two programs' images differ in some pixels by a step or two; their losses hardly differ.
SAME_CAPTIONS, SGA_TOLERANCE, MAT_TOLERANCE, NORM_TOLERANCE = 0.95, 2e-3, 1e-3, 2e-2
LEARNING_RATE, MAT_UPDATES = 1e-4, 3


class SGA:
    """Both programs of the attack, ready to be run on one batch."""

    def __init__(self, model: models.CLIP, folder: str, size: int, attention: str):
        self.batch = work.batch(model, size, captions=work.CAPTIONS)
        self.captions = work.as_lists(some(self.batch.words))
        threat = attacks.ThreatModel(eps=work.EPS, steps=work.SGA_STEPS)
        self.model, self.key = model, jax.random.key(1)
        self.compiled = attacks.compile_attack(attacks.sga_attack, model, threat=threat)
        self.peer = Peer(folder, model.text_format, attention=attention)
        self.published = Peer(folder, model.text_format, attention=attention, published=True)
        self.clean = _torch(self.batch.images)

    def ours(self) -> Any:
        return jax.block_until_ready(self.compiled(self.batch, self.key))

    def torch(self, peer: Peer | None = None) -> Any:
        clean, shape = self.clean, self.clean.shape
        return (peer or self.peer).sga(
            clean,
            self.captions,
            eps=work.EPS,
            steps=work.SGA_STEPS,
            start=lambda: (clean + (2 * torch.rand(shape) - 1) * work.EPS).clamp(0, 1),
            noise=lambda step, view: torch.randn(shape),
        )

    def torch_as_published(self) -> Any:
        """With the gradients of the weights, as the released program runs."""
        return self.torch(self.published)

    def agree(self) -> dict[str, Any]:
        """Run both from the same draws and raise if they did not find or do the same."""
        images, ids = np.asarray(self.batch.images), np.asarray(self.batch.ids)
        key = self.key
        self.peer.count.clear()
        found, sentences = self.peer.sga(
            self.clean,
            self.captions,
            eps=work.EPS,
            steps=work.SGA_STEPS,
            start=lambda: _torch(work.start(images, ids, key, work.EPS)),
            noise=lambda step, view: _torch(work.noise(images, ids, key, step, view)),
        )
        before = time.perf_counter()
        ours, theirs = self.ours(), found.permute(0, 2, 3, 1).numpy()
        compiling = time.perf_counter() - before
        framed = np.array([self.peer._frame(s) for s in sentences]).reshape(ours.tokens.ids.shape)
        same = np.mean(np.all(framed == np.asarray(ours.tokens.ids), axis=-1))
        changed = float(np.mean(ours.stats["changed"]))

        @jax.jit
        def cosine(images, ids):
            texts = embed_texts(self.model, ours.tokens._replace(ids=ids))
            return (embed_images(self.model, images)[:, None] * texts).sum(-1)

        clean = cosine(images, self.batch.tokens.ids)
        a, b = cosine(ours.images, ours.tokens.ids), cosine(theirs, framed)
        gap, fall = float(np.max(np.abs(a - b))), float(np.mean(clean) - np.mean(a))
        count = {
            name: int(np.sum(ours.stats[name]))
            for name in ("image_forwards", "image_backwards", "text_forwards")
        }
        report = {
            "first_call_seconds": compiling,
            "same_captions": float(same),
            "captions_changed": changed,
            "mean_fall_of_cosine": fall,
            "largest_gap_of_cosine": gap,
            "pixels_apart_over_1e-6": float(np.mean(np.abs(ours.images - theirs) > 1e-6)),
            "passes": count,
            "passes_torch": dict(self.peer.count),
        }
        _require(same >= SAME_CAPTIONS, "SGA: captions differ", report)
        _require(gap <= SGA_TOLERANCE, "SGA: cosines differ", report)
        _require(count == self.peer.count, "SGA: the numbers of encoder passes differ", report)
        return report


class MAT:
    """Both programs of the training step. Each update starts where the one before ended."""

    def __init__(self, model: models.CLIP, folder: str, size: int, attention: str):
        self.batch = work.cut(work.batch(model, size, captions=1, seed=1), model)
        self.captions = work.as_lists(some(self.batch.words))
        layout, weights = state.flatten(model)
        optimizer = optax.adamw(LEARNING_RATE)
        defense = defenses.MAT(eps=work.EPS, steps=work.MAT_STEPS)
        self.state = state.create(weights, optimizer, defense.trains, seed=0)
        self.step = step.compile_step(layout, defense, optimizer, mesh.make(1), self.state)
        self.model_format = model.text_format
        self.clean = _torch(self.batch.images)
        self.peer, self.optimizer = self._peer(folder, attention, published=False)
        self.published = self._peer(folder, attention, published=True)

    def _peer(self, folder: str, attention: str, *, published: bool) -> tuple[Peer, Any]:
        peer = Peer(folder, self.model_format, attention=attention, published=published)
        # Optax's default decay, and PyTorch's fastest form of the update.
        adamw = torch.optim.AdamW(
            peer.model.parameters(), LEARNING_RATE, weight_decay=1e-4, fused=True
        )
        return peer, adamw

    def ours(self) -> dict[str, float]:
        self.state, metrics = self.step(self.state, None, self.batch)
        return {name: float(value) for name, value in metrics.items()}

    def torch(self, pair: tuple[Peer, Any] | None = None, start: Program | None = None) -> Any:
        peer, optimizer = pair or (self.peer, self.optimizer)
        clean = self.clean
        return peer.mat_step(
            optimizer,
            clean,
            self.captions,
            eps=work.EPS,
            steps=work.MAT_STEPS,
            start=start
            or (lambda: (clean + (2 * torch.rand(clean.shape) - 1) * work.EPS).clamp(0, 1)),
        )

    def torch_as_published(self) -> Any:
        """With a gradient for every weight, as released programs run."""
        return self.torch(self.published)

    def agree(self) -> dict[str, Any]:
        """A few updates of both from the same draws; raise if they part."""
        ours, theirs, seconds = [], [], []
        for index in range(MAT_UPDATES):
            key = jax.random.fold_in(jax.random.wrap_key_data(self.state.key), index)
            clean, ids = np.asarray(self.batch.images), np.asarray(self.batch.ids)
            drawn = work.start(clean, ids, key, work.EPS)
            self.peer.count.clear()
            loss, norm, sentences = self.torch(start=lambda drawn=drawn: _torch(drawn))
            theirs.append({"loss": loss, "grad_norm": norm, "changed": self._changed(sentences)})
            before = time.perf_counter()
            ours.append(self.ours())
            seconds.append(time.perf_counter() - before)
        report = {
            "first_call_seconds": seconds[0],
            "loss": [one["loss"] for one in ours],
            "loss_torch": [one["loss"] for one in theirs],
            "grad_norm": [one["grad_norm"] for one in ours],
            "grad_norm_torch": [one["grad_norm"] for one in theirs],
            "captions_changed": ours[0]["captions_changed"],
            "captions_changed_torch": theirs[0]["changed"],
            "passes": {**self.peer.count, "updates": len(self.clean)},
        }
        for a, b in zip(ours, theirs, strict=True):
            near = abs(a["loss"] - b["loss"]) <= MAT_TOLERANCE * abs(b["loss"])
            _require(near, "MAT: losses differ", report)
        near = abs(ours[0]["grad_norm"] / theirs[0]["grad_norm"] - 1) <= NORM_TOLERANCE
        _require(near, "MAT: the first gradients' norms differ", report)
        near = abs(report["captions_changed"] - report["captions_changed_torch"]) <= 0.05
        _require(near, "MAT: different shares of captions changed", report)
        return report

    def _changed(self, sentences: list) -> float:
        pairs = zip(sentences, self.captions, strict=True)
        return statistics.mean(float(a != b.words) for a, b in pairs)


def _torch(images: Any) -> torch.Tensor:
    """[batch, height, width, 3] to PyTorch's order of axes."""
    return torch.tensor(np.asarray(images)).permute(0, 3, 1, 2).contiguous()


def _require(condition: bool, complaint: str, report: dict[str, Any]) -> None:
    if not condition:
        sys.exit(f"{complaint}, so nothing was timed:\n{json.dumps(report, indent=1)}")
