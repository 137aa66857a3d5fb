"""The notebooks of the checkout, as the site runs and shows them."""

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
