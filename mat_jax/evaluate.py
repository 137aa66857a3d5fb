"""Evaluate a model: retrieval clean and under attack, with a report.

python -m mat_jax.evaluate --model scenes-clip --data scenes --limit 300 --eps 2/255,4/255 --out DIR
python -m mat_jax.evaluate --model runs/mat/export --data test.json --images flickr30k \\
    --mlm google-bert/bert-base-uncased --attacks none --suite standard --out DIR
python -m mat_jax.evaluate --surrogate scenes-clip,scenes-albef --model scenes-clip,scenes-albef \\
    --out DIR

Several models stand side by side. With surrogates, each attack is crafted once on each surrogate
and measured on every model: a matrix, white box where the two are the same. Then the attacks of
--suite run one after another, each on the images that still stand; its cost is printed first. The
last row is the worst case of each query over everything that was measured.

Writes DIR/results.json (every number with its protocol), DIR/ranks.npz (the rank of every query)
and DIR/index.html (one page with tables, pictures and neighbours). The table is printed last.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from flax import nnx

from mat_jax import data, models, report
from mat_jax.attacks import SUITE
from mat_jax.attacks.worst_case import SUITES
from mat_jax.disk import writable
from mat_jax.encode import matches_pairs
from mat_jax.evaluation import ATTACKS, TASKS, Evaluation
from mat_jax.invariants import Broken
from mat_jax.measure import Victim, evaluate
from mat_jax.parser import Parser
from mat_jax.results import Matrix, Result
from mat_jax.saving import save
from mat_jax.table import format_cautions, format_matrix, format_table
from mat_jax.transfer import cells, columns, transfer

__all__ = [
    "Evaluation",
    "Result",
    "Victim",
    "compare",
    "evaluate",
    "format_cautions",
    "format_table",
    "measure",
    "prepare",
    "transfer",
]


def prepare(
    evaluation: Evaluation, model: Any, tokenizer: Any, *, quiet: bool = False
) -> data.Corpus:
    """The gallery of an evaluation for one model, with candidates if an attack changes words."""
    substitutes = evaluation.substitutes if evaluation.on_text else None
    corpus = data.Corpus.prepare(
        evaluation.source(),
        tokenizer,
        image_size=model.config.image_size,
        fit=model.pixels.fit,
        captions_per_image=evaluation.captions_per_image,
    )
    return data.attackable(corpus, substitutes, tokenizer, progress=not quiet)


def measure(
    evaluation: Evaluation,
    model: nnx.Module,
    tokenizer: Any,
    *,
    name: str,
    corpus: data.Corpus | None = None,
    surrogate: Victim | None = None,
    protocol: Mapping[str, Any] | None = None,
    quiet: bool = False,
) -> Result:
    """Measure one model as an evaluation says.

    Args:
        evaluation: what to measure.
        model, tokenizer: whom.
        name: of the model in tables.
        corpus: from `prepare`, to be shared by models with one tokenizer and image size.
        surrogate: craft on this model, with its own prepared corpus, and transfer.
        protocol: further facts to be written beside every number.
        quiet: no progress line.
    """
    if corpus is None:
        corpus = prepare(evaluation, model, tokenizer, quiet=quiet)
    return evaluate(
        model,
        corpus,
        tokenizer=tokenizer,
        threat=evaluation.threats,
        attacks=evaluation.attacks,
        suite=evaluation.suite,
        stop_beyond=evaluation.stop_beyond,
        name=name,
        surrogate=surrogate,
        checks=evaluation.checks,
        **_settings(evaluation, len(corpus), protocol, quiet=quiet),
    )


def _settings(
    evaluation: Evaluation,
    images: int,
    protocol: Mapping[str, Any] | None = None,
    *,
    quiet: bool = False,
) -> dict[str, Any]:
    """What `evaluate` and `transfer` are told alike."""
    encoder = None
    if evaluation.encoder is not None:
        encoder = data.SentenceEncoder(*models.load(str(evaluation.encoder)))
    return {
        "preset": evaluation.preset,
        "batch_size": min(evaluation.batch_size or 32, images),
        "shortlist": evaluation.shortlist,
        "seed": evaluation.seed,
        "encoder": encoder,
        "protocol": {**evaluation.facts, **(protocol or {})},
        "shown": evaluation.shown,
        "quiet": quiet,
    }


def compare(
    results: Mapping[str, Result], out: str | Path, *, matrix: Matrix | None = None
) -> Path:
    """Write `results.json`, `ranks.npz` and `index.html` of one or several models, side by side.

    Args:
        results: name -> what was measured, the undefended model first; all over the same gallery
            and with the same attacks.
        out: folder, made if need be.
        matrix: of transfers, to be written with them; its cells go to the files all the same.

    Returns:
        The page's path.

    Raises:
        ValueError: results that cannot stand side by side.
        OSError: the folder cannot be written.
    """
    first = next(iter(results.values()), None)
    if first is None:
        raise ValueError("there is nothing to compare: give at least one result")
    for name, result in results.items():
        if [row.name for row in result.rows] != [row.name for row in first.rows]:
            raise ValueError(f"{name!r} was measured under other attacks than {first.model!r}")
        if result.clean.ranks.owner.tolist() != first.clean.ranks.owner.tolist():
            raise ValueError(f"{name!r} was measured on another gallery than {first.model!r}")
    out = Path(out)
    page = report.page(results, matrix)
    save(results if matrix is None else cells(matrix), out, page, matrix)
    return out / "index.html"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit status; a mistake is one sentence and status 2."""
    try:
        print(_run(_parser().parse_args(arguments)))
    except (ValueError, OSError, Broken) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; nothing was written", file=sys.stderr)
        return 130
    return 0


def _run(given: argparse.Namespace) -> str:
    out = writable(Path(given.out))
    attacks = tuple(dict.fromkeys(("none", *_list(given.attacks))))
    evaluation = Evaluation(
        data=given.data,
        images=given.images,
        attacks=attacks,
        suite=_suite(given, attacks),
        eps=tuple(_number("--eps", text) for text in _list(given.eps)),
        norm=given.norm,
        steps=given.steps,
        step_size=None if given.step_size is None else _number("--step-size", given.step_size),
        words=given.words,
        candidates=given.candidates,
        mlm=given.mlm,
        constraint=given.constraint,
        similarity=given.similarity,
        encoder=given.encoder,
        preset=given.preset,
        limit=given.limit,
        shortlist=given.shortlist,
        batch_size=given.batch_size,
        seed=given.seed,
        checks=given.checks,
        stop_beyond=given.stop_beyond,
    )
    targets, surrogates = _list(given.model), _list(given.surrogate or "")
    if surrogates and evaluation.suite is not None:
        raise ValueError(
            f"the suite {evaluation.suite!r} attacks what still stands of the model itself: leave "
            "out --suite, or --surrogate"
        )
    if surrogates and evaluation.stop_beyond is not None:
        raise ValueError(
            "what is lost on a surrogate need not be lost on the model: leave out --stop-beyond, "
            "or --surrogate"
        )
    names = _names([*targets, *surrogates])
    attacked = surrogates or targets
    without = replace(evaluation, attacks=("none",))
    victims = {
        name: _victim(path, evaluation if path in attacked else without, given.dtype)
        for path, name in names.items()
    }
    fusing = [name for name, victim in victims.items() if matches_pairs(victim.model)]
    if fusing and evaluation.stop_beyond is not None:
        raise ValueError(
            f"{fusing[0]} ranks by its matching head, not by the cosine that attacks stop by: "
            "leave out --stop-beyond"
        )
    found: Matrix | None = None
    if surrogates:
        found = transfer(
            {names[path]: victims[names[path]] for path in surrogates},
            {names[path]: victims[names[path]] for path in targets},
            threats=evaluation.threats,
            attacks=evaluation.attacks,
            checks=evaluation.checks,
            **_settings(evaluation, len(next(iter(victims.values())).corpus)),
        )
        results = columns(found)
    else:
        results = {
            name: measure(evaluation, model, tokenizer, name=name, corpus=corpus)
            for name, (model, tokenizer, corpus) in victims.items()
        }
    path = compare(results, out, matrix=found)
    every = results if found is None else cells(found)
    tables = format_table(results)
    if found is not None and len(every) > 1:
        tables = f"{tables}\n\n{format_matrix(found)}"
    return f"{format_cautions(every)}report: {path}\n\n{tables}"


def _suite(given: argparse.Namespace, attacks: Sequence[str]) -> str | None:
    """The suite asked for; the cheap one where words are attacked anyway, on the model itself."""
    if given.suite is not None:
        return None if given.suite == "none" else given.suite
    words = any(name in SUITE and SUITE[name].on_text for name in attacks)
    return "quick" if words and not given.surrogate else None


def _names(given: Sequence[str]) -> dict[str, str]:
    """What models are called: the last part of their path, or all of it where two are alike."""
    paths = dict.fromkeys(given)
    short = [Path(path).name or path for path in paths]
    return {
        path: name if short.count(name) == 1 else path
        for path, name in zip(paths, short, strict=True)
    }


def _victim(path: str, evaluation: Evaluation, dtype: str | None) -> Victim:
    """A model, loaded, with its gallery."""
    model, tokenizer = models.load(path, dtype=dtype)
    models.require_encoders(model, path)
    return Victim(model, tokenizer, prepare(evaluation, model, tokenizer))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m mat_jax.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--model",
        required=True,
        help="folder in Hugging Face layout, shipped name or hub id; or several: a,b",
    )
    add("--surrogate", help="craft the attacks on this model, or several, and measure on --model")
    add("--task", choices=TASKS, default="retrieval")
    add("--attacks", default=",".join(ATTACKS), help=f"comma-separated, of {', '.join(SUITE)}")
    add(
        "--suite",
        help=f"then attack what still stands: {', '.join(SUITES)}, or none; default: quick where "
        "words are attacked",
    )
    add("--eps", default="2/255", help="radius, or several: 2/255,4/255")
    add("--norm", default="linf", choices=("linf", "l2"))
    add("--steps", type=int, default=10, help="steps of the image attacks")
    add("--step-size", help="of the image attacks; default: each attack's own")
    add("--words", type=int, default=1, help="words of a caption that may change")
    add("--candidates", type=int, default=10, help="substitutes tried for a word")
    add(
        "--mlm", help="masked language model: folder, shipped name, hub id; for scenes: scenes-bert"
    )
    add("--constraint", default="none", choices=("none", "truthful", "similar"))
    add("--similarity", type=float, default=0.8, help="least cosine, for --constraint similar")
    add("--encoder", help="text model that judges similarity: folder, shipped name, hub id")
    add("--preset", default="strict", choices=("strict", "official"))
    add("--data", default="scenes", help="scenes, or a retrieval JSON file")
    add("--images", help="image root of the JSON file")
    add("--limit", type=int, help="only the first so many images")
    add("--shortlist", type=int, default=128, help="how many ALBEF, TCL and BLIP put in order")
    add("--dtype", choices=("float32", "bfloat16"), help="what models compute in")
    add("--batch-size", type=int, help="images attacked at once; default: 32")
    add("--seed", type=int, default=0)
    add("--checks", type=int, default=16, help="images that are checked first; 0 for none")
    add(
        "--stop-beyond",
        type=int,
        help="fast mode: leave images whose queries all have so many clean others before them",
    )
    add("--out", required=True, help="folder for results.json, ranks.npz and index.html")
    return parser


def _list(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _number(name: str, text: str) -> float:
    try:
        return float(Fraction(text))
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{name} must be a number, 4/255 for example, got {text!r}") from None


if __name__ == "__main__":
    sys.exit(main())
