"""All pages that are made, in one call."""

from pathlib import Path

from building import (
    attack_pages,
    checkout,
    defense_pages,
    faces,
    findings,
    notebook_pages,
    task_pages,
)


def write(folder: Path) -> None:
    """Write them to `folder`; pages that nothing makes any more go."""
    known = {*folder.rglob("*.md"), *folder.rglob("*.ipynb")} if folder.exists() else set()
    checkout.Made.folder = folder
    checkout.Made.pages.clear()
    parts = (checkout, attack_pages, defense_pages, task_pages, faces, findings, notebook_pages)
    for part in parts:
        part.write()
    for page in sorted(checkout.DOCS.rglob("*.md")):
        if not page.is_relative_to(
            checkout.DOCS / "made"
        ):  # what its links need is made before Sphinx looks
            checkout.relinked(page.read_text(encoding="utf-8"), page.parent)
    for page in known - checkout.Made.pages:
        page.unlink()
