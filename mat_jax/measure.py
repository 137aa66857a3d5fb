"""Attack a model over a whole gallery and measure what retrieval is left."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import jax
from flax import nnx

from mat_jax import attacks as suites
from mat_jax.attacks import ThreatModel
from mat_jax.attacks.threat import Preset
from mat_jax.attacks.worst_case import State, members, require_suite
from mat_jax.bench import Bench, Victim
from mat_jax.checks import after, before
from mat_jax.checks.preconditions import computes_in
from mat_jax.data import Corpus, SentenceEncoder
from mat_jax.encode import matches_pairs
from mat_jax.evaluation import ATTACKS
from mat_jax.findings import findings
from mat_jax.headline import forecast, kept, worst_of, worst_of_suite
from mat_jax.protocol import check_request, versions
from mat_jax.results import Check, Result, Row
from mat_jax.tasks.retrieval import DEPTHS

__all__ = ["Bench", "Victim", "evaluate", "measured"]


def evaluate(
    model: nnx.Module,
    corpus: Corpus,
    *,
    tokenizer: Any,
    threat: ThreatModel | Sequence[ThreatModel],
    attacks: Sequence[str] = ATTACKS,
    suite: str | None = None,
    preset: Preset = "strict",
    batch_size: int = 32,
    shortlist: int = 128,
    seed: int = 0,
    name: str = "model",
    surrogate: Victim | None = None,
    protocol: Mapping[str, Any] | None = None,
    encoder: SentenceEncoder | None = None,
    shown: int = 4,
    checks: int = 16,
    stop_beyond: int | None = None,
    quiet: bool = False,
) -> Result:
    """Measure retrieval clean and under attacks, over all images and captions of a corpus.

    For each attack, every image with all its captions is attacked, and then both sides are
    adversarial: attacked images and attacked captions are queries and gallery. Attacked captions
    go as text through the tokenizer and are encoded from scratch, so nothing the attack had in
    memory counts. Ranks and ties: see `tasks.retrieval`. Attack randomness is folded from each
    image's id, and what an attack asks of other images it asks of the clean gallery. So the result
    does not depend on `batch_size`, nor on what fills a last batch, save for DRA and SA-AET under
    "official", which decide once for a batch as the released programs do; their protocol says so.

    The last row of each eps is the worst case: the largest rank of each query in any row of that
    eps, and with a suite in what its members leave of it (`attacks.worst_case`).

    Args:
        model: what is measured.
        corpus: the gallery, with its candidate table if text is attacked.
        tokenizer: the model's own.
        threat: what the adversary may do; several make several rows of every image attack.
        attacks: names from `attacks.SUITE`; the clean measurement is always made.
        suite: one of `attacks.worst_case.SUITES`, run after them on what still stands.
        preset: "strict" or "official", see `attacks`.
        batch_size: images attacked at once.
        shortlist: how many a model that matches pairs puts in order, see `tasks.reranking`.
        seed: of all random starts, and of the bootstrap.
        name: of the model in tables.
        surrogate: craft on this model instead, and transfer: images are resized to the model's
            size where it differs, captions are read by the model's tokenizer.
        protocol: further facts to be written beside every number.
        encoder: judges how similar attacked captions are to the clean ones; None for no figure.
        shown: how many images the report shows, evenly spaced in the gallery.
        checks: images on which `mat_jax.checks` looks at model and attack first; 0 for none.
        stop_beyond: attacks that can (`attacks.SUITE`) leave an image when each of its queries has
            so many clean others before the right answer: the fast mode. None takes every step.
        quiet: no progress line.

    Raises:
        ValueError: an unknown attack, or a text attack without candidates; a suite on a surrogate;
            stopping where a rank among clean others does not say that a query is lost.
        Broken: what `mat_jax.checks` cannot go on with, an attacked image outside its ball or the
            unit cube, a caption over its budget of words, or anything that is not a finite number.
    """
    target = Victim(model, tokenizer, corpus)
    bench = Bench(
        crafter=surrogate or target,
        targets=(target,),
        preset=preset,
        batch_size=batch_size,
        shortlist=shortlist,
        seed=seed,
        shown=shown,
        quiet=quiet,
        encoder=encoder,
        stop_beyond=stop_beyond,
    )
    threats = (threat,) if isinstance(threat, ThreatModel) else tuple(threat)
    facts = {} if protocol is None else protocol
    return measured(bench, (name,), threats, attacks, suite=suite, protocol=facts, checks=checks)[0]


def measured(
    bench: Bench,
    names: Sequence[str],
    threats: Sequence[ThreatModel],
    attacks: Sequence[str],
    *,
    suite: str | None = None,
    protocol: Mapping[str, Any],
    clean: Sequence[Row] | None = None,
    checks: int = 0,
) -> list[Result]:
    """What each target of a bench withstands; attacks are crafted once for all of them.

    Args:
        bench: who attacks whom.
        names: of the targets, in tables.
        threats: see `evaluate`.
        attacks: see `evaluate`.
        suite: see `evaluate`; for the one model that is crafter and target.
        protocol: further facts to be written beside every number.
        clean: the targets' clean rows, if they are known.
        checks: see `evaluate`; of the crafter, and of the first target if that is another.
    """
    asked = list(dict.fromkeys(("none", *attacks)))
    model, corpus = bench.crafter.model, bench.corpus
    wanted = list(asked)
    if suite is not None:
        require_suite(suite)
        if [target.model for target in bench.targets] != [model]:
            raise ValueError(
                f"the suite {suite!r} attacks what still stands of the model itself: leave out "
                "--suite, or --surrogate"
            )
        norm = threats[0].norm if threats else "linf"
        wanted += [one.attack for one in members(suite, norm=norm, fuses=matches_pairs(model))]
    check_request(wanted, model, corpus, threats)
    if bench.stop_beyond is not None:
        require_stopping(bench)
    if suite is not None and not bench.quiet:
        print(forecast(bench, suite, threats[0]), file=sys.stderr)
    first = bench.targets[0]
    looked = before(
        model,
        corpus,
        threats=threats,
        attacks=wanted,
        target=None if first.model is model else (first.model, first.corpus),
        count=checks,
        seed=bench.seed,
        quiet=bench.quiet,
    )
    rows: list[list[Row]] = [[] for _ in names]
    states: dict[float, State] = {}
    for attack in asked:
        if attack == "none" and clean is not None:
            rows = [[row] for row in clean]
            continue
        # Without an image attack eps says nothing, and one measurement serves every table.
        for threat in threats if suites.SUITE[attack].on_images else threats[:1]:
            for own, (row, points) in zip(rows, bench.measure(attack, threat), strict=True):
                own.append(row)
                for eps in (one.eps for one in threats if suite and row.eps in (None, one.eps)):
                    states[eps] = kept(states.get(eps), row, points)
    found = []
    for target, name, own in zip(bench.targets, names, rows, strict=True):
        last = []
        radii = {row.eps for row in own} - {None}
        for threat in threats:
            at = [row for row in own if row.eps in (None, threat.eps)]
            if suite is not None:
                last.append(worst_of_suite(bench, suite, threat, at, states[threat.eps]))
            elif len(at) > 1 and (threat.eps in radii or threat is threats[0]):
                last.append(worst_of(at, threat))
        # A worst case that only repeats rows says nothing of its own.
        flags, notes = findings([*own, *last] if suite else own, corpus.texts)
        said = ((*flags, *_shallow(bench)), notes)
        checked = (*(looked if target is first else ()), *after(own, last if suite else ()))
        found.append(_result(bench, target, name, [*own, *last], *said, checked, protocol))
    return found


def require_stopping(bench: Bench) -> None:
    """Refuse to stop early where being lost in the clean gallery says too little."""
    why = None
    if bench.preset == "official":
        why = "preset 'official' takes every step of the released programs"
    elif [target.model for target in bench.targets] != [bench.crafter.model]:
        why = "what is lost on a surrogate need not be lost on the model"
    elif matches_pairs(bench.crafter.model):
        why = "this model ranks by its matching head, not by the cosine that attacks stop by"
    if why:
        raise ValueError(f"stop_beyond={bench.stop_beyond} cannot be used: {why}; leave it out")


def _shallow(bench: Bench) -> tuple[str, ...]:
    """A flag where images were left too early for the deepest R@k."""
    deepest = max(DEPTHS)
    if bench.stop_beyond is None or bench.stop_beyond >= 2 * deepest:
        return ()
    return (
        f"Images were left with {bench.stop_beyond} clean others before the right answer: R@k is "
        f"as attacked for k well below that, and R@{deepest} of such attacks is not given.",
    )


def _result(
    bench: Bench,
    target: Victim,
    name: str,
    rows: Sequence[Row],
    flags: tuple[str, ...],
    notes: tuple[str, ...],
    checks: tuple[Check, ...],
    protocol: Mapping[str, Any],
) -> Result:
    """All rows of one target, with what they share."""
    corpus = target.corpus
    seen = {int(i) for row in rows if row.sights for i in row.sights.pictures.ravel()}
    return Result(
        model=name,
        protocol={
            "model": name,
            "gallery": corpus.name,
            "images": len(corpus),
            "captions": len(bench.owner),
            "adversarial": "queries and gallery, images and captions",
            "crafted_on": "the model itself"
            if target.model is bench.crafter.model
            else "a surrogate",
            "preset": bench.preset,
            "dtype": computes_in(target.model),
            "score": f"matching head, of the first {bench.shortlist} by cosine"
            if matches_pairs(target.model)
            else "cosine",
            "interval": "95 %, over images",
            "ties": "against the model",
            "batch_size": bench.batch_size,
            **({"stop_beyond": bench.stop_beyond} if bench.stop_beyond else {}),
            "seed": bench.seed,
            "device": jax.devices()[0].device_kind,
            "versions": versions(),
            **protocol,
        },
        rows=tuple(rows),
        flags=flags,
        notes=notes,
        checks=checks,
        shown=tuple(bench.places),
        thumbnails={i: corpus.image(i) for i in sorted(seen | set(bench.places))},
    )
