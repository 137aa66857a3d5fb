"""The released SGA and Co-Attack, imported from where they were cloned, and what they import.

Theirs are the attacks (`attacker.py` and `attack/*.py`), run as their scripts for CLIP run them.
Ours are the model they attack, transformers' CLIPModel behind the two functions they call, and
the corner of torchvision they use.
"""

import importlib.util
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from tokenizers.processors import TemplateProcessing
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoTokenizer, BertForMaskedLM, BertTokenizer, CLIPModel

from mat_jax.models.formats.preprocessing import OPENAI
from tests.tools.narrow import some

# As eval_clip-vit2clip-cnn.py and RetrievalCLIPEval.py have it.
LENGTH = 77  # tokens of BERT's that SGA reads; Co-Attack's text attack keeps to its own 30
ALPHA = 3.0
PAIRS = 4  # image-caption pairs in a batch of Co-Attack's


def sga(folder: Path) -> ModuleType:
    """The module of SGA's three attackers."""
    return _imported("released_sga", folder / "attacker.py")


def co_attack(folder: Path) -> ModuleType:
    """The package of Co-Attack's attackers."""
    return _imported("released_co_attack", folder / "attack" / "__init__.py")


class Victim(nn.Module):
    """transformers' CLIPModel with the interface of the CLIP that the released programs carry.

    It is handed BERT's ids of a caption, writes them out as text again, and reads that with
    CLIP's tokenizer. Every example that passes an encoder is counted.
    """

    def __init__(self, folder: Path, bert: BertTokenizer, attention: str):
        super().__init__()
        self.clip = CLIPModel.from_pretrained(folder, attn_implementation=attention).eval()
        self.bert, self.tokenizer = bert, AutoTokenizer.from_pretrained(folder)
        self.length = self.clip.config.text_config.max_position_embeddings
        self.count: Counter[str] = Counter()

    def inference_image(self, pixels: Tensor) -> dict[str, Tensor]:
        """Unit embeddings of normalised pixels."""
        self.count["image_forwards"] += len(pixels)
        self.count["image_backwards"] += len(pixels) * pixels.requires_grad
        pooled = self.clip.vision_model(pixel_values=pixels).pooler_output
        unit = functional.normalize(self.clip.visual_projection(pooled), dim=-1)
        return {"image_feat": unit, "image_embed": unit}

    def inference_text(self, tokens: Any) -> dict[str, Tensor]:
        """Unit embeddings of captions in BERT's ids."""
        self.count["text_forwards"] += len(tokens.input_ids)
        texts = [self._plain(self.bert.decode(row)) for row in tokens.input_ids]
        read = self.tokenizer(
            texts,
            padding="max_length",
            truncation=True,
            max_length=self.length,
            return_tensors="pt",
        )
        # Padding comes after the token that is read, and attention looks back only: no mask.
        pooled = self.clip.text_model(input_ids=read.input_ids).pooler_output
        unit = functional.normalize(self.clip.text_projection(pooled), dim=-1)
        return {"text_feat": unit, "text_embed": unit}

    def _plain(self, text: str) -> str:
        """Without the marks of BERT; a word it does not know stays `[UNK]`."""
        for mark in (self.bert.pad_token, self.bert.cls_token, self.bert.sep_token):
            text = text.replace(mark, "")
        return text.strip()


def masked_lm(folder: Path) -> tuple[BertForMaskedLM, BertTokenizer]:
    """A masked language model with its tokenizer, as the released programs know them.

    Their tokenizer puts no [SEP] after a caption. Their text attack pads to `LENGTH`, for which a
    smaller model has no positions: it gets zeros, which only padding sees.
    """
    tokenizer = BertTokenizer.from_pretrained(folder)
    start = [(tokenizer.cls_token, tokenizer.cls_token_id)]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{tokenizer.cls_token} $A", special_tokens=start
    )
    model = BertForMaskedLM.from_pretrained(folder, dtype=torch.float32).eval()
    parts = model.bert.embeddings
    known = parts.position_embeddings.weight.detach()
    more = torch.zeros(max(0, LENGTH - len(known)), known.shape[1])
    parts.position_embeddings = nn.Embedding.from_pretrained(torch.cat([known, more]), freeze=False)
    parts.position_ids = torch.arange(len(known) + len(more))[None]
    parts.token_type_ids = torch.zeros_like(parts.position_ids)
    return model, tokenizer


class InterpolationMode(Enum):
    """The one way of resizing that SGA asks for."""

    BICUBIC = "bicubic"


class Resize:
    """torchvision's on tensors, at the version SGA requires (0.15): without antialiasing."""

    def __init__(self, size: Sequence[int], interpolation: InterpolationMode):
        self.size, self.mode = tuple(size), interpolation.value

    def __call__(self, images: Tensor) -> Tensor:
        return functional.interpolate(images, self.size, mode=self.mode, antialias=False)


class Normalize:
    """torchvision's."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]):
        self.mean, self.std = (torch.tensor(x).view(-1, 1, 1) for x in (mean, std))

    def __call__(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


def normalize() -> Normalize:
    """With the mean and deviation of OpenAI's images."""
    return Normalize(OPENAI.mean, OPENAI.std)


def _imported(name: str, file: Path) -> ModuleType:
    if not file.exists():
        sys.exit(f"{file} does not exist: clone the program and name its folder (README.md)")
    inside = [str(file.parent)] if file.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=inside)
    module = sys.modules[name] = importlib.util.module_from_spec(some(spec))
    with _stand_ins():
        some(some(spec).loader).exec_module(module)
    return module


def _module(name: str, **members: object) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(members)
    return module


@contextmanager
def _stand_ins() -> Iterator[None]:
    """What the programs import: our torchvision, and an empty matplotlib, which nothing calls."""
    sizes = {"InterpolationMode": InterpolationMode, "Resize": Resize}
    transforms = _module("torchvision.transforms", Normalize=Normalize, **sizes)
    torchvision = _module("torchvision", transforms=transforms)
    matplotlib = _module("matplotlib", pyplot=ModuleType("matplotlib.pyplot"))
    ours = {
        "torchvision": torchvision,
        "torchvision.transforms": transforms,
        "matplotlib": matplotlib,
        "matplotlib.pyplot": matplotlib.pyplot,
    }
    before = {name: sys.modules.get(name) for name in ours}
    sys.modules.update(ours)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
