"""What the parts hand each other has a type wherever it is handed on."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("mat_jax", "experiments", "benchmarks")
FILES = sorted(file for name in FOLDERS for file in (ROOT / name).rglob("*.py"))
PARTS = {"model", "tokenizer", "source", "defense", "batch"}


def untyped(path: Path) -> Iterator[str]:
    """Parameters named like a part, without a type or with `Any` for one."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        given = node.args
        for one in (*given.posonlyargs, *given.args, *given.kwonlyargs):
            kind = None if one.annotation is None else ast.unparse(one.annotation)
            if one.arg in PARTS and (kind is None or "Any" in kind.split(" | ")):
                yield f"{node.name}({one.arg}: {kind}), line {node.lineno}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_parts_have_types(path: Path) -> None:
    assert not list(untyped(path))
