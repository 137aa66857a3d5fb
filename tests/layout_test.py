"""The listing is the architecture: imports go down, never round, and no function is its module."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "mat_jax"
# From top to bottom; those of one line may not import each other, save as `ASIDE` says.
FLOORS = (
    ("cli",),
    ("train",),
    ("evaluate",),
    ("augment", "defenses"),
    ("attacks",),
    ("models",),
    ("data",),
    ("types", "utils"),
)
FILES = sorted(PACKAGE.rglob("*.py"))


def floor(package: str) -> int:
    return next(number for number, names in enumerate(FLOORS) if package in names)


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> Iterator[str]:
    """Modules of ours that a file imports, wherever in it, also as a text for importlib."""
    modules = {module_of(file) for file in FILES}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mat_jax"):
            assert node.module is not None
            for name in node.names:
                inside = f"{node.module}.{name.name}"
                yield inside if inside in modules else node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("mat_jax"))
        elif isinstance(node, ast.Constant) and node.value in modules - {"mat_jax"}:
            yield node.value


def inner(path: Path) -> bool:
    """Below the top: its own `__init__` is the face of everything, on first use."""
    return path.parent != PACKAGE


def test_nothing_lies_loose_at_the_top() -> None:
    assert [path.name for path in PACKAGE.glob("*.py")] == ["__init__.py"]
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert folders == {name for names in FLOORS for name in names}


@pytest.mark.parametrize("path", [path for path in FILES if inner(path)], ids=module_of)
def test_imports_go_down(path: Path) -> None:
    own = module_of(path).split(".")[1]
    for module in imported(path):
        other = module.split(".")[1] if "." in module else None
        assert other is not None, f"{path} imports the face of the whole package"
        assert other == own or floor(other) > floor(own), f"{module} is not below {own}"


def test_no_circle() -> None:
    """Of modules, packages' faces included: depth first, a module met again is a circle."""
    below = {module_of(path): set(imported(path)) for path in filter(inner, FILES)}
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " > ".join((*above, module))
        if module in done:
            return
        for other in below.get(module, ()):
            visit(other, (*above, module))
        done.add(module)

    for module in below:
        visit(module, ())


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_nothing_is_named_like_its_module(path: Path) -> None:
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = {node.name for node in ast.parse(path.read_text()).body if isinstance(node, defined)}
    stem = path.stem if path.stem != "__init__" else path.parent.name
    assert stem not in names, f"{path} has {stem}: rename one of them"


@pytest.mark.parametrize("path", [path for path in FILES if path.stem == "__init__"], ids=module_of)
def test_a_face_exports_nothing_named_like_a_module_inside(path: Path) -> None:
    """`data.scenes` would be the package to one reader and a function to the next."""
    modules = {module_of(file) for file in FILES}
    inside = {name.rsplit(".", 1)[-1] for name in modules if name.startswith(f"{module_of(path)}.")}
    nodes = ast.walk(ast.parse(path.read_text()))
    for node in (node for node in nodes if isinstance(node, ast.ImportFrom)):
        for name in node.names:
            itself = f"{node.module}.{name.name}" in modules  # a module under its own name is fine
            exported = name.asname or name.name
            assert itself or exported not in inside, f"{exported} is also a module: rename it"
