"""`import mat_jax` is quick: it loads nothing before something of it is used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mat_jax

HEAVY = {"orbax", "grain", "PIL", "tensorflow_datasets", "transformers", "tensorstore"}
SLOW = {"grain", "orbax", "tensorstore", "tensorflow_datasets", "transformers"}


def loaded(statement: str) -> set[str]:
    """The packages that a fresh process has loaded after a statement."""
    program = f"import sys; {statement}; print(sorted({{n.split('.')[0] for n in sys.modules}}))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(ast.literal_eval(done.stdout))


def test_the_package_alone_loads_nothing():
    found = loaded("import mat_jax")
    assert not found & (HEAVY | {"jax", "numpy", "flax"})


@pytest.mark.parametrize("name", ["attacks", "data", "models", "defenses", "Evaluation", "LoRA"])
def test_what_only_some_need_is_loaded_by_them(name):
    assert not loaded(f"import mat_jax; mat_jax.{name}") & SLOW


def test_every_name_is_there():
    for name in mat_jax.__all__:
        assert vars(mat_jax).get(name, getattr(mat_jax, name)) is getattr(mat_jax, name)
    assert set(mat_jax.__all__) == set(mat_jax._MODULES) <= set(dir(mat_jax))
    assert mat_jax.Experiment.__name__ == "Experiment" and callable(mat_jax.fit)
    with pytest.raises(AttributeError, match=r"mat_jax has no 'nothing'; it has Evaluation, "):
        mat_jax.nothing  # noqa: B018


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(mat_jax.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            module = f"{node.module}.{alias.name}"
            path = Path(mat_jax.__file__).parents[1] / module.replace(".", "/")
            there = path.is_dir() or path.with_suffix(".py").is_file()
            seen[alias.name] = module if there else node.module
    assert seen == mat_jax._MODULES
