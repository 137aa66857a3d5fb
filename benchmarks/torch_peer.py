"""SGA and the MAT training step as one would write them in PyTorch, on transformers' CLIPModel.

Steps are a Python loop; all candidates of all captions are encoded together; in the attacks the
weights are frozen, and gradients go to the pixels only. What depends on the clean captions is
computed once for SGA's two text passes, as in mat_jax. `published=True` undoes these three
courtesies and gives the habits of the released programs: captions one by one, the text scored
anew in each pass, and weights that require gradients under `.backward()`.
"""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from transformers import CLIPModel
from work import SCALES, Caption

from mat_jax.models.formats.preprocessing import OPENAI
from mat_jax.types.text_format import TextFormat
from tests.tools.narrow import some

Start = Callable[[], Tensor]
Noise = Callable[[int, int], Tensor]
Sentence = list[list[int]]  # a caption as words as ids


class Plan(NamedTuple):
    clean: Tensor  # [captions, embed]
    order: list[list[int]]  # words of each caption that may change, the most important first
    first: list[Tensor]  # [substitutes, embed] of the first of them


class Peer:
    def __init__(self, folder: str, form: TextFormat, *, attention: str, published: bool = False):
        self.model = CLIPModel.from_pretrained(folder, attn_implementation=attention).eval()
        self.form = form
        self.published = published
        self.count: Counter[str] = Counter()
        self.mean = torch.tensor(OPENAI.mean).view(1, 3, 1, 1)
        self.std = torch.tensor(OPENAI.std).view(1, 3, 1, 1)
        self.train_weights(published)

    def train_weights(self, yes: bool) -> None:
        self.model.requires_grad_(yes)

    def images(self, pixels: Tensor) -> Tensor:
        """Unit embeddings of images [batch, 3, height, width] in [0, 1]."""
        self.count["image_forwards"] += len(pixels)
        self.count["image_backwards"] += len(pixels) * pixels.requires_grad
        pooled = self.model.vision_model(pixel_values=(pixels - self.mean) / self.std).pooler_output
        return functional.normalize(self.model.visual_projection(pooled), dim=-1)

    def texts(self, sentences: list[Sentence]) -> Tensor:
        """Unit embeddings of captions, padded to the length of the text format."""
        self.count["text_forwards"] += len(sentences)
        rows = [self._frame(sentence) for sentence in sentences]
        pooled = self.model.text_model(input_ids=torch.tensor(rows)).pooler_output
        return functional.normalize(self.model.text_projection(pooled), dim=-1)

    def _frame(self, sentence: Sentence) -> list[int]:
        form = self.form
        ids = [i for word in sentence for i in word][: form.length - 2]
        ids = [form.start, *ids, form.end]
        return ids + [form.pad] * (form.length - len(ids))

    @torch.no_grad()
    def plan(self, captions: list[Caption]) -> Plan:
        """Importance of every word that may change, and the substitutes of the first."""
        clean = self.texts([c.words for c in captions])
        pairs = [(i, w) for i, c in enumerate(captions) for w, s in enumerate(c.substitutes) if s]
        without = self.texts([_replaced(captions[i].words, w, []) for i, w in pairs])
        reference = clean[[i for i, _ in pairs]]
        # In float64: the divergence of two unit vectors' softmax is near float32's rounding.
        log_p, log_q = (x.double().log_softmax(-1) for x in (reference, without))
        change = functional.kl_div(log_q, log_p, log_target=True, reduction="none").sum(-1)
        scored: list[list[tuple[float, int]]] = [[] for _ in captions]
        for (i, w), value in zip(pairs, change.tolist(), strict=True):
            scored[i].append((-value, w))
        order = [[w for _, w in sorted(one)] for one in scored]
        return Plan(clean, order, self._substitutes(captions, order, 0, list(range(len(captions)))))

    def _substitutes(
        self, captions: list[Caption], order: list[list[int]], depth: int, rows: list[int]
    ) -> list[Tensor]:
        """Embeddings of the captions `rows`, their word `order[depth]` replaced in all ways."""
        groups = []
        for i in rows:
            w = order[i][depth]
            groups.append([_replaced(captions[i].words, w, s) for s in captions[i].substitutes[w]])
        embeds = self.texts([sentence for group in groups for sentence in group])
        return list(embeds.split([len(group) for group in groups]))

    @torch.no_grad()
    def attack_texts(
        self, captions: list[Caption], against: Tensor, plan: Plan | None = None
    ) -> tuple[list[Sentence], Tensor]:
        """At most one word of each caption replaced, away from its row of `against`."""
        if self.published and len(captions) > 1:
            pairs = [
                self.attack_texts([c], a[None]) for c, a in zip(captions, against, strict=True)
            ]
            return [s for found, _ in pairs for s in found], torch.cat([e for _, e in pairs])
        plan = plan or self.plan(captions)
        sentences, embeds = [c.words for c in captions], plan.clean.clone()
        pending, depth = list(range(len(captions))), 0
        while pending:
            features = (
                plan.first if not depth else self._substitutes(captions, plan.order, depth, pending)
            )
            undecided = []
            for i, variants in zip(pending, features, strict=True):
                values = -(variants @ against[i])
                pick = int(values.argmax())
                w = plan.order[i][depth]
                if values[pick] > -(embeds[i] @ against[i]):
                    substitute = captions[i].substitutes[w][pick]
                    sentences[i], embeds[i] = _replaced(sentences[i], w, substitute), variants[pick]
                elif depth + 1 < len(plan.order[i]):
                    undecided.append(i)
            pending, depth = undecided, depth + 1
        return sentences, embeds

    def ascend(
        self, x: Tensor, value: Tensor, clean: Tensor, step_size: float, eps: float
    ) -> Tensor:
        """One sign step of `x` up `value`, back into the ball and the box."""
        if self.published:
            self.model.zero_grad()
            value.backward()
            slope = some(x.grad)
        else:
            (slope,) = torch.autograd.grad(value, x)
        x = x.detach() + step_size * slope.sign()
        return (clean + (x - clean).clamp(-eps, eps)).clamp(0, 1)

    def sga(
        self, clean: Tensor, captions: list[Caption], *, eps: float, steps: int,
        start: Start, noise: Noise,
    ) -> tuple[Tensor, list[Sentence]]:  # fmt: skip
        """SGA (Lu et al. 2023) with the best point of each image kept: `mat_jax.attacks.sga`."""
        batch, each = len(clean), len(captions) // len(clean)
        plan = None if self.published else self.plan(captions)

        def captions_against(x: Tensor):
            with torch.no_grad():
                return self.attack_texts(captions, self.images(x).repeat_interleave(each, 0), plan)

        _, embeds = captions_against(clean)
        target = embeds.view(batch, each, -1).sum(1)
        x, best, best_value = start(), clean, torch.full((batch,), -torch.inf)

        def keep(x: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
            wins = value > best_value
            return torch.where(wins.view(-1, 1, 1, 1), x, best), torch.where(
                wins, value, best_value
            )

        for step in range(steps):
            x = x.requires_grad_()
            views = [x, *(_view(x, s, noise(step, v + 1)) for v, s in enumerate(SCALES))]
            values = -(self.images(torch.cat(views)).view(len(views), batch, -1) * target).sum(-1)
            best, best_value = keep(x.detach(), values[0].detach())
            x = self.ascend(x, values.sum(), clean, eps / 4, eps)
        with torch.no_grad():
            best, _ = keep(x, -(self.images(x) * target).sum(-1))
        return best, captions_against(best)[0]

    def mat_step(
        self, optimizer: torch.optim.Optimizer, clean: Tensor, captions: list[Caption], *,
        eps: float, steps: int, start: Start,
    ) -> tuple[float, float, list[Sentence]]:  # fmt: skip
        """One MAT update: the loss, the norm of its gradient, and the captions attacked."""
        self.train_weights(self.published)
        with torch.no_grad():
            sentences, _ = self.attack_texts(captions, self.images(clean))
            texts, scale = self.texts(sentences), self.model.logit_scale.exp()
        x = start()
        for _ in range(steps):
            x = x.requires_grad_()
            value = _info_nce(self.images(x), texts, scale).sum()
            x = self.ascend(x, value, clean, 1.25 * eps / steps, eps)
        self.train_weights(True)
        optimizer.zero_grad()
        scale = self.model.logit_scale.exp()
        loss = _info_nce(self.images(x.detach()), self.texts(sentences), scale).mean()
        loss.backward()
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.model.parameters()])
        optimizer.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(max=4.605170185988092)
        return float(loss.detach()), float(norm), sentences


def _replaced(words: Sentence, at: int, by: list[int]) -> Sentence:
    return [by if i == at else word for i, word in enumerate(words)]


def _view(x: Tensor, scale: float, noise: Tensor) -> Tensor:
    """The image with noise, resized and clipped, and resized back."""
    height, width = x.shape[2:]
    size = int(scale * height), int(scale * width)
    small = functional.interpolate(x + 0.05 * noise, size=size, mode="bicubic").clamp(0, 1)
    return functional.interpolate(small, size=(height, width), mode="bicubic")


def _info_nce(images: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
    logits, right = scale * images @ texts.T, torch.arange(len(images))
    ways = [functional.cross_entropy(way, right, reduction="none") for way in (logits, logits.T)]
    return (ways[0] + ways[1]) / 2
