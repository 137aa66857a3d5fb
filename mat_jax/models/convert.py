"""Tensors of other libraries to ours and back, by a table that reads both ways.

A rule pairs a name in their files with the path in our model, `#` standing for the number of a
layer. Arrays differ by nothing but the order of their axes and by what is kept in one piece, so
a rule that turns them over can be turned back, and converting there and back gives the same bits.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Rule:
    """`ours = theirs.transpose(axes)`; without axes they are the same array.

    `part=(i, n)`: of theirs, ours is piece i of n equal ones along the first axis. `ones`: theirs
    has so many axes of length 1 in front of ours.
    """

    theirs: str
    ours: str
    axes: tuple[int, ...] | None = None
    part: tuple[int, int] = (0, 1)
    ones: int = 0

    def read(self, theirs: np.ndarray) -> np.ndarray:
        """Ours from theirs."""
        i, n = self.part
        tensor = theirs.reshape(theirs.shape[self.ones :])
        if n > 1:
            tensor = np.split(tensor, n)[i]
        return tensor.transpose(self.axes) if self.axes else tensor

    def write(self, ours: np.ndarray) -> np.ndarray:
        """Theirs from ours, or the piece of theirs that ours is."""
        turned = ours.transpose(np.argsort(self.axes)) if self.axes else ours
        return turned.reshape((1,) * self.ones + turned.shape)

    def shape(self, ours: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of theirs."""
        piece = self.write(np.broadcast_to(np.float32(0), ours)).shape
        return piece if self.part[1] == 1 else (self.part[1] * piece[0], *piece[1:])


@dataclass(frozen=True)
class Layout:
    """All there is to know about the tensors of a family's files.

    `ignored` are patterns of names that hold nothing a model needs: buffers, tied copies, heads
    of other tasks. `renamed` are patterns that some files spell differently, and how the rules do.
    `sizes` is what says how large tensors are to be, for messages. `counters` are pairs of
    endings: beside a tensor with the first, transformers looks for a whole number with the second;
    it decides nothing, so 0 is written.
    """

    rules: tuple[Rule, ...]
    ignored: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    sizes: str = "its config.json"
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


def fused(theirs: str, ours: str, joint: str = ".") -> list[Rule]:
    """Query, key and value, which they keep in one matrix."""
    parts = [(f"{ours}.{name}", (i, 3)) for i, name in enumerate("qkv")]
    return [
        *(Rule(f"{theirs}{joint}weight", f"{path}.kernel", (1, 0), part) for path, part in parts),
        *(Rule(f"{theirs}{joint}bias", f"{path}.bias", part=part) for path, part in parts),
    ]


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


def _openai_blocks(theirs: str, ours: str) -> list[Rule]:
    theirs, ours = f"{theirs}.resblocks.#", f"{ours}.blocks.#"
    return [
        *layer_norm(f"{theirs}.ln_1", f"{ours}.ln1"),
        *layer_norm(f"{theirs}.ln_2", f"{ours}.ln2"),
        *fused(f"{theirs}.attn.in_proj", f"{ours}.attn", "_"),
        *dense(f"{theirs}.attn.out_proj", f"{ours}.attn.o"),
        *dense(f"{theirs}.mlp.c_fc", f"{ours}.mlp.fc1"),
        *dense(f"{theirs}.mlp.c_proj", f"{ours}.mlp.fc2"),
    ]


def bert_text(theirs: str, ours: str) -> list[Rule]:
    """BERT without its head; its cross-attention, where it has one, is to an image."""
    layer, block = f"{theirs}.encoder.layer.#", f"{ours}.blocks.#"
    cross = f"{layer}.crossattention"
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
        *dense(f"{cross}.self.query", f"{block}.cross.attn.q"),
        *dense(f"{cross}.self.key", f"{block}.cross.attn.k"),
        *dense(f"{cross}.self.value", f"{block}.cross.attn.v"),
        *dense(f"{cross}.output.dense", f"{block}.cross.attn.o"),
        *layer_norm(f"{cross}.output.LayerNorm", f"{block}.cross.ln"),
        *dense(f"{layer}.intermediate.dense", f"{block}.mlp.fc1"),
        *dense(f"{layer}.output.dense", f"{block}.mlp.fc2"),
        *layer_norm(f"{layer}.output.LayerNorm", f"{block}.ln2"),
    ]


def mlm_head(theirs: str) -> list[Rule]:
    """The head that predicts words, without its table, which is the one of the embeddings."""
    return [
        *dense(f"{theirs}.transform.dense", "mlm.dense"),
        *layer_norm(f"{theirs}.transform.LayerNorm", "mlm.ln"),
        Rule(f"{theirs}.bias", "mlm.bias"),
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

# OpenAI's own files, and open_clip's.
CLIP_OPENAI = Layout(
    rules=(
        Rule("visual.class_embedding", "vision.cls"),
        Rule("visual.conv1.weight", "vision.patch.kernel", (2, 3, 1, 0)),
        Rule("visual.positional_embedding", "vision.pos"),
        *layer_norm("visual.ln_pre", "vision.ln_pre"),
        *_openai_blocks("visual.transformer", "vision"),
        *layer_norm("visual.ln_post", "vision.ln_post"),
        Rule("visual.proj", "vision_proj.kernel"),  # as we keep it, not as torch keeps weights
        Rule("token_embedding.weight", "text.tok"),
        Rule("positional_embedding", "text.pos"),
        *_openai_blocks("transformer", "text"),
        *layer_norm("ln_final", "text.ln_post"),
        Rule("text_projection", "text_proj.kernel"),
        Rule("logit_scale", "logit_scale"),
    ),
    ignored=("input_resolution", "context_length", "vocab_size", "attn_mask"),
    sizes="what its other tensors say",
)

BERT_MLM_HF = Layout(
    rules=(
        *bert_text("bert", "text"),
        *mlm_head("cls.predictions"),
    ),
    ignored=(
        r"bert\.embeddings\.position_ids",
        r"bert\.pooler\..*",
        r"cls\.seq_relationship\..*",
        r"cls\.predictions\.decoder\..*",  # tied to the word embeddings and to the bias
    ),
    renamed=((r"\.gamma$", ".weight"), (r"\.beta$", ".bias")),
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
        *bert_text("text_model", "text"),
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
    rules = {path: _translated(path, layout) for path in wanted}
    expected = {rule.theirs for rule in rules.values()}
    unread = sorted(names[name] for name in names.keys() - expected)
    missing = sorted(expected - names.keys())
    if unread or missing:
        complaints = [
            f"{len(group)} {what} ({', '.join(group[:3])}{', ...' if len(group) > 3 else ''})"
            for group, what in ((missing, "missing"), (unread, "unexpected"))
            if group
        ]
        raise ValueError(
            f"{source} does not fit {layout.sizes}, tensors are {' and '.join(complaints)}; check "
            f"that it is whole and the right one"
        )
    arrays = {}
    for path, rule in rules.items():
        tensor, shape = tensors[names[rule.theirs]], rule.shape(wanted[path])
        if tensor.shape != shape:
            raise ValueError(
                f"{source} does not fit {layout.sizes}: {names[rule.theirs]} has shape "
                f"{tensor.shape}, expected {shape}; check that it is whole and the right one"
            )
        arrays[path] = rule.read(tensor)
    return arrays


def to_theirs(arrays: Mapping[str, np.ndarray], layout: Layout) -> dict[str, np.ndarray]:
    """Their tensors (name: array) from our arrays (path: array): the inverse of `to_ours`."""
    pieces: dict[str, dict[int, np.ndarray]] = {}
    for path, array in arrays.items():
        rule = _translated(path, layout)
        pieces.setdefault(rule.theirs, {})[rule.part[0]] = rule.write(array)
    tensors = {
        name: parts[0] if len(parts) == 1 else np.concatenate([parts[i] for i in sorted(parts)])
        for name, parts in pieces.items()
    }
    for ending, counter in layout.counters:
        names = [name.removesuffix(ending) for name in tensors if name.endswith(ending)]
        tensors |= {name + counter: np.zeros((), np.int64) for name in names}
    return {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}


def _translated(path: str, layout: Layout) -> Rule:
    """The rule for one of our paths, the number of its layer filled in."""
    number = re.search(r"\.(\d+)\.", path)
    template = path if number is None else path.replace(number[0], ".#.")
    for rule in layout.rules:
        if rule.ours == template:
            theirs = rule.theirs.replace("#", number[1] if number else "")
            return replace(rule, theirs=theirs, ours=path)
    raise ValueError(f"no rule writes {path}; add one to mat_jax/models/convert.py")


def _renamed(name: str, layout: Layout) -> str:
    for pattern, usual in layout.renamed:
        name = re.sub(pattern, usual, name)
    return name
