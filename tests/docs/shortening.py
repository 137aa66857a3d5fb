"""How a command of the pages is run here: its program as a function, with what makes it short.

What is added or changed is in the tables below. All else of a command is as it stands on its page.
"""

import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.few_shot import study as few_shot
from experiments.staged import stages
from experiments.staged import study as staged
from experiments.study import carry, studies
from experiments.tables import __main__ as tables
from mat_jax import cli, data
from mat_jax.attacks import ensembles
from mat_jax.train import experiment, run
from mat_jax.utils import processes
from tests.docs.stand_ins import OF_TASK

# Words of a command that name what only other machines have -> what they are here.
CHANGED = {
    "FILE": "tests/toy_experiment.py",
    "/shared/run": "shared/run",
    "/tmp/run": "tmp/run",
    "set:oxford_pets": "set:oxford_pets=pets",
    "data=4,fsdp=2": "data=2,fsdp=2",  # four pictures a batch
    # Each attack runs alone in gallery_test.py; here nine pairs of models would take minutes.
    "none,fgsm,pgd,apgd,apgd_margin,square,bert_attack,leaf,sep,vlp_attack,co_attack,dra,sa_aet,"
    "sga,sga_plain,exhaustive": "none,fgsm,bert_attack,co_attack",
    "--test mmcoa": "cifar100=cifar-100-python",  # the sets of TFDS are gigabytes
}
LEFT_OUT = {"--meteor": 2, "--spice": 2}  # options with so many words: Java's programs
# Program -> options that make it short; what comes later on a command line wins.
SHORT = {
    "evaluate": "--limit 2 --steps 1 --checks 0 --batch-size 2",
    "attack": "--steps 1",
    "augment": "--limit 2",
    "train": "--mesh 1",
    "experiments.few_shot": "--limit 2 --steps 1 --shots 1,full --defenses mmcoa "
    "--set steps=1 batch_size=4 pgd_steps=1 targets=classes",
    "experiments.staged.study": "--seeds 1 --arms short --results staged",
    "experiments.study": "--seeds 1 --results found",
}
# Settings of an experiment, where it has them and the page does not give them.
SMALL: dict[str, Any] = {
    "root": "data",
    "image_size": 16,
    "width": 32,
    "text_width": 32,
    "embed": 16,
    "warmup": 0,
}
SMALL |= {f"{tower}{name}": 1 for tower in ("", "text_") for name in ("layers", "heads")}
# The same, whatever the page gives.
FEW = {"steps": 1, "batch_size": 4, "limit": 4, "scenes": 16}
DRAWN = 16  # scenes that are drawn at most


def program(words: Sequence[str]) -> tuple[str, list[str]]:
    """The name of a program, `evaluate` or `experiments.study`, and its arguments."""
    if words[0] == "mat-jax":
        return words[1], list(words[2:])
    if words[:2] == ["python", "-m"]:
        return words[2].removeprefix("mat_jax."), list(words[3:])
    return words[0], list(words[1:])


def main_of(name: str) -> Callable[[Sequence[str]], int]:
    """The function of a program."""
    if "." not in name and name in cli.commands.COMMANDS:
        return lambda arguments: cli.main([name, *arguments])
    full = name if name.startswith("experiments.") else f"mat_jax.{name}"
    found = importlib.import_module(full)
    if not hasattr(found, "main"):
        inside = "command" if full == "experiments.study" else "__main__"
        found = importlib.import_module(f"{full}.{inside}")
    return found.main


def asks(arguments: Sequence[str], option: str) -> str | None:
    """What is given with an option, the first word of it."""
    if option not in arguments:
        return None
    place = list(arguments).index(option) + 1
    return arguments[place] if place < len(arguments) else ""


def needs(name: str, arguments: Sequence[str]) -> dict[str, str]:
    """What stands under a name for this command alone: models, or what other commands wrote."""
    if name == "experiments.tables.across":
        return {"DIR": "across"}
    if name != "evaluate":
        return {}
    task = asks(arguments, "--task") or "retrieval"
    named = f"{asks(arguments, '--model')},{asks(arguments, '--surrogate')}".split(",")
    return {one: kind for one, kind in OF_TASK.get(task, {}).items() if one in named}


def shortened(words: Sequence[str]) -> tuple[str, list[str]]:
    """A program and its arguments, as short as the tables say."""
    name, given = program(words)
    arguments: list[str] = []
    pairs = zip(["", *given], given, strict=False)
    left = iter(
        [CHANGED.get(f"{before} {word}", CHANGED.get(word, word)) for before, word in pairs]
    )
    for word in left:
        if word in LEFT_OUT:
            for _ in range(LEFT_OUT[word] - 1):
                next(left)
        else:
            arguments.append(word)
    if name == "train" and {"--plan", "--config"} <= set(arguments):
        return name, arguments  # of shapes alone: a small batch is planned no faster
    if name == "train" and "--help" not in arguments:
        return name, _training(arguments)
    if name == "experiments.staged":
        return name, _in_stages(arguments)
    if "--list" in arguments:
        return name, arguments
    if "--redraw" in arguments:  # not in the checkout
        folder = "kept" if name == "experiments.study" else "drawn"
        return name, [*arguments, "--results", folder]
    return name, [*arguments, *SHORT.get(name, "").split()]


def _settings(config: str | None, given: Sequence[str], **more: int) -> list[str]:
    """Those of the page, and those that make an experiment small."""
    function = experiment.load(config or experiment.quickstart())
    known = experiment.parameters(function)
    asked = dict(one.split("=", 1) for one in given)
    every = SMALL | asked | FEW | more
    return [f"{name}={value}" for name, value in every.items() if name in known]


def _training(arguments: list[str]) -> list[str]:
    place = arguments.index("--set") if "--set" in arguments else len(arguments)
    end = place + 1
    while end < len(arguments) and "=" in arguments[end]:
        end += 1
    more = {"steps": 7} if "--profile" in arguments else {}
    if {"--plan", "--hosts"} & set(arguments) or asks(arguments, "--mesh") == "8":
        more["batch_size"] = 8  # for as many devices
    settings = _settings(asks(arguments, "--config"), arguments[place + 1 : end], **more)
    mesh = [] if {"--mesh", "--plan", "--hosts"} & set(arguments) else SHORT["train"].split()
    return [*arguments[:place], *arguments[end:], *mesh, "--set", *settings]


def _in_stages(arguments: list[str]) -> list[str]:
    found: list[str] = []
    for word in [*arguments, "--stage"]:
        if word in ("--stage", "--") and "--stage" in found:
            start = len(found) - found[::-1].index("--stage")
            found[start + 1 :] = _settings(found[start], found[start + 1 :])
        if word == "--":
            return [*found, *arguments[arguments.index("--") :]]
        found.append(word)
    return found[:-1]


def here(module: str, *arguments: str) -> None:
    """A command that a program of ours starts, in this process."""
    name, short = shortened(["python", "-m", module, *arguments])
    assert main_of(name)(short) == 0, short


def shorten(patch: pytest.MonkeyPatch, name: str, arguments: Sequence[str]) -> None:
    """What no option makes short: suites, evaluations of experiments, studies, child processes."""
    if {"--list", "--redraw"} & set(arguments):
        return
    for suite, members in ensembles.ENSEMBLES.items():
        few = tuple(one._replace(steps=1, restarts=1) for one in members)
        patch.setitem(ensembles.ENSEMBLES, suite, few)
    whole, drawn, every = run.evaluation_of, data.load_scenes, studies.every

    def few_scenes(*given: Any, limit: int | None = None, **more: Any) -> Any:
        return drawn(*given, limit=min(limit or DRAWN, DRAWN), **more)

    little: dict[str, Any] = {"checks": 0, "steps": 1, "limit": 2, "batch_size": 2}
    patch.setattr(run, "evaluation_of", lambda asked: replace(whole(asked), **little))
    if name != "experiments.few_shot":  # which wants pictures of every class
        patch.setattr(data, "load_scenes", few_scenes)
    patch.setattr(studies, "every", lambda: {n: _first(runs) for n, runs in every().items()})
    arm = ("image_size=16", "pgd_steps=1", "steps=1", "batch_size=4", "scenes=16")
    patch.setattr(staged, "ARMS", {"short": (arm,)})
    patch.setattr(stages, "train", lambda *given: here("mat_jax.train", *given))
    patch.setattr(few_shot, "run", here)
    patch.setattr(staged, "evaluate", lambda *given: here("mat_jax.evaluate", *given))
    patch.setattr(tables, "_run", lambda module, given: here(module, *given))
    patch.setattr(carry, "subprocess", SimpleNamespace(run=_made))


def _first(runs: Sequence[Any]) -> tuple[Any, ...]:
    """The first run of a study that trains, in one step; partners of two scenes."""
    one = next((run for run in runs if run.trained and not run.ingredients), runs[0])
    known = experiment.parameters(experiment.load(one.config))
    few = [f"{name}={value}" for name, value in (FEW | {"batch_size": 8}).items() if name in known]
    kept = [text for text in one.settings if text.partition("=")[0] not in FEW]
    return (replace(one, settings=(*kept, *few)),)


def _made(command: Sequence[str], check: bool = False) -> SimpleNamespace:
    here(command[2], *command[3:])
    return SimpleNamespace(returncode=0)


if __name__ == "__main__":  # a command that must be a process of its own
    shorten(pytest.MonkeyPatch(), sys.argv[1], sys.argv[2:])
    sys.exit(processes.run(lambda: main_of(sys.argv[1])(sys.argv[2:])))
