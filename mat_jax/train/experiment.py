"""Experiments: a plain function whose keyword parameters are its command line.

An experiment file holds one function, `experiment`, that returns an `Experiment` of real objects.
Its annotated keyword parameters are what `--set name=value` may change; everything else is edited
in the file. There are no dotted overrides on purpose: a parameter moves all that hangs on it.
"""

import difflib
import importlib.util
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, get_args

import optax

from mat_jax.data.substitutes.candidates import Substitutes
from mat_jax.data.substitutes.characters import Typos
from mat_jax.defenses.base import Defense
from mat_jax.evaluate.config import Evaluation
from mat_jax.models.layers import Dtype
from mat_jax.models.memory import Memory, Remat
from mat_jax.train.faults import OnBadData, OnNaN
from mat_jax.train.lora import LoRA

__all__ = ["Evaluation", "Experiment", "bind", "describe", "load", "parse"]


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything a training run is made of; `mat_jax.fit` runs it.

    Args:
        model: what to train: `models.Pretrained(name)` or `models.Fresh(config)`; its
            `.build(seed)` returns (model, tokenizer).
        data: the source of (image, captions) to train on, or a function of no arguments that
            returns one.
        defense: a frozen dataclass of `mat_jax.defenses`: what is maximised inside, minimised
            outside, and which weights train.
        optimizer: any Optax transformation; `optimizers.averaged` of one, and the run exports and
            measures the mean of its weights.
        steps: number of updates.
        batch_size: images an update sees, over all devices together.
        seed: of initial weights, data order and attacks.
        schedule: the optimizer's learning-rate schedule, only to be logged as `lr`.
        substitutes: `data.Substitutes(...)` where the defence replaces words, `data.Typos(...)`
            where it makes typing errors, else None.
        lora: adapters that train in the place of the weights; None trains the weights themselves.
        micro_batch: images, or captions, that are encoded at once, over all devices together; None
            for all. The losses are still those of the whole batch, and so is what is climbed.
        remat: what is kept of a forward pass for the way back: "none" keeps all, "dots" the results
            of dense layers, "blocks" what goes into each block. The rest is computed twice.
        scan: go through a tower's blocks in a loop, which compiles in a fraction of the time.
        dtype: "float32" or "bfloat16", in which towers compute while training; None as the model
            is. Weights and their updates are float32.
        evaluation: measure before and after, and write a report; None for neither.
        log_every: steps between two lines of `metrics.jsonl`.
        checkpoint_every: steps between two checkpoints.
        keep: how many checkpoints stay on disk.
        on_nan: of a step whose loss or gradient is not a number: "stop" ends the run; "skip" leaves
            the step out and counts it as `skipped`; "restore" goes back to the last checkpoint, on
            with the data that follow, and counts that as `restored`.
        on_bad_data: of a file that cannot be read: "stop" ends the run; "skip" says its name once,
            takes the next readable image in its place and counts that as `replaced`.
    """

    model: Any
    data: Any
    defense: Defense[Any]
    optimizer: optax.GradientTransformation
    steps: int
    batch_size: int
    seed: int = 0
    schedule: Callable[[Any], Any] | None = None
    substitutes: Any = None
    lora: LoRA | None = None
    micro_batch: int | None = None
    remat: Remat = "none"
    scan: bool = False
    dtype: Dtype | None = None
    evaluation: Evaluation | None = None
    log_every: int = 10
    checkpoint_every: int = 200
    keep: int = 2
    on_nan: str = "stop"
    on_bad_data: str = "stop"

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "log_every", "checkpoint_every", "keep"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be at least 1")
        for name, choices in (("on_nan", OnNaN), ("on_bad_data", OnBadData)):
            if getattr(self, name) not in typing.get_args(choices):
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}: it must be one of "
                    f"{', '.join(typing.get_args(choices))}"
                )
        self._check_memory()
        self._check_substitutes()

    @property
    def memory(self) -> Memory:
        """What the towers are told."""
        return Memory(self.remat, self.scan, self.micro_batch)

    def _check_memory(self) -> None:
        """Values that can be."""
        if self.micro_batch is not None and (
            self.micro_batch < 1 or self.batch_size % self.micro_batch
        ):
            raise ValueError(
                f"micro_batch {self.micro_batch} does not divide batch_size {self.batch_size}: "
                "take a number that does, or None to encode the whole batch at once"
            )
        for name, allowed in (("remat", get_args(Remat)), ("dtype", (*get_args(Dtype), None))):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} is one of {', '.join(map(str, allowed))}, got {getattr(self, name)!r}"
                )

    def _check_substitutes(self) -> None:
        """Typing errors for a defence that makes them, words for one that replaces words."""
        name, places = type(self.defense).__name__, self.defense.typos
        typos = self.substitutes if isinstance(self.substitutes, Typos) else None
        if places is not None and (typos is None or typos.positions != places):
            given = "none" if self.substitutes is None else type(self.substitutes).__name__
            given += f" of {typos.positions}" if typos is not None else ""
            raise ValueError(
                f"{name} tries {places} positions of a caption, but the substitutes are {given}: "
                f"give it data.Typos(positions={places})"
            )
        words = self.defense.words
        if words and self.substitutes is None:
            raise ValueError(
                f"{name} attacks the text (words={words}) but the experiment has no substitutes: "
                "give it substitutes=data.Substitutes(...), or set words=0"
            )
        tried = self.defense.candidates
        made = tried
        if isinstance(self.substitutes, Substitutes):
            made = self.substitutes.candidates
        if words and tried > made:
            raise ValueError(
                f"{name} tries {tried} substitutes of a word, and the experiment has {made}: give "
                f"it data.Substitutes(candidates={tried}, ...), or candidates={made}"
            )
        if places is None and typos is not None and words:
            raise ValueError(
                f"{name} replaces words, but the substitutes are typing errors: give it "
                "data.Substitutes(...)"
            )


def quickstart() -> Path:
    """The quickstart's file: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).parents[1]
    for folder in (package.parent / "experiments", package / "experiments"):
        if (folder / "quickstart.py").is_file():
            return folder / "quickstart.py"
    raise FileNotFoundError("the quickstart is not installed: give an experiment with --config")


def load(path: str | Path) -> Callable[..., Experiment]:
    """The function `experiment` of an experiment file."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no experiment file {path}: check the path after --config"
        )
    spec = importlib.util.spec_from_file_location(f"mat_jax_experiment_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is not a Python file: an experiment file ends in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise ValueError(f"{path}, line {error.lineno}, is not Python: {error.msg}") from error
    function = getattr(module, "experiment", None)
    if not callable(function):
        raise ValueError(
            f"{path} has no function `experiment`: an experiment file defines "
            "`def experiment(lr: float = 1e-5, ...) -> Experiment`"
        )
    function.__doc__ = function.__doc__ or module.__doc__
    return function


def parameters(function: Callable[..., Any]) -> dict[str, tuple[Any, Any]]:
    """Name -> (type, default) of what `--set` may change."""
    hints = typing.get_type_hints(function)
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.default is inspect.Parameter.empty or name not in hints:
            raise ValueError(
                f"the parameter {name!r} of experiment() has no default or no type: write it as "
                f"`{name}: float = 1e-5`, its default is what runs without --set"
            )
        found[name] = (hints[name], parameter.default)
    return found


def bind(function: Callable[..., Any], settings: Iterable[str]) -> dict[str, Any]:
    """All keyword arguments of an experiment: its defaults, changed by `name=value` texts."""
    known = parameters(function)
    bound = {name: default for name, (_, default) in known.items()}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise ValueError(f"--set wants name=value, got {setting!r}: for example --set lr=3e-5")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
            raise ValueError(f"the experiment has no setting {name!r}; {hint}")
        bound[name] = parse(name, text, known[name][0])
    return bound


def parse(name: str, text: str, kind: Any) -> Any:
    """One setting's value from its text, by its annotation. Floats may be fractions: `4/255`."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if type(None) in arguments and text.lower() == "none":
            return None
        kinds = [k for k in arguments if k is not type(None)]
        for k in kinds[:-1]:
            try:
                return parse(name, text, k)
            except ValueError:
                continue
        return parse(name, text, kinds[-1])
    if origin is Literal:
        for choice in arguments:
            if str(choice) == text:
                return choice
        raise ValueError(f"{name} must be one of {', '.join(map(str, arguments))}, got {text!r}")
    if origin is tuple or kind is tuple:
        items = [item.strip() for item in text.strip("()").split(",") if item.strip()]
        each = arguments[0] if arguments else str
        return tuple(parse(name, item, each) for item in items)
    try:
        if kind is bool:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[
                text.lower()
            ]
        if kind is int:
            return int(text)
        if kind is float:
            return float(Fraction(text)) if "/" in text else float(text)
    except (ValueError, KeyError, ZeroDivisionError):
        wants = {bool: "true or false", int: "a whole number", float: "a number, 4/255 for example"}
        raise ValueError(f"{name} must be {wants[kind]}, got {text!r}") from None
    return Path(text) if kind is Path else text


def describe(function: Callable[..., Any]) -> str:
    """The docstring and the settings with types and defaults, for `--help`."""
    lines = [inspect.cleandoc(function.__doc__ or "").strip(), "", "settings (--set name=value):"]
    for name, (kind, default) in parameters(function).items():
        plain = kind.__name__ if isinstance(kind, type) else str(kind).replace("typing.", "")
        lines.append(f"  {name}: {plain} = {show(default)}")
    return "\n".join(lines)


def show(value: Any) -> str:
    """A setting as one would type it: eps as `6/255`, several as `2/255,4/255`, floats short."""
    if isinstance(value, tuple | list):
        return ",".join(map(show, value)) or "()"
    if not isinstance(value, float):
        text = str(value)  # a file may hold what a terminal would obey
        return text if text.isprintable() else repr(text)
    short = f"{value:g}"
    if float(short) == value or not 0 < value < 1:  # 51/255 is 0.2 as well, and shown as that
        return short
    levels = round(255 * value)
    return f"{levels}/255" if levels and abs(levels / 255 - value) < 1e-9 else short


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """`lr was 1e-05 and is now 3e-05`, one text for every setting that differs."""
    return [
        f"{name} was {show(before.get(name))} and is now {show(now.get(name))}"
        for name in [*before, *(n for n in now if n not in before)]
        if before.get(name) != now.get(name)
    ]
