"""How much a captioner still says rightly under attack: a measurement beside retrieval's."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments.study.saved import single_attacks, threat_of
from mat_jax import evaluate, models
from mat_jax.evaluate.config import Evaluation
from mat_jax.evaluate.results import Result, Row
from mat_jax.evaluate.tasks.captioning import Judged
from mat_jax.evaluate.tasks.registry import task_named
from mat_jax.evaluate.writing import Writing
from mat_jax.types.protocols import SizedModel, Tokenizer

SURROGATE = "scenes-albef"
# What is tried on the captioner itself, before the pictures that attack the surrogate's retrieval:
# away from what people say of the picture, and towards what they say of the next one.
WHITE_BOX = ("caption_away", "caption_towards")


def caption(
    asked: Evaluation,
    model: SizedModel,
    tokenizer: Tokenizer,
    *,
    name: str,
    progress: Path | None = None,
    quiet: bool = False,
) -> Result:
    """Attack every picture, let the model describe it, and ask the world what is so.

    First the captioner's own weights are used (`WHITE_BOX`), then the pictures are those with which
    `asked.attacks` break the retrieval of `SURROGATE`: MAVA's protocol across tasks.
    """
    task = task_named("captioning")
    # Greedy, as all that was recorded.
    asked = replace(asked, task="captioning", suite=None, writing=Writing(beams=1))
    folders = [None if progress is None else progress / part for part in ("own", "carried_over")]
    victim = evaluate.prepare(replace(asked, attacks=()), model, tokenizer, task=task, quiet=quiet)
    own = evaluate.evaluate(
        replace(asked, attacks=WHITE_BOX),
        model,
        tokenizer,
        name=name,
        victim=victim,
        progress=folders[0],
        quiet=quiet,
    )
    surrogate = evaluate.prepare(asked, *models.load(SURROGATE), task=task, quiet=quiet)
    across = evaluate.measure_transfer(
        asked, {SURROGATE: surrogate}, {name: victim}, progress=folders[1], quiet=quiet
    )[SURROGATE][name]
    assert isinstance(victim.examples, Judged)
    elsewhere = (*victim.examples.judges[1:], victim.examples.judges[0])
    said = own.clean.ranks.answers["agreement"]
    chance = [judge(str(text)) for judge, text in zip(elsewhere, said, strict=True)]
    return replace(
        across,
        protocol={**across.protocol, "chance": round(100 * float(np.mean(chance)), 4)},
        rows=(*single_attacks(own), *single_attacks(across)[1:]),
    )


def summary(result: Result) -> dict[str, Any]:
    """What of a measurement is kept: as `saved.summary`, with some captions to read."""
    rows: Mapping[str, Row] = {row.attack: row for row in result.rows}
    marks = {attack: row.ranks.marks["agreement"] for attack, row in rows.items()}
    return {
        "attacks": {
            attack: {
                "agreement": round(100 * row.ranks.recall("agreement", 1), 4),
                "true": round(100 * row.ranks.recall("true", 1), 4),
            }
            for attack, row in rows.items()
        },
        "found": {
            attack: {"agreement": " ".join(f"{100 * one:.2f}" for one in each)}
            for attack, each in marks.items()
        },
        "written": {
            attack: [str(text) for text in row.ranks.answers["agreement"][:4]]
            for attack, row in rows.items()
        },
        "protocol": dict(result.protocol),
        "threat": {name: threat_of(row) for name, row in rows.items()},
        "flags": list(result.flags),
        "checks": [],
        "neighbours": [],
    }
