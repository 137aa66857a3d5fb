"""The site is built without a warning."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import DOCS, ROOT

EXTRA = all(
    importlib.util.find_spec(name) for name in ("sphinx", "myst_nb", "furo", "latex2mathml")
)


@pytest.mark.slow  # half a minute to a minute
@pytest.mark.skipif(not EXTRA, reason="the extra is missing: pip install -e '.[docs]'")
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    # Notebooks are run by their own tests.
    options = ["-q", "-W", "--keep-going", "-E", "-D", "nb_execution_mode=off"]
    line = [sys.executable, "-m", "sphinx", *options]
    run = subprocess.run(
        [*line, "-d", tmp_path / "trees", DOCS, tmp_path / "site"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    page = (tmp_path / "site/made/gallery/attacks/exhaustive.html").read_text()
    assert "<math" in page and "<mo>min</mo>" in page and "\\min" not in page
    start = (tmp_path / "site/start.html").read_text()
    assert re.search(r"<img [^>]*attack\.png", (tmp_path / "site/index.html").read_text())
    assert "mat-jax attack" in start


def test_the_extra_and_the_command_are_there() -> None:
    assert re.search(r'(?m)^docs = \[.*"sphinx', (ROOT / "pyproject.toml").read_text())
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"(?m)^docs: .*\n\t.*sphinx .*-W", makefile)
