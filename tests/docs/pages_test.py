"""The sources of the site are complete: pages in the contents, links, the registries' entries."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mat_jax.attacks import ATTACKS, ThreatModel
from mat_jax.attacks.cost import passes
from mat_jax.defenses.registry import DEFENSES
from mat_jax.evaluate.report import wording
from mat_jax.evaluate.tasks.registry import TASKS
from tests.docs.blocks import DOCS, HANDMADE, ROOT, blocks

sys.path.append(str(DOCS))

from building import checkout, defense_figures, docstrings, everything, faces, findings  # noqa: E402


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("site") / "made"
    before = checkout.Made.folder
    everything.write(folder)
    yield folder
    checkout.Made.folder = before


def pages(made: Path) -> dict[str, Path]:
    """Every page by its name inside the site."""
    own = {page.relative_to(DOCS).as_posix(): page for page in HANDMADE}
    return own | {f"made/{p.relative_to(made).as_posix()}": p for p in made.rglob("*.md")}


def anchors(text: str) -> set[str]:
    """The names that headings get, as GitHub and MyST make them."""
    heads = re.findall(r"(?m)^#+ (.*)$", re.sub(r"(?ms)^```.*?^```$", "", text))
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def test_every_page_is_in_the_contents(made: Path) -> None:
    notebooks = {f"made/{p.relative_to(made).as_posix()}": p for p in made.rglob("*.ipynb")}
    every = {Path(k).with_suffix("").as_posix(): p for k, p in (pages(made) | notebooks).items()}
    listed = {"index"}
    for name, page in every.items():
        for tree in re.findall(r"```{toctree}\n(.*?)```", page.read_text(), flags=re.DOTALL):
            for line in tree.splitlines():
                if line and not line.startswith(":"):
                    folder = Path("/", name).parent
                    listed.add((folder / line).as_posix().lstrip("/"))
    assert not listed - set(every), "listed, and there is no such page"
    loose = {name for name in set(every) - listed if "orphan: true" not in every[name].read_text()}
    assert not loose


def test_every_link_leads_somewhere(made: Path) -> None:
    every = pages(made)
    seen = 0
    for name, page in every.items():
        text = page.read_text(encoding="utf-8")
        if not name.startswith("made/"):
            text = checkout.relinked(text, page.parent)
        for link in checkout.links(text):
            if re.match(r"https?:", link):
                continue
            path, _, part = link.partition("#")
            there = (Path("/", name).parent / path).as_posix().lstrip("/") if path else name
            seen += 1
            if there.endswith(".md"):
                assert there in every, f"{name}: {link}"
                if part:
                    assert part in anchors(every[there].read_text()), f"{name}: {link}"
            else:
                file = made / there.removeprefix("made/") if there[:5] == "made/" else DOCS / there
                assert file.exists(), f"{name}: {link}"
    assert seen > 200


def test_a_link_to_nothing_is_refused() -> None:
    with pytest.raises(FileNotFoundError, match="mend the link"):
        checkout.relinked("[that](../nowhere.md)", ROOT / "docs")
    kept = "`[that](../nowhere.md)`\n\n```\n[that](../nowhere.md)\n```\n"
    assert checkout.relinked(kept, ROOT / "docs") == kept
    assert checkout.relinked("[`a]b`](guide.md#train)", DOCS) == "[`a]b`](/guide.md#train)"


def test_every_attack_has_its_entry(made: Path) -> None:
    listed = (made / "gallery/attacks.md").read_text()
    for name, attack in ATTACKS.items():
        text = (made / f"gallery/attacks/{name}.md").read_text()
        assert text.startswith(f"# {attack.title}\n\n`{name}`\n")
        assert attack.when and f"| when to use it | {attack.when} |" in text
        each = passes(name, ThreatModel())
        assert f"{each.image_forwards} forwards, {each.image_backwards} backwards" in text
        assert name == "none" or attack.source.partition("arXiv:")[0] in text
        run = rf'ATTACKS\["{name}"\]' if attack.random else rf"```\n(mat-jax .*|.*\n.*)[ ,]{name}\b"
        assert re.search(run, text), "its command"
        assert ("`threat.eps` | `2/255`" in text) == attack.on_images
        assert f"(/made/gallery/attacks/{name}.md)" in listed


def test_pictures_are_of_attacks_and_shown(made: Path) -> None:
    drawn = sorted((DOCS / "pictures").glob("*.png"))
    assert len(drawn) > 2
    for picture in drawn:
        text = (made / f"gallery/attacks/{picture.stem}.md").read_text()
        assert f"(/pictures/{picture.name})" in text
        assert picture.stat().st_size < 60_000


def test_every_task_has_its_picture(made: Path) -> None:
    assert {picture.stem for picture in (DOCS / "pictures/tasks").iterdir()} == set(TASKS)
    for name in TASKS:
        text = (made / f"gallery/tasks/{name}.md").read_text()
        assert f"(/pictures/tasks/{name}.png)" in text
        assert (DOCS / f"pictures/tasks/{name}.png").stat().st_size < 60_000


@pytest.mark.parametrize("name", DEFENSES)
def test_every_defence_has_its_figure_or_the_sentence_that_it_has_none(
    name: str, made: Path
) -> None:
    text = (made / f"gallery/defenses/{name}.md").read_text()
    if name not in defense_figures.RUNS:
        assert defense_figures.UNMEASURED in text
        return
    assert f"(/made/pictures/defenses/{name}.svg)" in text and "seeds" in text
    study, run = defense_figures.RUNS[name]
    beside, attacks = defense_figures.BESIDE[study]
    drawn = (made / f"pictures/defenses/{name}.svg").read_text()
    bars = re.findall(r"<title>(.*?), ([^,]*?): (\d+\.\d)(?: ± \d+\.\d)?</title>", drawn)
    found = {(model, attack): float(value) for model, attack, value in bars}
    titles = {"none": "clean"} | {one: wording.title(one) for one in attacks if one != "none"}
    expected = {}
    for one in (*beside, run):
        kept = [
            json.loads(file.read_text())
            for file in (ROOT / "experiments/study/results" / study).glob(f"{one}-[0-9]*.json")
        ]
        assert len(kept) == (1 if one.split("-")[1 if study == "main" else 0] == "none" else 3)
        for attack in attacks:
            rows = [each["attacks"][attack] for each in kept]
            figures = ("tr@1", "ir@1") if study == "main" else ("accuracy",)
            values = [row[figure] for row in rows for figure in figures]
            expected[kept[0]["title"], titles[attack]] = sum(values) / len(values)
    assert found == pytest.approx(expected, abs=0.0501)


def test_figures_are_of_defences_and_are_as_in_the_results() -> None:
    assert set(defense_figures.RUNS) < set(DEFENSES)
    table = (DOCS / "results.md").read_text()
    for name, (study, run) in defense_figures.RUNS.items():
        if study != "main":
            continue
        seeds = defense_figures.results(study, run)
        row = re.search(rf"(?m)^\| {re.escape(seeds[0]['title'])} \|.*$", table)
        assert row is not None, name
        for attack in defense_figures.BESIDE["main"][1]:
            assert str(defense_figures.over_seeds(seeds, attack)) in row[0], (name, attack)


def test_every_defence_has_its_entry(made: Path) -> None:
    listed = (made / "gallery/defenses.md").read_text()
    for name, one in DEFENSES.items():
        text = (made / f"gallery/defenses/{name}.md").read_text()
        assert text.startswith(f"# {name}\n")
        assert one.when and f"| when to use it | {one.when} |" in text
        if name != "FARELEAF":  # the sum of two that have theirs
            assert "$" in text, "a defence has its formula"
        for field in getattr(one.kind, "__dataclass_fields__", {}):
            if field != "_":
                assert re.search(rf"\| `{field}` \| `[^|]+` \| \S", text), f"{name}.{field}"
        assert f"(/made/gallery/defenses/{name}.md)" in listed


def test_every_task_has_its_entry(made: Path) -> None:
    for name in TASKS:
        assert f"--task {name} " in (made / f"gallery/tasks/{name}.md").read_text()


@pytest.mark.parametrize("face", faces.FACES)
def test_a_face_documents_all_that_it_exports(face: str, made: Path) -> None:
    import importlib

    text = (made / f"api/{face}.md").read_text()
    module = importlib.import_module(face)
    things = faces.exported(module)
    assert things
    for name in things:
        assert f"{face}.{name}" in text


def test_findings_have_figures_and_verdicts_of_the_results(made: Path) -> None:
    text = (made / "findings.md").read_text()
    study = (ROOT / "experiments/study/README.md").read_text()
    for head in re.findall(r"(?m)^#+ (.*)$", study):
        assert re.search(rf"(?m)^#+ {re.escape(head)}$", text)
    assert len(re.findall(r"(?m)^# ", text)) == 1
    for start, names in findings.SHOWN.items():
        assert re.search(rf"(?m)^## {re.escape(start)}", study), start
        for name in names:
            assert f"figures/{name}.svg" in text
    results = (ROOT / "experiments/study/results/README.md").read_text()
    counted = findings.verdicts(results)
    assert set(counted) == set("ABCDEFGHIJKL")
    claims = results[results.index("**A. ") :]
    assert sum(one["confirmed"] for one in counted.values()) == claims.count("| confirmed |")


def test_docstrings_are_taken_apart() -> None:
    def thing() -> None:
        r"""What it does.

        $$x^2$$

        Then more.

        Args:
            a, b: two things,
                one after another.
            c: `x: y`.

        Raises:
            ValueError: it is wrong.

        >>> thing()
        """

    doc = docstrings.read(thing)
    assert doc.text.startswith("What it does.\n\n$$\nx^2\n$$\n\nThen more.")
    assert doc.text.endswith("\n\n```pycon\n>>> thing()\n```")
    assert doc.entries == {"a, b": "two things, one after another.", "c": "`x: y`."}
    assert doc.raises == "ValueError: it is wrong." and doc.summary == "What it does."


def test_pages_by_hand_say_what_does_not_run() -> None:
    for page in HANDMADE:
        for block in blocks(page):
            assert block.mark in ("", "not run", "theirs"), f"{page.name}: {block.mark}"
