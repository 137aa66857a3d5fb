"""The notebooks of the checkout, as the site runs and shows them."""

import hashlib
import shutil

from building.checkout import ROOT, Made

NOTEBOOKS = ROOT / "notebooks"


def write() -> None:
    """Copy them to where Sphinx looks; what is there already and the same keeps its date."""
    folder = Made.folder / "notebooks"
    folder.mkdir(parents=True, exist_ok=True)
    for notebook in sorted(NOTEBOOKS.glob("*.ipynb")):
        there = folder / notebook.name
        Made.pages.add(there)
        if not there.exists() or there.read_bytes() != notebook.read_bytes():
            shutil.copyfile(notebook, there)


def package_state() -> str:
    """A digest of the package's code, of which what a notebook prints may depend."""
    found = hashlib.sha256()
    for file in sorted((ROOT / "mat_jax").rglob("*.py")):
        found.update(file.relative_to(ROOT).as_posix().encode() + file.read_bytes())
    return found.hexdigest()[:16]
