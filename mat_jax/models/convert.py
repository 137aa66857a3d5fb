"""Tensors of other libraries to ours and back, by a table that reads both ways.

A rule pairs a name in their files with the path in our model, `#` standing for the number of a
layer. Arrays differ by nothing but the order of their axes, so a rule that turns them over can
be turned back, and converting there and back gives the same bits.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rule:
    """`ours = theirs.transpose(axes)`; without axes they are the same array."""

    theirs: str
    ours: str
    axes: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Layout:
    """All there is to know about the tensors of a family's files.

    `ignored` are patterns of names that hold nothing a model needs: buffers, tied copies, heads
    of other tasks. `renamed` are endings that older files spell differently. `counters` are pairs
    of endings: beside a tensor with the first, transformers looks for a whole number with the
    second; it decides nothing, so 0 is written.
    """

    rules: tuple[Rule, ...]
    ignored: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    counters: tuple[tuple[str, str], ...] = ()


def dense(theirs: str, ours: str) -> list[Rule]:
    """torch keeps weights `[outputs, inputs]`, we keep kernels `[inputs, outputs]`."""
    return [
        Rule(f"{theirs}.weight", f"{ours}.kernel", (1, 0)),
        Rule(f"{theirs}.bias", f"{ours}.bias"),
    ]


def layer_norm(theirs: str, ours: str) -> list[Rule]:
    """torch calls the scale a weight."""
    return [Rule(f"{theirs}.weight", f"{ours}.scale"), Rule(f"{theirs}.bias", f"{ours}.bias")]


def _clip_blocks(tower: str) -> list[Rule]:
    theirs, ours = f"{tower}_model.encoder.layers.#", f"{tower}.blocks.#"
    return [
        *layer_norm(f"{theirs}.layer_norm1", f"{ours}.ln1"),
        *layer_norm(f"{theirs}.layer_norm2", f"{ours}.ln2"),
        *dense(f"{theirs}.self_attn.q_proj", f"{ours}.attn.q"),
        *dense(f"{theirs}.self_attn.k_proj", f"{ours}.attn.k"),
        *dense(f"{theirs}.self_attn.v_proj", f"{ours}.attn.v"),
        *dense(f"{theirs}.self_attn.out_proj", f"{ours}.attn.o"),
        *dense(f"{theirs}.mlp.fc1", f"{ours}.mlp.fc1"),
        *dense(f"{theirs}.mlp.fc2", f"{ours}.mlp.fc2"),
    ]


def _bert_text(theirs: str, ours: str) -> list[Rule]:
    layer, block = f"{theirs}.encoder.layer.#", f"{ours}.blocks.#"
    return [
        Rule(f"{theirs}.embeddings.word_embeddings.weight", f"{ours}.tok"),
        Rule(f"{theirs}.embeddings.position_embeddings.weight", f"{ours}.pos"),
        Rule(f"{theirs}.embeddings.token_type_embeddings.weight", f"{ours}.type"),
        *layer_norm(f"{theirs}.embeddings.LayerNorm", f"{ours}.ln_emb"),
        *dense(f"{layer}.attention.self.query", f"{block}.attn.q"),
        *dense(f"{layer}.attention.self.key", f"{block}.attn.k"),
        *dense(f"{layer}.attention.self.value", f"{block}.attn.v"),
        *dense(f"{layer}.attention.output.dense", f"{block}.attn.o"),
        *layer_norm(f"{layer}.attention.output.LayerNorm", f"{block}.ln1"),
        *dense(f"{layer}.intermediate.dense", f"{block}.mlp.fc1"),
        *dense(f"{layer}.output.dense", f"{block}.mlp.fc2"),
        *layer_norm(f"{layer}.output.LayerNorm", f"{block}.ln2"),
    ]


def _conv(theirs: str, ours: str) -> list[Rule]:
    """From [outputs, colours, rows, columns] to [rows, columns, colours, outputs]."""
    return [
        Rule(f"{theirs}.weight", f"{ours}.kernel", (2, 3, 1, 0)),
        Rule(f"{theirs}.bias", f"{ours}.bias"),
    ]


def _conv_norm(theirs: str, parts: tuple[str, str], ours: str) -> list[Rule]:
    """A convolution without bias and the batch normalisation after it are one module of ours."""
    conv, norm = (f"{theirs}.{part}" for part in parts)
    statistics = [Rule(f"{norm}.{s}", f"{ours}.{s}") for s in ("running_mean", "running_var")]
    return [_conv(conv, ours)[0], *layer_norm(norm, ours), *statistics]


CLIP_HF = Layout(
    rules=(
        Rule("vision_model.embeddings.class_embedding", "vision.cls"),
        # From [outputs, colours, rows, columns] to [rows, columns, colours, outputs].
        Rule("vision_model.embeddings.patch_embedding.weight", "vision.patch.kernel", (2, 3, 1, 0)),
        Rule("vision_model.embeddings.position_embedding.weight", "vision.pos"),
        *layer_norm("vision_model.pre_layrnorm", "vision.ln_pre"),  # so spelt
        *_clip_blocks("vision"),
        *layer_norm("vision_model.post_layernorm", "vision.ln_post"),
        Rule("visual_projection.weight", "vision_proj.kernel", (1, 0)),
        Rule("text_model.embeddings.token_embedding.weight", "text.tok"),
        Rule("text_model.embeddings.position_embedding.weight", "text.pos"),
        *_clip_blocks("text"),
        *layer_norm("text_model.final_layer_norm", "text.ln_post"),
        Rule("text_projection.weight", "text_proj.kernel", (1, 0)),
        Rule("logit_scale", "logit_scale"),
    ),
    ignored=(r".*\.embeddings\.position_ids",),
)

BERT_MLM_HF = Layout(
    rules=(
        *_bert_text("bert", "text"),
        *dense("cls.predictions.transform.dense", "mlm.dense"),
        *layer_norm("cls.predictions.transform.LayerNorm", "mlm.ln"),
        Rule("cls.predictions.bias", "mlm.bias"),
    ),
    ignored=(
        r"bert\.embeddings\.position_ids",
        r"bert\.pooler\..*",
        r"cls\.seq_relationship\..*",
        r"cls\.predictions\.decoder\..*",  # tied to the word embeddings and to the bias
    ),
    renamed=((".gamma", ".weight"), (".beta", ".bias")),
)


_THEIRS, _OURS = "vision_model.encoder.blocks.#", "vision.blocks.#"
ALIGN_HF = Layout(
    rules=(
        *_conv_norm("vision_model.embeddings", ("convolution", "batchnorm"), "vision.stem"),
        *_conv_norm(f"{_THEIRS}.expansion", ("expand_conv", "expand_bn"), f"{_OURS}.expand"),
        *_conv_norm(
            f"{_THEIRS}.depthwise_conv", ("depthwise_conv", "depthwise_norm"), f"{_OURS}.depthwise"
        ),
        *_conv(f"{_THEIRS}.squeeze_excite.reduce", f"{_OURS}.down"),
        *_conv(f"{_THEIRS}.squeeze_excite.expand", f"{_OURS}.up"),
        *_conv_norm(f"{_THEIRS}.projection", ("project_conv", "project_bn"), f"{_OURS}.project"),
        *_bert_text("text_model", "text"),
        *dense("text_model.pooler.dense", "pooler"),
        *dense("text_projection", "text_proj"),
        Rule("temperature", "temp"),
    ),
    ignored=(r".*\.num_batches_tracked", r".*\.embeddings\.(position|token_type)_ids"),
    counters=((".running_var", ".num_batches_tracked"),),
)


def to_ours(
    tensors: Mapping[str, np.ndarray],
    layout: Layout,
    wanted: Mapping[str, tuple[int, ...]],
    *,
    source: str,
) -> dict[str, np.ndarray]:
    """Our arrays (path: array) from their tensors (name: array).

    Args:
        tensors: what a file holds.
        layout: the family's table.
        wanted: path and shape of each array the model needs.
        source: the file's name, for messages.

    Raises:
        ValueError: a tensor that no array takes, an array that no tensor fills, a wrong shape.
    """
    names: dict[str, str] = {}  # as the rules spell them: as the file does
    for name in tensors:
        if any(re.fullmatch(pattern, name) for pattern in layout.ignored):
            continue
        usual = _renamed(name, layout)
        if usual in names:
            raise ValueError(f"{source} holds {usual} twice, also as {name}; export it again")
        names[usual] = name
    expected = {}
    for path, shape in wanted.items():
        name, axes = _translated(path, layout)
        expected[name] = path, axes, tuple(shape[i] for i in _inverse(axes, len(shape)))
    unread = sorted(names[name] for name in names.keys() - expected.keys())
    missing = sorted(expected.keys() - names.keys())
    if unread or missing:
        complaints = [
            f"{len(group)} {what} ({', '.join(group[:3])}{', ...' if len(group) > 3 else ''})"
            for group, what in ((missing, "missing"), (unread, "unexpected"))
            if group
        ]
        raise ValueError(
            f"{source} does not fit its config.json, tensors are {' and '.join(complaints)}; check "
            f"that the two belong together"
        )
    arrays = {}
    for name, (path, axes, shape) in expected.items():
        tensor = tensors[names[name]]
        if tensor.shape != shape:
            raise ValueError(
                f"{source} does not fit its config.json: {names[name]} has shape {tensor.shape}, "
                f"expected {shape}; check that the two belong together"
            )
        arrays[path] = tensor.transpose(axes) if axes else tensor
    return arrays


def to_theirs(arrays: Mapping[str, np.ndarray], layout: Layout) -> dict[str, np.ndarray]:
    """Their tensors (name: array) from our arrays (path: array): the inverse of `to_ours`."""
    tensors = {}
    for path, array in arrays.items():
        name, axes = _translated(path, layout)
        tensors[name] = np.asarray(array.transpose(_inverse(axes, array.ndim)), order="C")
        for ending, counter in layout.counters:
            if name.endswith(ending):
                tensors[name.removesuffix(ending) + counter] = np.zeros((), np.int64)
    return tensors


def _translated(path: str, layout: Layout) -> tuple[str, tuple[int, ...] | None]:
    """Their name for one of our paths, and the axes of its rule."""
    number = re.search(r"\.(\d+)\.", path)
    template = path if number is None else path.replace(number[0], ".#.")
    for rule in layout.rules:
        if rule.ours == template:
            return rule.theirs.replace("#", number[1] if number else ""), rule.axes
    raise ValueError(f"no rule writes {path}; add one to mat_jax/models/convert.py")


def _inverse(axes: tuple[int, ...] | None, ndim: int) -> tuple[int, ...]:
    return tuple(range(ndim)) if axes is None else tuple(int(i) for i in np.argsort(axes))


def _renamed(name: str, layout: Layout) -> str:
    for old, new in layout.renamed:
        if name.endswith(old):
            return name.removesuffix(old) + new
    return name
