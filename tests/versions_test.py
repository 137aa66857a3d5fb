"""What is allowed, what is tried, and what is told of the version."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def lowest() -> dict[str, str]:
    """Package -> the lower bound of pyproject.toml."""
    found = {}
    for text in PROJECT["dependencies"]:
        name, bound = re.split(r">=", text.split(",")[0])
        found[name] = bound
    return found


def test_the_oldest_packages_are_those_that_are_allowed():
    lines = (ROOT / "tests/oldest.txt").read_text().splitlines()
    oldest = dict(line.split("==") for line in lines if not line.startswith("#"))
    for name, bound in lowest().items():
        if name == "importlib_resources":  # no version of it was ever a matter
            continue
        assert f"{oldest[name]}.".startswith(f"{bound}."), name
    assert oldest["jaxlib"] == oldest["jax"]


def test_the_forge_runs_the_commands_of_the_makefile():
    workflow = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    jobs = workflow["jobs"]
    commands = [one["command"] for one in jobs["test"]["strategy"]["matrix"]["include"]]
    commands += [step["run"] for step in jobs["wheel"]["steps"] if "run" in step]
    assert {command.removeprefix("make ") for command in commands} <= set(targets)
    assert {"make test", "make test-oldest", "make test-newest", "make wheel"} == set(commands)


def test_a_citation_has_what_the_format_asks_for():
    """The required keys of citation-file-format 1.2.0."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert cited["cff-version"] == "1.2.0" and cited["license"] == PROJECT["license"]


def test_annotations_are_for_others_too():
    assert (ROOT / "mat_jax/py.typed").is_file()
