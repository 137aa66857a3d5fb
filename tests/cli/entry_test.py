"""`mat-jax`: its help fits a screen, wrong names get the right one, lists are the registries'."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mat_jax import defenses
from mat_jax.attacks import ATTACKS, ThreatModel
from mat_jax.attacks.cost import passes
from mat_jax.attacks.ensembles import ENSEMBLES
from mat_jax.cli import main
from mat_jax.cli.commands import COMMANDS, subcommand
from mat_jax.cli.completion import bash, fish, offered
from mat_jax.cli.defenses import every
from mat_jax.cli.models import SCORES
from mat_jax.evaluate.tasks.registry import TASKS
from mat_jax.models.files import SHIPPED

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("line", ["", *COMMANDS])
def test_help_fits_a_screen_and_has_an_example(line, capsys):
    try:
        assert main([*line.split(), "--help"]) == 0
    except SystemExit as end:  # argparse's own way out of --help
        assert not end.code
    said = capsys.readouterr().out.splitlines()
    assert len(said) <= 32
    assert max(map(len, said)) <= 100
    assert any(one.startswith("  mat-jax") or "$(mat-jax" in one for one in said)


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("atack", "'attack'"),
        ("attack x.jpg hello --atack sga", "'--attack'"),
        ("attack x.jpg hello --attack sgaa", "'sga'"),
        ("evaluate --model scenes-clip --out OUT --task vqq", "'vqa'"),
        ("evaluate --model scenes-clip --out OUT --suite quik", "'quick'"),
        ("evaluate --model scenes-clp --out OUT --limit 2", "'scenes-clip'"),
        ("evaluate --modle scenes-clip --out OUT", "'--model'"),
        ("train --mseh 1", "'--mesh'"),
        ("augment --out OUT --how randog", "'randaug'"),
        ("attacks co-atack", "'co_attack'"),
        ("defenses TeCoAIT", "'TeCoAITR'"),
        ("tasks retrieva", "'retrieval'"),
        ("data chck x", "'check'"),
        ("completion bsh", "'bash'"),
    ],
)
def test_a_wrong_name_gets_the_nearest_right_one(line, right, tmp_path, capsys):
    assert main(line.replace("OUT", str(tmp_path / "out")).split()) == 2
    said = capsys.readouterr().err
    (error,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert f"did you mean {right}" in error and said.splitlines()[-1] == error


def test_a_name_like_none_gets_none(capsys):
    assert main(["xyzzy"]) == 2
    said = capsys.readouterr().err
    assert "did you mean" not in said and "choose from attack, " in said


def test_lists_are_those_of_the_registries(capsys):
    assert main(["attacks"]) == 0
    table = capsys.readouterr().out
    for name, attack in ATTACKS.items():
        line = next(one for one in table.splitlines() if one.split()[:1] == [name])
        each = passes(name, ThreatModel())
        assert f" {each.image_forwards}+{each.image_backwards}, " in line
        assert ("pictures" in line) == attack.on_images
    assert main(["attacks", "--task", "zero_shot"]) == 0
    listed = {line.split()[0] for line in capsys.readouterr().out.splitlines()[1:] if line.strip()}
    assert "pgd_ce" in listed and "sga" not in listed
    assert main(["tasks"]) == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]} == set(TASKS)
    assert main(["defenses"]) == 0
    table = capsys.readouterr().out
    assert all(f"\n{name} " in table for name, _ in every())


def test_every_defence_has_its_paper_and_its_cost():
    """A plain step costs 1, and TeCoA-ITR (2 steps of PGD on the picture) 1 + 2/3 * 2 / 2."""
    bases = {"Defense", "ImageDefense"}
    exported = {
        name: one
        for name, one in vars(defenses).items()
        if isinstance(one, type) and issubclass(one, defenses.Defense) and name not in bases
    }
    line = dict(every())
    assert line == exported
    assert line["FineTune"] is defenses.FineTune
    from mat_jax.cli.defenses import cost

    assert float(cost(defenses.FineTune)) == 1.0
    steps = defenses.TeCoAITR().steps
    assert float(cost(defenses.TeCoAITR)) == pytest.approx((6 + 2 * steps) / 6, abs=0.051)


def test_models_are_those_shipped_and_score_what_the_guide_says(capsys):
    assert set(SCORES) == {path.name for path in SHIPPED.iterdir() if path.is_dir()}
    guide = " ".join((ROOT / "docs/guide.md").read_text().split())
    for name, (_, score) in SCORES.items():
        told = score.removeprefix("TR@1 / IR@1 ").removeprefix("20 % of its captions ")
        assert score == "-" or told in guide, name
    assert main(["models"]) == 0
    said = capsys.readouterr().out
    size = (SHIPPED / "scenes-bert" / "model.safetensors").stat().st_size
    assert f"{size / 1e6:.1f} MB" in said


def test_completion_offers_what_the_parsers_have():
    found = offered()
    assert set(found) == set(COMMANDS)
    for command, options in found.items():
        known = subcommand(command).parser().options
        assert {name for name in options if name} == {o for o in known if o.startswith("--")}
    assert found["evaluate"]["--task"] == tuple(TASKS)
    lines = fish().splitlines()
    assert all(line.startswith("complete -c mat-jax ") for line in lines)
    assert sum("__fish_seen_subcommand_from attack" in line for line in lines) > 10


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes(tmp_path):
    script = tmp_path / "mat-jax.sh"
    script.write_text(bash())

    def completed(*words: str) -> set[str]:
        line = " ".join(f"'{word}'" for word in words)
        program = (
            f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _mat_jax; "
            'echo "${COMPREPLY[@]}"'
        )
        done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
        return set(done.stdout.split())

    assert completed("mat-jax", "at") == {"attack", "attacks"}
    assert completed("mat-jax", "evaluate", "--task", "v") == {"vqa"}
    assert completed("mat-jax", "attack", "--ep") == {"--eps"}
    assert completed("mat-jax", "attacks", "co_attack_") == {"co_attack_fused"}


def test_the_documents_show_options_that_there_are():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    lines = [line for page in pages for line in page.read_text().splitlines()]
    shown = [line.strip().strip("`").split() for line in lines if line.startswith("mat-jax ")]
    assert len(shown) > 5
    for _, command, *words in shown:
        known = subcommand(command).parser().options
        assert {word for word in words if word.startswith("--")} <= set(known), words


def test_a_suite_is_listed_for_the_tasks_that_take_it(capsys):
    assert main(["attacks", "--task", "zero_shot"]) == 0
    suites = capsys.readouterr().out.split("attacks, each on what still stands")[1]
    for name, members in ENSEMBLES.items():
        made = any(TASKS["zero_shot"].allows(one.attack) for one in members)
        assert bool(re.search(rf"^{name} ", suites, flags=re.MULTILINE)) == made
