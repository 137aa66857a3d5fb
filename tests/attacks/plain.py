"""Attacks on the toy read once more, in plain PyTorch loops over images, captions and words.

Captions are lists of words, a word is one id, and all randomness is handed in.
"""

import numpy as np
import torch
import torch.nn.functional as F


def kl(clean, other):
    p, q = F.log_softmax(clean.double(), -1), F.log_softmax(other.double(), -1)
    return (p.exp() * (p - q)).sum(-1)


class Plain:
    def __init__(self, toy):
        arrays = (toy.pixels[...], toy.table[...], toy.head[...])
        self.pixels, self.table, self.head = (torch.tensor(np.asarray(x)) for x in arrays)

    def image(self, pixels):
        return torch.tanh(pixels.reshape(-1) @ self.pixels / 4)

    def text(self, words):
        ids = [1, *words, 2]
        return torch.tanh(self.table[ids].sum(0))

    def unit_image(self, pixels):
        return F.normalize(self.image(pixels), dim=-1)

    def unit_text(self, words):
        return F.normalize(self.text(words), dim=-1)

    def fused(self, pixels, words):
        image, text = self.image(pixels), self.text(words)
        return torch.tanh(image * text + text)

    def score(self, pixels, words):
        cosine = self.unit_image(pixels) @ self.unit_text(words)
        return (self.fused(pixels, words) @ self.head)[1] + cosine

    @torch.no_grad()
    def walk(self, words, options, objective, importance, *, mask, budget=1):
        """BERT-Attack; `objective(words)` is maximised, words visited by `importance(words)`."""
        words, changes = list(words), 0
        weight = {
            i: float(importance(words[:i] + list(mask) + words[i + 1 :]))
            for i in range(len(words))
            if options[i]
        }
        for i in sorted(weight, key=lambda i: -weight[i]):
            if changes == budget:
                break
            tries = [words[i], *options[i]]
            values = [float(objective(words[:i] + [one] + words[i + 1 :])) for one in tries]
            best = int(np.argmax(values))
            words[i], changes = tries[best], changes + (best > 0)
        return words

    def away_from(self, words, options, target, *, mask):
        """SGA's text step, away from a vector."""
        clean = self.unit_text(words)
        return self.walk(
            words,
            options,
            lambda w: -(self.unit_text(w) @ target),
            lambda w: kl(clean, self.unit_text(w)),
            mask=mask,
        )

    def dra(self, cleans, captions, starts, noises, shares, *, eps, size, official, axis=None):
        """Images after each step; `captions[i]` are those of image i. DRA, or SA-AET by `axis`."""
        targets = [sum(self.unit_text(words) for words in own) for own in captions]
        if axis is not None:
            targets = [target - (target @ axis) * axis for target in targets]

        def loss(x, i):
            return -(self.unit_image(x) @ targets[i])

        def seen(x, i, noise):
            total, side = loss(x, i), x.shape[0]
            for view, scale in enumerate((0.5, 0.75, 1.25, 1.5)):
                cubic = {"mode": "bicubic", "align_corners": False, "antialias": False}
                small = (x + noise[view]).permute(2, 0, 1)[None]
                small = F.interpolate(small, size=[int(scale * side)] * 2, **cubic).clamp(0, 1)
                back = F.interpolate(small, size=[side] * 2, **cubic)
                total = total + loss(back[0].permute(1, 2, 0), i)
            return total

        def slope(function, x, *more):
            x = x.detach().requires_grad_(True)
            return torch.autograd.grad(function(x, *more), x)[0]

        def inside(x, i):
            return (cleans[i] + (x - cleans[i]).clamp(-eps, eps)).clamp(0, 1)

        now, before = list(starts), list(starts)
        visited = [[one] for one in starts]
        for step in range(len(shares)):
            points, values = [], []
            for i in range(len(now)):
                every = shares[step][i] if step else [(1.0, 0.0, 0.0)]
                triangle = [a * now[i] + b * cleans[i] + c * before[i] for a, b, c in every]
                moved = [now[i] + size * slope(loss, p, i).sign() for p in triangle]
                if not official or axis is not None:
                    moved = [inside(x, i) for x in moved]
                points.append(triangle)
                values.append([float(loss(x, i)) for x in moved])
            together = int(np.argmax(np.mean(values, axis=0)))
            for i in range(len(now)):
                p = points[i][together if official else int(np.argmax(values[i]))]
                moved = now[i] + size * slope(seen, p, i, noises[i][step]).sign()
                now[i], before[i] = inside(moved, i), now[i]
                visited[i].append(now[i])
        if official:
            return now, before
        best = [int(np.argmax([float(loss(x, i)) for x in own])) for i, own in enumerate(visited)]
        return (
            [own[b] for own, b in zip(visited, best, strict=True)],
            [own[max(b - 1, 0)] for own, b in zip(visited, best, strict=True)],
        )

    def ascend(self, clean, start, loss, *, eps, size, steps, official, gradient=None, decay=0.0):
        """PGD on one image, with momentum; `gradient(x, step)` in the place of the loss's own."""
        x, velocity, visited = start, torch.zeros_like(start), [start]
        for step in range(steps):
            leaf = x.detach().requires_grad_(True)
            value = gradient(leaf, step) if gradient else loss(leaf)
            (slope,) = torch.autograd.grad(value, leaf)
            velocity = decay * velocity + slope / slope.abs().mean()
            x = x + size * velocity.sign()
            x = (clean + (x - clean).clamp(-eps, eps)).clamp(0, 1)
            visited.append(x)
        if official:
            return x
        with torch.no_grad():
            return visited[int(np.argmax([float(loss(one)) for one in visited]))]


def nce(anchor, positives, negative):
    """-log of the share of the positives."""
    near = sum(torch.exp(anchor @ p / 0.25) for p in positives)
    return -torch.log(near / (near + torch.exp(anchor @ negative / 0.25)))


def shrink(side, scale, offset):
    """[side, side] linear interpolation to `scale` of the size, at `offset` on a canvas of 0."""
    matrix = np.zeros((side, side), np.float32)
    for out in range(side):
        at = (out + 0.5 - offset) / scale - 0.5
        if -0.5 <= at <= side - 0.5:
            low = int(np.floor(at))
            for tap, weight in ((low, 1 - (at - low)), (low + 1, at - low)):
                matrix[out, min(max(tap, 0), side - 1)] += weight
    return torch.tensor(matrix)
