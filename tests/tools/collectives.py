"""What devices tell each other, counted in a compiled program's text."""

import re
from typing import NamedTuple

KINDS = ("all-gather", "all-reduce", "reduce-scatter", "collective-permute", "all-to-all")
# `%name = type kind(`; the second half of an asynchronous pair is not counted again.
_OPERATION = re.compile(rf"^\s*(?:ROOT )?%?\S+ = (.*?) ({'|'.join(KINDS)})(?:-start)?\(")
_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\{\s*$")
_CALLED = re.compile(
    r"(?:body|condition|to_apply|calls|branch_computations)=\{?([^,}\s]+(?:, ?%[^,}\s]+)*)"
)


class Collective(NamedTuple):
    """One of them.

    Attributes:
        kind: one of `KINDS`.
        shape: of what comes out, as XLA writes it.
        loops: how many loops it stands in.
        groups: `replica_groups`, as XLA writes them.
        source: `op_name`, the scopes and primitives that it was made from.
    """

    kind: str
    shape: str
    loops: int
    groups: str
    source: str


def collectives(text: str) -> list[Collective]:
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

    def visit(name: str, loops: int) -> None:
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
                    )
                )
                continue
            deeper = loops + (" while(" in line)
            for called in _CALLED.findall(line):
                for each in called.split(","):
                    visit(each.strip().lstrip("%"), deeper)

    visit(entry, 0)
    return found


def _first(pattern: str, line: str) -> str:
    found = re.search(pattern, line)
    return found[1] if found else ""
