"""The conversion tables read both ways, and say what does not fit."""

import numpy as np
import pytest

from mat_jax.models.formats import rules
from mat_jax.models.formats.layouts import (
    ALBEF_ORIGINAL,
    ALIGN_HF,
    BERT_MLM_HF,
    BLIP_HF,
    BLIP_ORIGINAL,
    CLIP_HF,
    CLIP_OPENAI,
)
from mat_jax.models.formats.rules import Layout, Rule, fused

LAYOUT = Layout(
    rules=(
        Rule("layers.#.weight", "blocks.#.kernel", (1, 0)),
        Rule("patch", "patch", (2, 3, 1, 0)),
        Rule("norm.weight", "norm.scale"),
        *fused("layers.#.qkv", "blocks.#", "_"),
        *(Rule("qk.weight", f"{name}.kernel", (1, 0), (i, 2)) for i, name in enumerate("qk")),
        Rule("token", "token", ones=2),
        Rule("temp", "temp"),
    ),
    ignored=(r"buffer\..*",),
    renamed=((r"\.gamma$", ".weight"),),
)
WANTED = {
    "blocks.0.kernel": (3, 2),
    "blocks.10.kernel": (3, 2),
    "patch": (4, 4, 3, 5),
    "norm.scale": (3,),
    **{f"blocks.10.{name}.kernel": (5, 2) for name in "qkv"},
    **{f"blocks.10.{name}.bias": (2,) for name in "qkv"},
    "q.kernel": (3, 2),
    "k.kernel": (3, 2),
    "token": (5,),
    "temp": (),
}


def tensors():
    rng = np.random.default_rng(0)
    shapes = {
        "layers.0.weight": (2, 3),
        "layers.10.weight": (2, 3),
        "patch": (5, 3, 4, 4),
        "norm.weight": (3,),
        "layers.10.qkv_weight": (6, 5),
        "layers.10.qkv_bias": (6,),
        "qk.weight": (4, 3),
        "token": (1, 1, 5),
        "temp": (),
    }
    return {name: np.asarray(rng.normal(size=shape), np.float32) for name, shape in shapes.items()}


def test_axes_are_turned():
    theirs = tensors()
    ours = rules.to_ours(theirs, LAYOUT, WANTED, source="file")
    np.testing.assert_array_equal(ours["blocks.10.kernel"], theirs["layers.10.weight"].T)
    assert ours["patch"][1, 2, 0, 4] == theirs["patch"][4, 0, 1, 2]


def test_fused_tensors_are_taken_apart():
    theirs = tensors()
    ours = rules.to_ours(theirs, LAYOUT, WANTED, source="file")
    np.testing.assert_array_equal(ours["blocks.10.k.kernel"], theirs["layers.10.qkv_weight"][2:4].T)
    np.testing.assert_array_equal(ours["blocks.10.v.bias"], theirs["layers.10.qkv_bias"][4:])


def test_pieces_are_cut_and_joined():
    theirs = tensors()
    ours = rules.to_ours(theirs, LAYOUT, WANTED, source="file")
    np.testing.assert_array_equal(ours["k.kernel"], theirs["qk.weight"][2:].T)
    np.testing.assert_array_equal(ours["token"], theirs["token"][0, 0])


def test_there_and_back_gives_the_same_bits():
    theirs = tensors()
    back = rules.to_theirs(rules.to_ours(theirs, LAYOUT, WANTED, source="file"), LAYOUT)
    assert back.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert back[name].tobytes() == tensor.tobytes()


def test_ignored_and_renamed_tensors():
    theirs = tensors()
    theirs["norm.gamma"] = theirs.pop("norm.weight")
    theirs["buffer.position_ids"] = np.arange(3)
    ours = rules.to_ours(theirs, LAYOUT, WANTED, source="file")
    assert ours.keys() == WANTED.keys()


def drop(theirs):
    del theirs["layers.10.weight"]


def add(theirs):
    theirs["layers.11.weight"] = theirs["layers.0.weight"]


def reshape(theirs):
    theirs["patch"] = theirs["patch"][:, :, :2]


def lengthen(theirs):
    theirs["layers.10.qkv_bias"] = np.zeros(7, np.float32)


def cut(theirs):
    theirs["qk.weight"] = theirs["qk.weight"][:3]


def twice(theirs):
    theirs["norm.gamma"] = theirs["norm.weight"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (drop, r"file does not fit its config.json, tensors are 1 missing \(layers.10.weight\)"),
        (add, r"1 unexpected \(layers.11.weight\)"),
        (reshape, r"patch has shape \(5, 3, 2, 4\), expected \(5, 3, 4, 4\)"),
        (lengthen, r"layers.10.qkv_bias has shape \(7,\), expected \(6,\)"),
        (cut, r"qk.weight has shape \(3, 3\), expected \(4, 3\)"),
        (twice, r"file holds norm.weight twice, also as norm.gamma"),
    ],
)
def test_what_does_not_fit_is_named(damage, message):
    theirs = tensors()
    damage(theirs)
    with pytest.raises(ValueError, match=message):
        rules.to_ours(theirs, LAYOUT, WANTED, source="file")


def test_an_array_without_a_rule_is_not_lost():
    with pytest.raises(ValueError, match=r"no rule writes extra.kernel"):
        rules.to_theirs({"extra.kernel": np.zeros(1)}, LAYOUT)


LAYOUTS = {
    "clip": CLIP_HF,
    "openai clip": CLIP_OPENAI,
    "bert": BERT_MLM_HF,
    "align": ALIGN_HF,
    "albef": ALBEF_ORIGINAL,
    "blip": BLIP_HF,
    "original blip": BLIP_ORIGINAL,
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_no_two_rules_share_a_name(layout):
    assert len({(rule.theirs, rule.part) for rule in layout.rules}) == len(layout.rules)
    assert len({rule.ours for rule in layout.rules}) == len(layout.rules)
    assert all(rule.theirs.count("#") == rule.ours.count("#") for rule in layout.rules)
