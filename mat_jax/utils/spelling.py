"""The name that somebody meant who wrote another one."""

import difflib
from collections.abc import Iterable


def nearest(wrong: str, known: Iterable[str]) -> str | None:
    """The known name most like a wrong one, or None where none is alike (difflib, 0.6)."""
    plain = {name.lower().replace("_", "-"): name for name in known}
    found = difflib.get_close_matches(wrong.lower().replace("_", "-"), plain, n=1, cutoff=0.6)
    return plain[found[0]] if found else None


def meant(wrong: str, known: Iterable[str]) -> str:
    """` (did you mean 'sga'?)` to be put behind a wrong name, or nothing."""
    name = nearest(wrong, known)
    return "" if name is None else f" (did you mean {name!r}?)"
