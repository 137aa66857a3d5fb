"""Rewrites from a file, and from text models of transformers made here."""

import json
import sys

import pytest
import tokenizers
import torch
import transformers

from mat_jax.augment import rewriter
from mat_jax.augment.rewriter import first_line, from_file, from_model

CAPTIONS = ["a red dog runs", "one cat sleeps on the green grass near a house", "two birds"]
WORDS = sorted(
    set(" ".join([*CAPTIONS, rewriter.ASK, "Caption : In other words :"]).replace(".", "").split())
)


@pytest.fixture(scope="module", params=["gpt2", "t5"])
def folder(request, tmp_path_factory):
    """A model of random weights that goes on (GPT-2), or reads and writes (T5)."""
    vocabulary = {word: i for i, word in enumerate(["<pad>", "</s>", "<unk>", *WORDS])}
    backend = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    ends = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 1}
    torch.manual_seed(0)
    if request.param == "gpt2":
        config = transformers.GPT2Config(
            vocab_size=len(vocabulary), n_embd=16, n_layer=1, n_head=2, n_positions=120, **ends
        )
        model = transformers.GPT2LMHeadModel(config)
    else:
        config = transformers.T5Config(
            vocab_size=len(vocabulary),
            d_model=16,
            d_kv=8,
            d_ff=16,
            num_layers=1,
            num_heads=2,
            decoder_start_token_id=0,
            **ends,
        )
        model = transformers.T5ForConditionalGeneration(config)
    folder = tmp_path_factory.mktemp(request.param)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_caption_is_rewritten_as_if_alone(folder):
    """Captions of one call are of different lengths: what fills them up must not be read."""
    write = from_model(str(folder), top_p=0.0)
    together = write(CAPTIONS, [0, 1, 2])
    assert together == [write([caption], [5])[0] for caption in CAPTIONS]
    # A T5 of random weights may write the same of all, as with the oldest transformers.
    assert all(together) and (len(set(together)) > 1 or folder.name.startswith("t5"))


def test_what_is_drawn_follows_from_the_seed(folder):
    write = from_model(str(folder))
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    one, again, other = (write(CAPTIONS, seeds) for seeds in ([1, 2, 3], [1, 2, 3], [1, 2, 4]))
    assert one == again and one[:2] == other[:2] and one[2] != other[2]
    assert write(CAPTIONS[1:2], [2]) == one[1:2]  # and what else is asked makes no difference
    assert torch.rand(1) == expected  # drawing here moves no other draw


def test_ids_are_drawn_as_likely_as_they_are():
    shares = torch.tensor([0.5, 0.3, 0.2, 0.0])
    drawn = rewriter.gumbel(range(2000))(shares.log().expand(2000, 4)).argmax(1)
    found = torch.bincount(drawn, minlength=4) / 2000
    assert found[3] == 0
    assert (found - shares).abs().max() < 4 * (0.25 / 2000) ** 0.5  # four standard deviations


def test_a_file_of_rewrites(tmp_path):
    path = tmp_path / "rewrites.json"
    path.write_text(json.dumps({"A dog runs.": ["a running dog", "dog at a run"]}))
    find = from_file(path)
    assert find("a dog runs") == ["a running dog", "dog at a run"] and find("a cat") == []


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (None, FileNotFoundError, "no file of rewrites"),
        ("{", ValueError, "is not valid JSON"),
        ('["a"]', ValueError, "is not of the form"),
        ('{"a": "b"}', ValueError, "is not of the form"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, text, error, message):
    if text is not None:
        (tmp_path / "x.json").write_text(text)
    with pytest.raises(error, match=message):
        from_file(tmp_path / "x.json")


def test_without_torch_or_model(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="transformers has no text model"):
        from_model(str(tmp_path / "nowhere"))
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ValueError, match="needs torch .*: pip install torch, or give rewrites"):
        from_model("any")


def test_the_first_line_with_words():
    assert first_line('\n "..." \n "A dog runs." \nThat is it.') == "A dog runs."
    assert first_line(" \n ?!") == ""
