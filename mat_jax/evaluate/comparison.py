"""One model measured as an `Evaluation` says, and several models side by side in one report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mat_jax import data, models
from mat_jax.evaluate import report
from mat_jax.evaluate.config import Evaluation
from mat_jax.evaluate.files import save
from mat_jax.evaluate.gallery import Victim
from mat_jax.evaluate.results import Matrix, Result
from mat_jax.evaluate.runner import evaluate
from mat_jax.evaluate.transfer import cells
from mat_jax.types.protocols import SizedModel, Tokenizer


def prepare(
    evaluation: Evaluation, model: SizedModel, tokenizer: Tokenizer, *, quiet: bool = False
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
    model: SizedModel,
    tokenizer: Tokenizer,
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
        **shared_settings(evaluation, len(corpus), protocol, quiet=quiet),
    )


def shared_settings(
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
    page = report.draw_page(results, matrix)
    save(results if matrix is None else cells(matrix), out, page, matrix)
    return out / "index.html"
