"""Captions rewritten by a language model (LaCLIP, Fan et al. 2023), or in a file of rewrites.

The model is any text model of transformers, which needs torch for it.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from mat_jax.data.clean import clean_caption

ASK = "Say this image caption in other words and keep what it says."
LONGEST = 60  # tokens of a rewrite


def from_file(path: str | Path) -> Callable[[str], list[str]]:
    """`caption -> its rewrites`, of a JSON file `{"a caption": ["a rewrite", ...], ...}`.

    Captions are found by their words: case and punctuation do not count.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not of this form.
    """
    path = Path(path)
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError):
        raise FileNotFoundError(f"no file of rewrites {str(path)!r}; give its path") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{str(path)!r} is not valid JSON ({error}); repair it") from None
    lists = list(table.values()) if isinstance(table, dict) else [None]
    if not all(isinstance(own, list) and all(isinstance(t, str) for t in own) for own in lists):
        raise ValueError(f'{str(path)!r} is not of the form {{"a caption": ["a rewrite", ...]}}')
    known = {clean_caption(caption): own for caption, own in table.items()}
    return lambda caption: known.get(clean_caption(caption), [])


def from_model(name: str, *, ask: str | None = None, top_p: float = 0.9) -> Callable:
    """`(captions, seeds) -> a rewrite of each`, by a text model of transformers.

    Models that read and write (T5, BART) are given the instruction and the caption; those that go
    on (Llama, Qwen, GPT-2) the same as a dialogue, if they have a form for one, and else with
    "Caption: ... In other words:". Ids are drawn from the likeliest that hold `top_p`, by the
    caption's own seed whatever others are asked with it; of what is written the first line is
    taken.

    Args:
        name: hub id or folder.
        ask: the instruction; None takes ours.
        top_p: of nucleus sampling; 0 takes the likeliest id, again and again.

    Raises:
        ValueError: torch is not installed, or there is no such text model.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        raise ValueError(
            f"a language model of transformers needs torch ({error}): pip install torch, or give "
            "rewrites in a file (--file)"
        ) from None
    try:
        config: Any = transformers.AutoConfig.from_pretrained(name)
        tokenizer: Any = transformers.AutoTokenizer.from_pretrained(name)
        reads = bool(config.is_encoder_decoder)
        kind = transformers.AutoModelForSeq2SeqLM if reads else transformers.AutoModelForCausalLM
        model: Any = kind.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"transformers has no text model {name!r} ({str(error).splitlines()[0]}): give a hub "
            "id or a folder"
        ) from None
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.to(device).eval()
    greedy = {"do_sample": False, "num_beams": 1, "temperature": None, "top_p": None, "top_k": None}
    tokenizer.padding_side = "right" if reads else "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    heat = model.generation_config.temperature or 1.0
    narrow: Any = transformers.TopPLogitsWarper(top_p) if top_p else None

    def write(captions: Sequence[str], seeds: Sequence[int]) -> list[str]:
        prompts = [_prompt(caption, ask or ASK, tokenizer, reads) for caption in captions]
        inputs = tokenizer(prompts, return_tensors="pt", padding=True).to(device)
        asked = {k: v for k, v in inputs.items() if k in ("input_ids", "attention_mask")}
        noise = gumbel(seeds)

        def draw(ids: Any, scores: Any) -> Any:
            return noise(narrow(ids, scores / heat))

        with torch.no_grad():
            ids = model.generate(
                **asked,
                **greedy,
                logits_processor=[draw] if narrow else [],
                max_new_tokens=LONGEST,
                pad_token_id=tokenizer.pad_token_id,
            )
        if not reads:
            ids = ids[:, asked["input_ids"].shape[1] :]
        return [first_line(text) for text in tokenizer.batch_decode(ids, skip_special_tokens=True)]

    return write


def gumbel(seeds: Sequence[int]) -> Callable:
    r"""`scores [rows, ids] -> scores + noise`, each row's noise drawn by a seed of its own.

    The largest of $s_v - \log E_v$, with E exponential, is v with probability softmax(s): sampling
    becomes a maximum, for which torch needs no seed of the whole batch.
    """
    import torch

    draws = [torch.Generator().manual_seed(seed) for seed in seeds]

    def add(scores: Any) -> Any:
        drawn = [torch.empty(scores.shape[1]).exponential_(generator=one) for one in draws]
        return scores.float() - torch.stack(drawn).log().to(scores.device)

    return add


@runtime_checkable
class ChatTokenizer(Protocol):
    """What is asked of the tokenizer of a transformers model that chats."""

    chat_template: str | None

    def apply_chat_template(
        self, said: list[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool
    ) -> str:
        """The conversation as the model was trained to read it."""
        ...


def first_line(text: str) -> str:
    """The first line with words in it, without quotation marks; empty if there is none."""
    lines = [line.strip().strip('"').strip() for line in text.splitlines()]
    return next((line for line in lines if clean_caption(line)), "")


def _prompt(caption: str, ask: str, tokenizer: ChatTokenizer, reads: bool) -> str:
    if reads:
        return f"{ask} {caption}"
    if tokenizer.chat_template:
        said = [{"role": "user", "content": f"{ask} Answer with the caption only.\n{caption}"}]
        return tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
    return f"{ask}\nCaption: {caption}\nIn other words:"
