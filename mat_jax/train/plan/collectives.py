"""What devices tell each other, counted in a compiled program's text."""

import math
import re
from typing import NamedTuple

KINDS = ("all-gather", "all-reduce", "reduce-scatter", "collective-permute", "all-to-all")
# `%name = type kind(`; the second half of an asynchronous pair is not counted again.
_OPERATION = re.compile(rf"^\s*(?:ROOT )?%?\S+ = (.*?) ({'|'.join(KINDS)})(-start)?\(")
_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\{\s*$")
_CALLED = re.compile(
    r"(?:body|condition|to_apply|calls|branch_computations)=\{?([^,}\s]+(?:, ?%[^,}\s]+)*)"
)
_ARRAY = re.compile(r"\b(pred|[suf]\d+|bf16)\[([\d,]*)\]")


class Collective(NamedTuple):
    """One of them.

    Attributes:
        kind: one of `KINDS`.
        shape: of what comes out, as XLA writes it.
        loops: how many loops it stands in.
        groups: `replica_groups`, as XLA writes them.
        source: `op_name`, the scopes and primitives that it was made from.
        times: how often it happens, where XLA knows the turns of its loops.
        started: the first half of an asynchronous pair.
    """

    kind: str
    shape: str
    loops: int
    groups: str
    source: str
    times: int = 1
    started: bool = False

    @property
    def size(self) -> int:
        """Bytes of what comes out, on each device."""
        sizes = [_size(*found) for found in _ARRAY.findall(self.shape)]
        # An asynchronous gather or shift returns what went in beside what comes out.
        pair = self.started and self.kind != "all-reduce"
        return max(sizes, default=0) if pair else sum(sizes)

    def sent(self, devices: int) -> float:
        """Bytes a device sends for it each time, round the ring of its group.

        Args:
            devices: of the mesh, which are one group where XLA names none.
        """
        group = _group(self.groups) or devices
        share = (group - 1) / group
        factor = {
            "all-gather": share, "all-to-all": share, "all-reduce": 2 * share,
            "reduce-scatter": float(group - 1), "collective-permute": 1.0,
        }  # fmt: skip
        return self.size * factor[self.kind]


def collectives_in(text: str) -> list[Collective]:
    """All of a program, from `compiled.as_text()`.

    XLA for TPU overlaps a gather with several computations, and writes it into each of them with
    the same `chain_id`. It counts once.
    """
    bodies: dict[str, list[str]] = {}
    entry, name = "", ""
    for line in text.splitlines():
        if named := _COMPUTATION.match(line):
            name = named[1]
            bodies[name] = []
            entry = name if line.startswith("ENTRY") else entry
        elif name:
            bodies[name].append(line)
    found: list[Collective] = []
    chains: set[str] = set()

    def visit(name: str, loops: int, times: int) -> None:
        for line in bodies.get(name, []):
            if made := _OPERATION.match(line):
                chain = _first(r'chain_id="(.*?)"', line)
                if chain in chains - {""}:
                    continue
                chains.add(chain)
                found.append(
                    Collective(
                        made[2],
                        made[1],
                        loops,
                        _first(r"replica_groups=(\{\{.*?\}\}|\[.*?\]<=\[.*?\](?:T\(.*?\))?)", line),
                        _first(r'op_name="(.*?)"', line),
                        times,
                        bool(made[3]),
                    )
                )
                continue
            loop = " while(" in line
            turns = int(_first(r'known_trip_count"?:\{"n":"(\d+)"', line) or 1) if loop else 1
            for called in _CALLED.findall(line):
                for each in called.split(","):
                    visit(each.strip().lstrip("%"), loops + loop, times * turns)

    visit(entry, 0, 1)
    return found


def _first(pattern: str, line: str) -> str:
    found = re.search(pattern, line)
    return found[1] if found else ""


def _size(kind: str, dimensions: str) -> int:
    """Bytes of an array as XLA writes it: `f32[256,512]`."""
    bits = 8 if kind == "pred" else int(re.sub(r"\D", "", kind))
    return math.prod(int(one) for one in dimensions.split(",") if one) * bits // 8


def _group(groups: str) -> int:
    """Devices of a group: of `{{0,1},{2,3}}` two, of `[2,4]<=[8]` four, 0 where none is named."""
    if groups.startswith("{{"):
        return groups[2:].split("}")[0].count(",") + 1
    found = re.match(r"\[(?:\d+,)*(\d+)\]<=", groups)
    return int(found[1]) if found else 0
