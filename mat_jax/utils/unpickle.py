"""A pickle run on a machine of our own, which can build plain values and nothing else.

A pickle is a program and may call any function there is. Here a function is a name: whoever runs a
pickle says which names it knows, and what to make where the pickle calls one.
"""

import io
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Instructions that push their argument, a constant, something empty; and those that take so many
# values from the stack (0: all above the last mark).
PUSHED = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"}
PUSHED |= {"BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES"}
PUSHED |= {"INT", "LONG", "FLOAT", "STRING", "UNICODE"}  # of the oldest pickles, which are text
CONSTANT = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
TAKEN = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3, "APPEND": 1, "SETITEM": 2}
TAKEN |= {"TUPLE": 0, "APPENDS": 0, "SETITEMS": 0, "LIST": 0, "DICT": 0}


class Name(str):
    """A function or class as a pickle names it."""


class Attributes(dict):
    """What a pickle takes for an object: its attributes by name, and no behaviour."""


def no_storage(identity: Any) -> Any:
    """For pickles that keep nothing outside of them."""
    raise ValueError("it keeps something elsewhere")


def attributes(value: Any, state: Any) -> None:
    """An object gets its attributes; whatever else a pickle wants to set up stays as it is."""
    if isinstance(value, Attributes) and isinstance(state, dict):
        value.update(state)


def run(
    file: io.BufferedIOBase,
    *,
    known: Callable[[str], bool],
    call: Callable[[Name, tuple[Any, ...]], Any],
    stored: Callable[[Any], Any] = no_storage,
    build: Callable[[Any, Any], None] = attributes,
) -> Any:
    """Run the pickle at the file's position, and leave the position behind it.

    Texts of Python 2 come as text, a character a byte.

    Args:
        file: holds the pickle.
        known: whether the pickle may name this function or class.
        call: what a call of a known name makes.
        stored: what an identity of something kept outside of the pickle stands for.
        build: sets up a value by its state.

    Raises:
        ValueError: the pickle asks for more, or makes no sense; so may other exceptions.
    """
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}
    steps: Any = pickletools.genops(file)  # type: ignore[bad-argument-type]  # it need only read

    def named(name: str) -> Name:
        if not known(name):
            raise ValueError(f"it asks for {name[:100]}")
        return Name(name)

    for opcode, argument, _ in steps:
        code, items = opcode.name, []
        if code in TAKEN:
            begin = len(stack) - TAKEN[code] if TAKEN[code] else marks.pop()
            items = stack[begin:]
            del stack[begin:]
        if code in PUSHED:
            stack.append(argument)
        elif code in CONSTANT:
            stack.append(CONSTANT[code])
        elif code in EMPTY:
            stack.append(EMPTY[code]())
        elif code == "MARK":
            marks.append(len(stack))
        elif code.startswith("TUPLE"):
            stack.append(tuple(items))
        elif code == "LIST":
            stack.append(items)
        elif code.startswith("APPEND"):
            stack[-1].extend(items)
        elif code == "DICT":
            stack.append(_pairs(items))
        elif code.startswith("SETITEM"):
            stack[-1].update(_pairs(items))
        elif code in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if argument is None else argument] = stack[-1]
        elif code in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif code == "GLOBAL":
            stack.append(named(argument.replace(" ", ".")))
        elif code == "STACK_GLOBAL":
            name, module = stack.pop(), stack.pop()
            stack.append(named(f"{module}.{name}"))
        elif code == "BINPERSID":
            stack.append(stored(stack.pop()))
        elif code in ("REDUCE", "NEWOBJ"):
            arguments, name = stack.pop(), stack.pop()
            if not isinstance(name, Name):
                raise ValueError("it calls what is no function")
            stack.append(call(name, arguments))
        elif code == "BUILD":
            state = stack.pop()
            build(stack[-1], state)
        elif code == "STOP":
            return stack.pop()
        elif code not in ("PROTO", "FRAME"):
            raise ValueError(f"it uses the pickle instruction {code}")
    raise ValueError("its pickle has no end")


def _pairs(items: list[Any]) -> dict[Any, Any]:
    """Keys and values in turn as a dict."""
    # Of other kinds of key, one nested deep enough would crash Python.
    if not all(isinstance(key, str | int | float) for key in items[::2]):
        raise ValueError("it has a key that is neither text nor a number")
    return dict(zip(items[::2], items[1::2], strict=True))


def none_known(name: str) -> bool:
    """For pickles that need no function."""
    return False


def never(name: Name, arguments: tuple[Any, ...]) -> Any:
    """For the same."""
    raise ValueError(f"it calls {name}")


def read_file(
    path: Path,
    *,
    expected: str,
    advice: str,
    known: Callable[[str], bool] = none_known,
    call: Callable[[Name, tuple[Any, ...]], Any] = never,
    build: Callable[[Any, Any], None] = attributes,
) -> Any:
    """What the one pickle of a file holds, or one sentence why it is refused.

    Args:
        path: the file.
        expected: what it should be, for the sentence.
        advice: what to do where there is no such file.
        known, call, build: see `run`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it asks for more than plain values, or makes no sense.
    """
    try:
        with open(path, "rb") as file:
            return run(file, known=known, call=call, build=build)
    except FileNotFoundError:
        raise FileNotFoundError(f"no file {str(path)!r}; {advice}") from None
    except Exception as error:  # a damaged or hostile file can make no sense in many ways
        reason = " ".join(str(error).split())[:200] if isinstance(error, ValueError) else ""
        raise ValueError(
            f"{path} is refused, nothing in it was run: {reason or 'it makes no sense'}; expected "
            f"{expected}, whole"
        ) from error
