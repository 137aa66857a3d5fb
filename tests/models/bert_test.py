"""BERT against transformers' BertForMaskedLM, on captions of different lengths with padding."""

import dataclasses

import jax
import numpy as np
import pytest
import torch
import transformers
from flax import nnx

from mat_jax import models
from mat_jax.models.formats.detection import from_hf
from mat_jax.types.arrays import Tokens
from tests.models.parity import loaded, run, to_hf, torch_ids
from tests.tools.narrow import host

TEXTS = ["a red ball lies on the sofa", "dogs", "two green boxes play in the blue field"]


@pytest.fixture(scope="module")
def pair(bert_folder):
    reference, folder = bert_folder
    return reference, *models.load(folder)


def logits(model, tokens):
    graph, state = nnx.split(model)
    return np.asarray(jax.jit(lambda state, t: nnx.merge(graph, state).logits(t))(state, tokens))


def error(reference, model, tokens):
    with torch.no_grad():
        theirs = reference(
            input_ids=torch.as_tensor(tokens.ids, dtype=torch.long),
            attention_mask=torch.as_tensor(tokens.mask, dtype=torch.long),
        ).logits.numpy()
    with jax.default_matmul_precision("highest"):
        ours = logits(model, tokens)
    return np.abs(ours - theirs)[tokens.mask].max()


def test_logits(pair):
    reference, model, tokenizer = pair
    assert error(reference, model, tokenizer(TEXTS)) < 2e-5


def test_shorter_padding_changes_nothing(pair):
    reference, model, tokenizer = pair
    tokens = tokenizer(TEXTS)
    cut = int(tokens.mask.sum(axis=1).max())
    short = Tokens(tokens.ids[:, :cut], tokens.mask[:, :cut])
    assert error(reference, model, short) < 2e-5


@pytest.mark.parametrize("changes", [{"heads": 4}, {"eps": 1e-3}], ids=["heads", "eps"])
def test_parity_notices_a_wrong_configuration(pair, changes):
    reference, model, tokenizer = pair
    config = dataclasses.replace(model.config, **changes)
    graph, _ = nnx.split(nnx.eval_shape(lambda: models.BertMLM(config, nnx.Rngs(0))))
    wrong = nnx.merge(graph, nnx.state(model))
    assert error(reference, wrong, tokenizer(TEXTS)) > 100 * 2e-5


def test_parity_notices_unmasked_padding(pair):
    reference, model, tokenizer = pair
    tokens = tokenizer(TEXTS)
    everything = Tokens(tokens.ids, np.ones_like(tokens.mask))
    reference_sees_padding = error(reference, model, everything)
    assert reference_sees_padding < 2e-5
    change = logits(model, everything) - logits(model, tokens)
    assert np.abs(change[tokens.mask]).max() > 100 * 2e-5


def test_config_reads_what_it_writes():
    config = models.BertConfig(width=96, heads=6, hidden=33, eps=1e-6)
    assert from_hf(to_hf(config)) == config


@pytest.mark.parametrize(
    "settings", [{"hidden_act": "relu"}, {"tie_word_embeddings": False}], ids=str
)
def test_other_kinds_of_bert_are_refused(settings):
    with pytest.raises(ValueError, match="is not a BERT's; expected"):
        from_hf({"model_type": "bert"} | settings)


@pytest.mark.slow
def test_bert_base(tmp_path):
    torch.manual_seed(0)
    reference = transformers.BertForMaskedLM(transformers.BertConfig()).eval()
    with torch.no_grad():
        for name, weight in reference.named_parameters():
            if name.endswith("bias"):
                weight.normal_(0.0, 0.02)
            elif name.endswith(("query.weight", "key.weight")):
                weight.mul_(3.0)  # or all tokens would be read alike
    reference.save_pretrained(tmp_path)
    config = models.BertConfig()
    model = loaded(tmp_path, config)
    ids = np.random.default_rng(0).integers(1000, 30522, (3, 35), dtype=np.int32)
    mask = np.arange(35)[None] < np.array([35, 20, 3])[:, None]
    tokens = Tokens(host(ids), host(mask))
    inputs = torch_ids(tokens)
    with torch.no_grad():
        hidden, logits = reference.bert(**inputs)[0].numpy(), reference(**inputs).logits.numpy()
    ours = run(lambda model, ids, mask: model.text(ids, mask)[0], model, *tokens)
    assert np.abs(ours - hidden)[tokens.mask].max() < 1e-4
    # Sums of 768 products, as large as these logits.
    assert error(reference, model, tokens) < 1e-4 * np.abs(logits).max()
