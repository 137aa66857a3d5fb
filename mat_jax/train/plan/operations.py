"""Operations of a program, counted before it is compiled, in the part where each stands.

What XLA does not compute, is not counted: what nobody uses, and what is there already. So an image
that both the attack and the loss encode counts once, where it is encoded first.
"""

import itertools
import math
import re
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

from jax.extend.core import ClosedJaxpr, Jaxpr, Literal
from jax.interpreters.partial_eval import dce_jaxpr

PARTS = ("perturb", "gradient", "optimizer")  # the scopes of `train/step.py`
_SCOPE = re.compile(rf"\b({'|'.join(PARTS)})\b")
_TURNS = re.compile(r"\bat_most_(\d+)_turns\b")
# Calls that XLA sees through.
_INLINED = {"jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call"}


class Work(NamedTuple):
    """Of all devices together.

    Attributes:
        operations: multiplications and additions of products and convolutions; all else is small.
        traffic: bytes that go into these and come out.
    """

    operations: float = 0.0
    traffic: float = 0.0

    def __add__(self, other: tuple[Any, ...]) -> "Work":
        return Work(*(x + y for x, y in zip(self, other, strict=True)))


def work_by_part(program: ClosedJaxpr, *, share: float = 1.0) -> dict[str, Work]:
    """Work of each of `PARTS`, and of "" for what is in none.

    The body of a loop counts as often as it runs. A loop whose turns the data decide counts once,
    or where its scope is `at_most_N_turns`, N times the share. Of two branches the dearer counts.

    Args:
        program: what `jax.jit(f).trace(...).jaxpr` is.
        share: of the turns of such loops that the data need.
    """
    jaxpr, _ = dce_jaxpr(program.jaxpr, [True] * len(program.jaxpr.outvars))
    counter = _Counter(share)
    inputs = [counter.new() for _ in (*jaxpr.constvars, *jaxpr.invars)]
    counter.walk(jaxpr, inputs, 1.0, "", None)
    return counter.found


class _Counter:
    """Goes through a program; equal values have equal numbers, and are computed once."""

    def __init__(self, share: float, seen: dict[Hashable, list[int]] | None = None) -> None:
        self.share = share
        self.found: dict[str, Work] = {}
        self._seen: dict[Hashable, list[int]] = {} if seen is None else dict(seen)
        self._numbers = itertools.count()

    def new(self) -> int:
        """A value like no other."""
        return next(self._numbers)

    def walk(
        self, jaxpr: Jaxpr, inputs: Sequence[Any], times: float, part: str, apart: Any
    ) -> list[Any]:
        """Count a program; returns the numbers of its results.

        Args:
            inputs: numbers of its constants and inputs.
            times: how often it runs.
            part: which it is in, where its own scopes do not say.
            apart: what is computed a second time on purpose is `apart` from the first.
        """
        named = dict(zip((*jaxpr.constvars, *jaxpr.invars), inputs, strict=True))

        def number(x: Any) -> Any:
            return ("literal", str(x.val), str(x.aval)) if isinstance(x, Literal) else named[x]

        for eqn in jaxpr.eqns:
            scopes = _SCOPE.findall(str(eqn.source_info.name_stack))
            where = scopes[0] if scopes else part
            outputs = self._equation(eqn, [number(x) for x in eqn.invars], times, where, apart)
            named.update(zip(eqn.outvars, outputs, strict=True))
        return [number(x) for x in jaxpr.outvars]

    def _equation(
        self, eqn: Any, inputs: list[Any], times: float, part: str, apart: Any
    ) -> list[Any]:
        name, params = eqn.primitive.name, eqn.params
        if name in _INLINED or name in ("checkpoint", "remat2", "remat"):
            body = params.get("jaxpr", params.get("call_jaxpr"))
            if body is not None:
                again = apart if name in _INLINED or not params["differentiated"] else self.new()
                return self._body(body, inputs, times, part, again)
        if name == "scan":
            self._body(params["jaxpr"], self._inside(inputs, params["num_consts"]),
                       times * params["length"], part, apart)  # fmt: skip
        elif name == "while":
            count = params["cond_nconsts"]
            inside = self._inside(inputs[count:], params["body_nconsts"])
            most = _TURNS.findall(str(eqn.source_info.name_stack))
            turns = self.share * int(most[-1]) if most else 1.0
            self._body(params["body_jaxpr"], inside, times * turns, part, apart)
        elif name == "cond":
            self._dearest(params["branches"], inputs[1:], times, part, apart)
        elif name == "shard_map":
            axes = params.get("manual_axes") or params["mesh"].axis_names
            count = math.prod(params["mesh"].shape[axis] for axis in axes)
            inside = [self.new() for _ in inputs]  # a device's share of each
            self._body(params["jaxpr"], inside, times * count, part, apart)
        else:
            key = (name, tuple(inputs), _text(params), apart)
            if key not in self._seen:
                self._seen[key] = [self.new() for _ in eqn.outvars]
                self._add(part, _cost(eqn), times)
            return self._seen[key]
        return [self.new() for _ in eqn.outvars]

    def _inside(self, inputs: list[Any], fixed: int) -> list[Any]:
        """What a loop's body is given: the same each turn, and what changes."""
        return inputs[:fixed] + [self.new() for _ in inputs[fixed:]]

    def _body(
        self, body: Any, inputs: Sequence[Any], times: float, part: str, apart: Any
    ) -> list[Any]:
        jaxpr, constants = (
            (body.jaxpr, body.consts) if isinstance(body, ClosedJaxpr) else (body, ())
        )
        numbers = [("constant", id(one)) for one in constants]
        return self.walk(jaxpr, [*numbers, *inputs], times, part, apart)

    def _dearest(
        self, branches: Sequence[Any], inputs: list[Any], times: float, part: str, apart: Any
    ) -> None:
        counted = []
        for branch in branches:
            one = _Counter(self.share, self._seen)
            one._numbers = self._numbers
            one._body(branch, inputs, times, part, apart)
            counted.append(one.found)
        dearest = max(counted, key=lambda found: sum(w.operations for w in found.values()))
        for name, work in dearest.items():
            self._add(name, work, 1.0)

    def _add(self, part: str, work: Work, times: float) -> None:
        more = Work(*(times * one for one in work))
        self.found[part] = self.found.get(part, Work()) + more


def _cost(eqn: Any) -> Work:
    """Of one equation: a multiplication and an addition are two operations."""
    name = eqn.primitive.name
    if name not in ("dot_general", "conv_general_dilated"):
        return Work()
    left, right, out = eqn.invars[0].aval, eqn.invars[1].aval, eqn.outvars[0].aval
    if name == "dot_general":
        (contracted, _), _ = eqn.params["dimension_numbers"]
        each = math.prod(left.shape[axis] for axis in contracted)
    else:
        outputs = right.shape[eqn.params["dimension_numbers"].rhs_spec[0]]
        # Between the pixels of a dilated image are zeros, which are no work.
        each = right.size / outputs / math.prod(eqn.params["lhs_dilation"])
    traffic = sum(one.size * one.dtype.itemsize for one in (left, right, out))
    return Work(2.0 * out.size * each, float(traffic))


def _text(params: dict[str, Any]) -> str:
    return str(sorted((name, str(value)) for name, value in params.items()))
