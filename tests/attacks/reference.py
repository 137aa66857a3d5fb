"""The attacks read once more, from their papers and released programs, in plain PyTorch loops.

Nothing here is shared with the package but the lists of function words. Captions are strings,
models are transformers', one caption is attacked at a time, and randomness is handed in.
"""

import functools
import itertools

import torch
import torch.nn.functional as F
import transformers

from mat_jax.data.substitutes.released_stop_words import RELEASED_STOP_WORDS
from mat_jax.data.substitutes.stop_words import STOP_WORDS

MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711])


def kl(clean, other):
    """KL(softmax(clean) || softmax(other)) over the last axis, in double precision."""
    p, q = F.log_softmax(clean.double(), -1), F.log_softmax(other.double(), -1)
    return (p.exp() * (p - q)).sum(-1)


class Reference:
    def __init__(self, folder):
        self.clip = transformers.CLIPModel.from_pretrained(folder / "clip").eval()
        self.bert = transformers.BertForMaskedLM.from_pretrained(folder / "bert").eval()
        self.clip.requires_grad_(False)
        self.clip_tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "clip")
        self.bert_tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "bert")

    def image(self, pixels):
        """[n, height, width, 3] in [0, 1] -> unit embeddings."""
        pixels = ((pixels - MEAN) / STD).permute(0, 3, 1, 2)
        pooled = self.clip.vision_model(pixel_values=pixels).pooler_output
        return F.normalize(self.clip.visual_projection(pooled), dim=-1)

    def tokens(self, strings):
        """As the model reads them: what does not fit is cut off."""
        length = self.clip.config.text_config.max_position_embeddings
        return self.clip_tokenizer(
            strings, padding="max_length", truncation=True, max_length=length, return_tensors="pt"
        )

    def text(self, strings):
        pooled = self.clip.text_model(**self.tokens(strings)).pooler_output
        return F.normalize(self.clip.text_projection(pooled), dim=-1)

    @functools.cache  # noqa: B019  # there is one of these in a run of the tests
    @torch.no_grad()
    def proposals(self, caption, k, official):
        """For each word of a caption its substitutes (BERT-Attack, section 3.2)."""
        tokenizer, words = self.bert_tokenizer, caption.split()
        pieces = [tokenizer.tokenize(word) for word in words]
        flat = tokenizer.convert_tokens_to_ids(list(itertools.chain(*pieces)))
        ids = [tokenizer.cls_token_id, *flat]
        # The released tokenizer ends a caption with no [SEP].
        ids += [] if official else [tokenizer.sep_token_id]
        logits = self.bert(torch.tensor([ids])).logits[0]
        # The released programs forget that row 0 is [CLS].
        values, top = logits[0 if official else 1 :].topk(k, dim=-1)
        found, start = [], 0
        room = self.clip.config.text_config.max_position_embeddings - 2
        for index, (word, its) in enumerate(zip(words, pieces, strict=True)):
            end = start + len(its)
            if len(its) == 1:
                texts = []
                for value, i in zip(values[start], top[start], strict=True):
                    if official and value < 0.3:
                        break
                    texts.append(tokenizer.convert_ids_to_tokens(int(i)))
            else:
                texts = self._combinations(top[start:end])
            start = end
            before = self.clip_tokenizer(" ".join(words[:index]))["input_ids"]
            hidden = len(before) - 2 >= room
            good = list(dict.fromkeys(t for t in texts if self._allowed(t, word, official)))
            # The released programs try every combination of a word in pieces.
            good = good if official else good[:k]
            found.append([] if word in self._fixed(official) or hidden else good)
        return found

    def _combinations(self, rows):
        rows = rows[:12, :4]
        every = [[]]
        for row in rows:
            every = [one + [int(i)] for one in every for i in row]
        every = torch.tensor(every[:24])
        loss = F.cross_entropy(
            self.bert(every).logits.flatten(0, 1), every.flatten(), reduction="none"
        )
        order = loss.reshape(every.shape).mean(-1).exp().argsort(stable=True)
        names = [self.bert_tokenizer.convert_ids_to_tokens(every[i].tolist()) for i in order]
        return [" ".join(name).replace(" ##", "") for name in names]

    @classmethod
    def _allowed(cls, text, word, official):
        # No caption has a sign that cleaning deletes, so no substitute is one.
        gone = any(sign in text for sign in ",.'!?\"()*#:;~-/") or text in SPECIALS
        letters = not gone if official else text.isalpha() and "##" not in text
        return letters and text != word and text not in cls._fixed(official)

    @staticmethod
    def _fixed(official):
        return RELEASED_STOP_WORDS if official else STOP_WORDS

    @torch.no_grad()
    def attack_text(self, caption, options, objective, *, budget, official):
        """BERT-Attack's walk; `objective([n, embed]) -> [n]` is maximised."""
        words, clean = caption.split(), self.text([caption])[0]
        open_words = [i for i in range(len(words)) if options[i]]
        importance = {}
        if open_words:
            hole = ["[UNK]"] if official else []
            masked = [" ".join(words[:i] + hole + words[i + 1 :]) for i in open_words]
            values = kl(clean[None], self.text(masked))
            importance = dict(zip(open_words, values.tolist(), strict=True))
        changes = 0
        for i in sorted(importance, key=lambda i: -importance[i]):
            if changes == budget:
                break
            tries = [words[i], *options[i]]
            texts = [" ".join(words[:i] + [one] + words[i + 1 :]) for one in tries]
            values = objective(self.text(texts))
            best = int(values.argmax())
            # Words behind the last that is read change nothing, but for rounding.
            best = best if values[best] - values[0] > 1e-6 else 0
            words[i] = tries[best]
            changes += best > 0
        return " ".join(words)

    def bert_attack(self, caption, options, *, budget, official):
        clean = self.text([caption])[0]
        return self.attack_text(
            caption, options, lambda e: kl(clean[None], e), budget=budget, official=official
        )

    def ascend(self, clean, start, loss, *, eps, step_size, steps, keep=None):
        """PGD on one image; `loss(x, step)` is maximised. `keep(x)` asks for the best point."""
        x, visited = start, [start]
        for step in range(steps):
            x = x.detach().requires_grad_(True)
            (slope,) = torch.autograd.grad(loss(x, step), x)
            x = x.detach() + step_size * slope.sign()
            x = (clean + (x - clean).clamp(-eps, eps)).clamp(0, 1)
            visited.append(x)
        if keep is None:
            return x
        with torch.no_grad():
            values = [float(keep(one)) for one in visited]
        return visited[values.index(max(values))]

    def pgd(self, clean, start, *, best, **settings):
        with torch.no_grad():
            target = self.image(clean[None])[0]

        def loss(x, step=0):
            return kl(target, self.image(x[None])[0])

        return self.ascend(clean, start, loss, keep=loss if best else None, **settings)

    def co_attack(self, clean, captions, start, *, best, alpha=3.0, **settings):
        """Against all adversarial captions given, in the mean."""
        with torch.no_grad():
            target, texts = self.image(clean[None])[0], self.text(captions)

        def loss(x, step=0):
            embed = self.image(x[None])[0]
            return kl(target, embed) + alpha * kl(texts, embed[None]).mean()

        return self.ascend(clean, start, loss, keep=loss if best else None, **settings)

    def sga_image(self, clean, captions, start, noises, *, best, **settings):
        """`noises[step, view]`: what is added before each of the four resizes."""
        with torch.no_grad():
            texts = self.text(captions)

        def plain(x):
            return -(self.image(x[None]) @ texts.T).sum()

        def loss(x, step):
            total = plain(x)
            side = x.shape[0]
            for view, scale in enumerate((0.5, 0.75, 1.25, 1.5)):
                seen = (x + noises[step, view]).permute(2, 0, 1)[None]
                cubic = {"mode": "bicubic", "align_corners": False, "antialias": False}
                seen = F.interpolate(seen, size=[int(scale * side)] * 2, **cubic).clamp(0, 1)
                seen = F.interpolate(seen, size=[side] * 2, **cubic)
                total = total + plain(seen[0].permute(1, 2, 0))
            return total

        return self.ascend(clean, start, loss, keep=plain if best else None, **settings)
