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


def conv(theirs: str, ours: str) -> list[Rule]:
    """From [outputs, colours, rows, columns] to [rows, columns, colours, outputs]."""
    return [
        Rule(f"{theirs}.weight", f"{ours}.kernel", (2, 3, 1, 0)),
        Rule(f"{theirs}.bias", f"{ours}.bias"),
    ]


def fused(theirs: str, ours: str, joint: str = ".") -> list[Rule]:
    """Query, key and value, which they keep in one matrix."""
    parts = [(f"{ours}.{name}", (i, 3)) for i, name in enumerate("qkv")]
    return [
        *(Rule(f"{theirs}{joint}weight", f"{path}.kernel", (1, 0), part) for path, part in parts),
        *(Rule(f"{theirs}{joint}bias", f"{path}.bias", part=part) for path, part in parts),
    ]


def block(theirs: str, ours: str, norms: tuple[str, str], layers: Mapping[str, str]) -> list[Rule]:
    """The two normalisations of a transformer block, and its dense layers (theirs: ours)."""
    pairs = zip(norms, ("ln1", "ln2"), strict=True)
    return [
        *(rule for a, b in pairs for rule in layer_norm(f"{theirs}.{a}", f"{ours}.{b}")),
        *(rule for a, b in layers.items() for rule in dense(f"{theirs}.{a}", f"{ours}.{b}")),
    ]


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
    raise ValueError(f"no rule writes {path}; add one to mat_jax/models/formats/layouts.py")


def _renamed(name: str, layout: Layout) -> str:
    for pattern, usual in layout.renamed:
        name = re.sub(pattern, usual, name)
    return name
