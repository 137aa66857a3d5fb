"""Reference models of transformers, small, with weights that leave no part of them idle."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch
import transformers

from mat_jax import models
from tests.tools.narrow import some

torch.set_num_threads(1)  # torch and XLA would fight for the cores

CAPTIONS = [
    "A red ball lies on the blue sofa.",
    "Two dogs play in a field; one wears a man's hat!",
    "The quick brown fox jumps over the lazy dog",
    "three green boxes and a t-shirt",
]

# A network of torch or of transformers, handed back as what it is.
Network = TypeVar("Network", bound=torch.nn.Module)


def randomise(model: Network) -> Network:
    """Weights such that every layer, bias and scale shows in the output.

    Fresh models have biases of 0 and activations so small that a wrong nonlinearity, a wrong eps
    or a missing layer can pass for the right one.
    """
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if name == "logit_scale":
                weight.fill_(3.0)
            elif weight.ndim >= 2:
                weight.mul_(2.0)
            elif "norm" in name.lower() and name.endswith("weight"):
                weight.add_(0.1 * noise)
            else:
                weight.copy_(0.05 * noise)
    return model.eval()


def sharpen(model: Network) -> Network:
    """Attention that prefers some tokens to others, or it would hardly matter how it is done."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(("query.weight", "key.weight", "qkv.weight")):
                weight.mul_(3.0)
    return model


@pytest.fixture(scope="session")
def randomised() -> Callable[[torch.nn.Module], torch.nn.Module]:
    """`randomise` and `sharpen`, for tests that build a reference of their own."""
    return lambda model: sharpen(randomise(model))


def clip_config(
    vision: dict[str, object] | None = None, text: dict[str, object] | None = None, **both: object
) -> transformers.CLIPConfig:
    """A small CLIP whose two towers share no size, so that none can stand for another.

    Settings of one tower, or of both, may be changed.
    """
    text_sizes = {
        "hidden_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 100,
        "max_position_embeddings": 20,
        "vocab_size": 600,
        "bos_token_id": 598,
        "eos_token_id": 599,
        "pad_token_id": 599,
    }
    vision_sizes = {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 120,
        "image_size": 32,
        "patch_size": 8,
    }
    both = {"hidden_act": "quick_gelu"} | both
    return transformers.CLIPConfig(
        text_config=text_sizes | both | (text or {}),
        vision_config=vision_sizes | both | (vision or {}),
        projection_dim=40,
    )


def randomise_convolutions(model: Network, gain: float = 1.0) -> Network:
    """The same for a convolutional tower: statistics that no batch norm may do without.

    `gain` is how much a block adds to what came in. With 1 a tower of 55 blocks grows to 1e6 and
    is chaotic, with 0.5 it stays near 1.
    """
    generator = torch.Generator().manual_seed(1)

    def noise(like: torch.Tensor) -> torch.Tensor:
        return torch.randn(like.shape, generator=generator)

    with torch.no_grad():
        for name, part in model.named_modules():
            if isinstance(part, torch.nn.Conv2d):
                part.weight.copy_(noise(part.weight) * part.weight[0].numel() ** -0.5)
            if isinstance(part, torch.nn.BatchNorm2d):
                last = name.endswith("project_bn")
                part.weight.copy_((gain if last else 1.0) * (1 + 0.1 * noise(part.weight)))
                part.bias.copy_(0.2 * noise(part.bias))
                mean, var = some(part.running_mean), some(part.running_var)
                mean.copy_(0.2 * noise(mean))
                var.copy_(0.5 * torch.exp(0.5 * noise(var)))
    return model.eval()


def align_config() -> transformers.AlignConfig:
    """A small ALIGN with all that B7 has: both kernels, both strides, both kinds of padding."""
    text = {
        "hidden_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 100,
        "max_position_embeddings": 24,
    }
    vision = {
        "image_size": 32,
        "width_coefficient": 0.6,
        "depth_coefficient": 0.6,
        "depth_divisor": 4,
        "kernel_sizes": [3, 5, 3, 5],
        "in_channels": [32, 16, 24, 40],
        "out_channels": [16, 24, 40, 40],
        "strides": [1, 2, 2, 1],
        "num_block_repeats": [3, 1, 2, 1],
        "expand_ratios": [1, 6, 4, 6],
        "depthwise_padding": [3],
        "hidden_dim": 24,
    }
    return transformers.AlignConfig(text_config=text, vision_config=vision, projection_dim=24)


@pytest.fixture(scope="session")
def clip_tokenizer() -> models.Tokenizer:
    return models.Tokenizer.train_clip(CAPTIONS, vocab_size=600, length=20)


@pytest.fixture(scope="session")
def bert_tokenizer() -> models.Tokenizer:
    return models.Tokenizer.train_bert(CAPTIONS, vocab_size=200, length=20)


@pytest.fixture(scope="session")
def clip_folder(
    tmp_path_factory: pytest.TempPathFactory, clip_tokenizer: models.Tokenizer
) -> Callable[..., tuple[torch.nn.Module, Path]]:
    """`clip_folder(**changes)`: a reference CLIP and the folder transformers wrote it to."""

    def make(**changes: Any) -> tuple[torch.nn.Module, Path]:
        torch.manual_seed(0)
        config = clip_config(**changes)
        size = clip_tokenizer.vocab_size
        config.text_config.vocab_size = size
        config.text_config.bos_token_id = clip_tokenizer.text_format.start
        config.text_config.eos_token_id = config.text_config.pad_token_id = size - 1
        model = randomise(transformers.CLIPModel(config))
        folder = tmp_path_factory.mktemp("clip")
        model.save_pretrained(folder)
        clip_tokenizer.save(folder)
        return model, folder

    return make


@pytest.fixture(scope="session")
def bert_folder(
    tmp_path_factory: pytest.TempPathFactory, bert_tokenizer: models.Tokenizer
) -> tuple[torch.nn.Module, Path]:
    """A reference BERT for masked language modelling, and its folder."""
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=bert_tokenizer.vocab_size,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=100,
        max_position_embeddings=24,
    )
    model = randomise(transformers.BertForMaskedLM(config))
    folder = tmp_path_factory.mktemp("bert")
    model.save_pretrained(folder)
    bert_tokenizer.save(folder)
    return model, folder


@pytest.fixture(scope="session")
def blip_tokenizer(bert_tokenizer: models.Tokenizer) -> models.Tokenizer:
    return bert_tokenizer.with_tokens("[DEC]", "[ENC]")


@pytest.fixture(scope="session")
def blip_folder(
    tmp_path_factory: pytest.TempPathFactory, blip_tokenizer: models.Tokenizer
) -> Callable[..., tuple[torch.nn.Module, Path]]:
    """`blip_folder("BlipFor...")`: a reference BLIP and the folder transformers wrote it to."""

    def make(name: str, image_size: int = 32, **of_vision: int) -> tuple[torch.nn.Module, Path]:
        torch.manual_seed(0)
        size, form = blip_tokenizer.vocab_size, blip_tokenizer.text_format
        text = {
            "vocab_size": size,
            "hidden_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 3,
            "intermediate_size": 100,
            "max_position_embeddings": 24,
            "bos_token_id": size - 2,
            "sep_token_id": form.end,
        }
        vision = {
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 120,
            "image_size": image_size,
            "patch_size": 8,
            "initializer_range": 0.02,
        } | of_vision
        config = transformers.BlipConfig(
            text_config=text, vision_config=vision, image_text_hidden_size=24
        )
        model = sharpen(randomise(getattr(transformers, name)(config)))
        folder = tmp_path_factory.mktemp("blip")
        model.save_pretrained(folder)
        blip_tokenizer.save(folder)
        return model, folder

    return make


@pytest.fixture(scope="session")
def align_folder(
    tmp_path_factory: pytest.TempPathFactory, bert_tokenizer: models.Tokenizer
) -> tuple[torch.nn.Module, Path]:
    """A reference ALIGN and its folder."""
    torch.manual_seed(0)
    config = align_config()
    config.text_config.vocab_size = bert_tokenizer.vocab_size
    model = randomise_convolutions(randomise(transformers.AlignModel(config)))
    model.temperature.data.fill_(0.05)
    folder = tmp_path_factory.mktemp("align")
    model.save_pretrained(folder)
    bert_tokenizer.save(folder)
    return model, folder
