"""The settings of a model, theirs and ours: config.json by a table that reads both ways.

Ours are frozen dataclasses, which may hold one another; theirs are what transformers writes. A
setting is named by a dotted path on either side.
"""

import dataclasses
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# More than any model has: the count of its blocks, and every other size.
LAYERS, LARGEST = 1_000, 10**8


@dataclass(frozen=True)
class Row:
    """A setting both sides have; rows with the same `ours` must say the same.

    `default` is what transformers takes where a file leaves the setting out, if that may differ
    from ours. `names` are what they write for our values, if not the values themselves.
    """

    theirs: str
    ours: str
    default: Any = None
    names: Mapping[Any, Any] | None = None


@dataclass(frozen=True)
class Fixed:
    """A setting that has one meaning here: any of `values` will do, the first is written."""

    theirs: str
    values: tuple[Any, ...]
    whose: str


@dataclass(frozen=True)
class Table:
    """All there is to know about the config.json of a family.

    `constants` and `derived` (theirs: the name of a property of ours) are written and not read.
    `repair` puts right what files say wrongly, before they are read; `check` refuses afterwards
    what does not go together.
    """

    rows: tuple[Row, ...]
    fixed: tuple[Fixed, ...] = ()
    constants: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    derived: Mapping[str, str] = dataclasses.field(default_factory=dict)
    repair: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda settings: settings
    check: Callable[[Any, Mapping[str, Any]], None] = lambda config, settings: None


def read(settings: Mapping[str, Any], table: Table, kind: type[Any]) -> Any:
    """The configuration, a `kind`, that a config.json describes.

    Raises:
        ValueError: it describes a model that is not built here.
    """
    settings = table.repair(settings)
    for fixed in table.fixed:
        value = at(settings, fixed.theirs, fixed.values[0])
        if value not in fixed.values:
            raise ValueError(
                f"{fixed.theirs}={value!r} is not {fixed.whose}'s; expected {fixed.values[0]!r}"
            )
    found: dict[str, tuple[Row, Any]] = {}
    for row in table.rows:
        value = at(settings, row.theirs, row.default)
        if value is None:
            continue
        other, same = found.setdefault(row.ours, (row, value))
        if value != same:
            (section, name), (first, _) = (r.theirs.split(".") for r in (row, other))
            raise ValueError(
                f"{name} is {same!r} in {first} and {value!r} in {section}; expected one value for "
                f"both towers"
            )
    config = built(kind, {ours: _ours(row, value) for ours, (row, value) in found.items()})
    table.check(config, settings)
    return config


def write(config: Any, table: Table) -> dict[str, Any]:
    """The config.json that makes transformers build the same model: the inverse of `read`."""
    said = dict(table.constants) | {fixed.theirs: fixed.values[0] for fixed in table.fixed}
    for row in table.rows:
        value = operator.attrgetter(row.ours)(config)
        said[row.theirs] = value if row.names is None else row.names[value]
    for theirs, ours in table.derived.items():
        said[theirs] = operator.attrgetter(ours)(config)
    settings: dict[str, Any] = {}
    for path, value in said.items():
        *parents, name = path.split(".")
        place = settings
        for parent in parents:
            place = place.setdefault(parent, {})
        place[name] = value
    return settings


def built(kind: type[Any], values: Mapping[str, Any]) -> Any:
    """A configuration with these values, by dotted paths, and its defaults for the rest."""
    nested: dict[str, dict[str, Any]] = {}
    given: dict[str, Any] = {}
    for path, value in values.items():
        part, _, name = path.rpartition(".")
        place = nested.setdefault(part, {}) if part else given
        place[name] = tuple(value) if isinstance(value, list) else value
    usual = kind()
    for name, changes in nested.items():
        part = getattr(usual, name)
        for each, value in changes.items():
            _check_size(f"{name}.{each}", value, getattr(part, each))
        given[name] = dataclasses.replace(part, **changes)
    for name in given.keys() - nested.keys():
        _check_size(name, given[name], getattr(usual, name))
    return kind(**given)


def _check_size(name: str, value: Any, usual: Any) -> None:
    """Refuse what is no size, before a model of it is laid out: files may come from anybody."""
    if isinstance(usual, tuple):
        if not isinstance(value, tuple) or len(value) > LAYERS:
            raise ValueError(f"{name} is {str(value)[:40]!r}; expected a short list of numbers")
        for one in value:
            _check_size(name, one, 0)
    elif isinstance(usual, float):
        if type(value) not in (int, float) or not abs(value) <= LARGEST:
            raise ValueError(f"{name} is {str(value)[:40]!r}; expected a number")
    elif isinstance(usual, int):
        most = LAYERS if name.endswith("layers") else LARGEST
        if type(value) is not int or not 0 <= value <= most:
            raise ValueError(
                f"{name} is {str(value)[:40]!r}; expected a whole number from 0 to {most:,}"
            )


def at(settings: Any, path: str, default: Any) -> Any:
    """What is said at a dotted path; null is as good as nothing."""
    for name in path.split("."):
        settings = settings.get(name) if isinstance(settings, Mapping) else None
    return default if settings is None else settings


def _ours(row: Row, value: Any) -> Any:
    if row.names is None:
        return value
    for ours, theirs in row.names.items():
        if theirs == value:
            return ours
    known = " or ".join(map(str, row.names.values()))
    raise ValueError(f"{row.theirs}={value!r} is not known; expected {known}")
