"""The headline number of an evaluation: the worst case of each query, as a row like the others."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mat_jax.attacks import ATTACKS, ThreatModel
from mat_jax.attacks.ensembles import Member, Merge, State, damage, in_turn, members, updated
from mat_jax.attacks.threat import Preset
from mat_jax.evaluate.failures import failing
from mat_jax.evaluate.gallery import Bench, rounded
from mat_jax.evaluate.points import Points, of_examples, replaced
from mat_jax.evaluate.protocol import protocol_of
from mat_jax.evaluate.ranks import worst
from mat_jax.evaluate.results import WORST_CASE, Row, eps_text
from mat_jax.evaluate.views import of_worst
from mat_jax.types.protocols import FusesPairs

# Of its protocol, what is told of a member of a worst case.
TOLD = ("steps", "proposals", "restarts", "passes_per_image")


def worst_of(measured: Sequence[Row], threat: ThreatModel, owner: np.ndarray) -> Row:
    """The worst case over the rows of one table: the largest rank of each query in any of them.

    It costs nothing: every attack was measured on all images anyway. So it is as attacked for every
    k that all of them are; one that left images early is not for all (`results.Row`). The captions
    are, for each image, those of the row that did it the most damage, and so are the views. There
    is no one gallery of all of them, so there are no sights.

    Args:
        measured: the clean row, and those of the attacks at one eps or on captions only.
        threat: under which they were.
        owner: [texts] row of the example of each text.
    """

    def merge(captions: np.ndarray, others: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        return np.where(np.isin(owner, chosen), others, captions)

    state = None
    for row in measured:
        words = np.array(row.captions, object)
        state = updated(state, words, *row.ranks.flat, row.ranks.examples, merge)
    assert state is not None
    told = [_as_member(row) for row in measured[1:]]
    saved = [row.rounded or row.ranks for row in measured]
    ranks = worst([row.ranks for row in measured])
    return Row(
        attack=WORST_CASE,
        eps=next((row.eps for row in measured if row.eps is not None), None),
        protocol={
            **_allowed([row.attack for row in measured], threat),
            "suite": None,
            "members": told,
            "passes_per_image": _total(told, len(state.damage)),
        },
        ranks=ranks,
        rounded=worst(saved) if any(row.rounded is not None for row in measured) else None,
        captions=tuple(state.points),
        changed=float(np.mean(state.points != np.array(measured[0].captions, object))),
        seconds=sum(row.seconds for row in measured),
        checks={"largest_delta": _farthest(measured)},
        depths=_common(measured),
        views=of_worst(
            failing(ranks),
            [damage(*row.ranks.flat, row.ranks.examples) for row in measured],
            [row.attack for row in measured],
            [row.views for row in measured],
        ),
    )


def with_row(state: State | None, row: Row, points: Points, owner: np.ndarray) -> State:
    """The points to start a suite from, after one more attack was measured in full."""
    return updated(state, points, *row.ranks.flat, row.ranks.examples, _merge(owner))


def worst_of_suite(
    bench: Bench, suite: str, threat: ThreatModel, measured: Sequence[Row], state: State
) -> Row:
    """The worst case after a suite, each attack of it only on the images that still stand.

    See `attacks.ensembles`. The galleries are those of the rows measured in full, one for each
    member that had images left, and at last the one of the points kept. A member that was measured
    in full with the same settings is not run again.

    Args:
        bench: of the one model, which is crafter and target.
        suite: name in `attacks.ensembles.ENSEMBLES`.
        threat: what all members may do.
        measured: the clean row, and those of attacks measured in full at this eps.
        state: of these rows, from `with_row`.
    """
    start = time.perf_counter()
    (target,), owner = bench.targets, bench.owner
    judged = [(row.ranks, row.rounded or row.ranks) for row in measured]
    used: list[dict[str, int]] = []
    checks: dict[str, Any] = {"largest_delta": _farthest(measured)}
    every = members_for(bench, suite, threat.norm)
    preset = bench.evaluation.preset
    left = [one for one in every if not _measured(one, threat, preset, measured)]

    def craft(member: Member, chosen: np.ndarray, points: Points) -> Points:
        label = f"{suite} {eps_text(threat.eps)}: {member.attack}"
        found = bench.craft(member.attack, member.threat(threat), chosen, label=label)
        for name, value in found.checks.items():
            both = (checks.get(name, 0), value)
            checks[name] = max(both) if name.startswith(("largest", "most")) else sum(both)
        used.append(found.passes)
        return replaced(points, found.points[0], chosen, owner)

    def judge(points: Points) -> np.ndarray:
        ranks = bench.ranks(target, points)
        judged.append((ranks, bench.ranks(target, rounded(points))))
        return ranks.flat[0]

    queries = measured[0].ranks.flat[1]
    state, attacked, depths = in_turn(
        left,
        state,
        queries,
        craft=craft,
        judge=judge,
        merge=_merge(owner),
        depths=bench.task.depths,
    )
    judge(state.points)
    last = judged[-1][0]
    after = bench.depths([one.attack for one in left])
    captions = tuple(state.points.captions)
    told = [_as_member(row) for row in measured[1:]]
    # Members that nothing was left for are the last ones.
    used += [{}] * (len(left) - len(used))
    each = zip(left, attacked, used, strict=True)
    told += [_told(*one, threat, preset) for one in each]
    ranks = worst([ranks for ranks, _ in judged])
    return Row(
        attack=WORST_CASE,
        eps=threat.eps,
        protocol={
            **_allowed([one["attack"] for one in told], threat),
            "suite": suite,
            "members": told,
            "passes_per_image": _total(told, len(bench.examples)),
            "in_one_gallery": {f"{kind}@1": 100 * last.recall(kind, 1) for kind in last.kinds},
        },
        ranks=ranks,
        rounded=worst([saved for _, saved in judged]),
        captions=captions,
        changed=bench.changed(captions),
        language=bench.examples.language(captions, bench.encoder),
        seconds=sum(row.seconds for row in measured) + time.perf_counter() - start,
        checks=checks,
        depths=tuple(k for k in depths if k in _common(measured) and k in after),
        sights=bench.sights(bench.crafter, state.points, last),
        views=bench.views(bench.crafter, state.points, last, failing(ranks)),
    )


def members_for(bench: Bench, suite: str, norm: str) -> tuple[Member, ...]:
    """The members of a suite for the task of a bench and the model that attacks are made on."""
    fuses = isinstance(bench.crafter.model, FusesPairs)
    return members(suite, norm=norm, fuses=fuses, allows=bench.task.allows)


def _merge(owner: np.ndarray) -> Merge:
    """Points of a gallery with some images' taken from another gallery."""

    def merge(points: Points, others: Points, chosen: np.ndarray) -> Points:
        return replaced(points, of_examples(others, chosen, owner), chosen, owner)

    return merge


def _farthest(measured: Sequence[Row]) -> float:
    return max(row.checks.get("largest_delta", 0.0) for row in measured)


def _allowed(attacks: Iterable[str], threat: ThreatModel) -> dict[str, Any]:
    """What the adversary was allowed in these attacks together."""
    found: dict[str, Any] = {"attack": WORST_CASE}
    of = [ATTACKS[attack] for attack in attacks]
    if any(one.on_images for one in of):
        found |= {"norm": threat.norm, "eps": threat.eps, "eps_text": eps_text(threat.eps)}
    if any(one.on_text for one in of):
        found |= {"words": threat.words, "candidates": threat.candidates}
        found["constraint"] = threat.constraint
    return found


def _measured(member: Member, threat: ThreatModel, preset: Preset, rows: Sequence[Row]) -> bool:
    """Whether one of the rows is this member, on all images."""
    same = protocol_of(member.attack, member.threat(threat), preset, 1, {})
    return any({**row.protocol, **same} == row.protocol for row in rows)


def _common(rows: Sequence[Row]) -> tuple[int, ...]:
    """The k that the figures of all rows are as attacked for."""
    return tuple(k for k in rows[0].depths if all(k in row.depths for row in rows))


def _as_member(row: Row) -> dict[str, Any]:
    """A row measured in full, as a member of the worst case."""
    return {
        "attack": row.attack,
        "attacked": row.ranks.examples,
        **{name: row.protocol[name] for name in TOLD if name in row.protocol},
    }


def _told(
    member: Member, attacked: int, passes: Mapping[str, int], threat: ThreatModel, preset: Preset
) -> dict[str, Any]:
    """A member of a suite, as `_as_member` has it."""
    same = protocol_of(member.attack, member.threat(threat), preset, attacked, passes)
    return {
        "attack": member.attack,
        "attacked": attacked,
        **{name: same[name] for name in TOLD if name in same},
    }


def _total(told: Sequence[Mapping[str, Any]], images: int) -> dict[str, float]:
    """Passes of all members, for an image of the gallery."""
    found: dict[str, float] = {}
    for one in told:
        for name, each in one.get("passes_per_image", {}).items():
            found[name] = found.get(name, 0.0) + each * one["attacked"] / images
    return found
