"""Pages of the checkout outside docs/, and links to them.

Markdown of the checkout becomes a page. A file of code becomes a page that shows it, a folder one
that lists it, a picture a copy. So each link of a document resolves inside the site.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
# Markdown outside docs/ that the site has, and under which name.
PAGES = {
    "ARCHITECTURE.md": "project/architecture",
    "CONTRIBUTING.md": "project/contributing",
    "CHANGELOG.md": "project/changes",
    "README.md": "project/readme",
    "experiments/README.md": "project/experiments",
    "experiments/study/README.md": "findings",
    "experiments/study/results/README.md": "results",
    "experiments/tables/README.md": "project/tables",
    "benchmarks/README.md": "project/benchmarks",
}
PICTURES = (".png", ".svg", ".jpg")
# A block of code, a link, or code in a line; what comes first hides what is in it.
LINK = re.compile(
    r"^(?P<ticks>```+).*?^(?P=ticks)$"
    r"|(?P<label>!?\[(?:`[^`\n]*`|[^\]`])*\])\((?P<target>[^)\s]+)\)"
    r"|``[^\n]*?``|`[^`\n]*`",
    re.DOTALL | re.MULTILINE,
)
LANGUAGES = {".py": "python", ".toml": "toml"}


class Made:
    """Where made pages go, and which there are by now."""

    folder = DOCS / "made"
    pages: set[Path] = set()  # noqa: RUF012


def links(text: str) -> Iterator[str]:
    """The targets of all links of a Markdown text, code left out."""
    yield from (match["target"] for match in LINK.finditer(text) if match["target"])


def relinked(text: str, folder: Path) -> str:
    """The text of a page that lies in `folder`, with links that the site can follow."""

    def one(match: re.Match[str]) -> str:
        if not match["target"]:  # code
            return match[0]
        return f"{match['label']}({target(match['target'], folder)})"

    return LINK.sub(one, text)


def target(link: str, folder: Path) -> str:
    """Where a link of a page leads inside the site; what it needs is made.

    Raises:
        FileNotFoundError: the link names no file of the checkout.
    """
    if re.match(r"[a-z]+:|#|/", link):
        return link
    path, _, part = link.partition("#")
    file = (folder / path).resolve()
    if file.is_relative_to(DOCS):
        inside = f"/{file.relative_to(DOCS).as_posix()}"
        return inside + (f"#{part}" if part else "")  # Sphinx says so if there is none
    if not file.exists():
        raise FileNotFoundError(f"{link}: there is no {file}; mend the link")
    name = file.relative_to(ROOT).as_posix()
    if file.is_dir() and f"{name}/README.md" in PAGES:
        name = f"{name}/README.md"
    if name in PAGES:
        return f"/made/{PAGES[name]}.md" + (f"#{part}" if part else "")
    if file.suffix == ".ipynb":
        return f"/made/notebooks/{file.name}"
    if file.suffix in PICTURES:
        return f"/made/{_copied(file, name)}"
    return f"/made/{_shown(file, name)}.md"


def write() -> None:
    """Write the pages of `PAGES`."""
    for name, page in PAGES.items():
        if page != "findings":
            source = ROOT / name
            put(page, one_title(relinked(source.read_text(encoding="utf-8"), source.parent)))


def one_title(text: str) -> str:
    """With all headings but the first a level lower, if several are of the first level."""
    parts = re.split(r"(?ms)(^```.*?^```$)", text)
    if sum(len(re.findall(r"(?m)^# ", part)) for part in parts[::2]) < 2:
        return text
    parts[::2] = [re.sub(r"(?m)^#(?=#* )", "##", part) for part in parts[::2]]
    return "".join(parts).replace("##", "#", 1)


def put(page: str, text: str) -> None:
    """Write a made page, but only if it has changed, so that Sphinx reads it only then."""
    file = Made.folder / f"{page}.md"
    Made.pages.add(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        file.write_text(text, encoding="utf-8")


def drawn(name: str, text: str) -> str:
    """A link to a picture that was drawn for a page, which is written."""
    file = Made.folder / "pictures" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        file.write_text(text, encoding="utf-8")
    return f"/made/pictures/{name}"


def _copied(file: Path, name: str) -> str:
    there = Made.folder / "pictures" / name
    there.parent.mkdir(parents=True, exist_ok=True)
    if not there.exists() or there.stat().st_mtime < file.stat().st_mtime:
        shutil.copy2(file, there)
    return f"pictures/{name}"


def shown(file: str) -> str:
    """A link to the page that shows a file of the checkout."""
    path = Path(file).resolve()
    return f"/made/{_shown(path, path.relative_to(ROOT).as_posix())}.md"


def _shown(file: Path, name: str) -> str:
    """A page with a file of code, or with what a folder holds."""
    page = f"source/{name.rstrip('/')}"
    if Made.folder / f"{page}.md" in Made.pages:
        return page
    if file.is_dir():
        inside = [
            one
            for one in sorted(file.iterdir())
            if one.is_file() and one.suffix in (*LANGUAGES, ".ipynb") and one.name != "__init__.py"
        ]
        lines = [f"- [`{one.name}`]({target(one.name, file)})" for one in inside]
        body = "\n".join(lines)
    else:
        fence = "`" * 8
        code = file.read_text(encoding="utf-8").rstrip()
        body = f"{fence}{LANGUAGES.get(file.suffix, 'text')}\n{code}\n{fence}"
    put(page, f"---\norphan: true\n---\n\n# `{name}`\n\n{body}\n")
    return page
