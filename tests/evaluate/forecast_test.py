"""A forecast is what is counted afterwards."""

import numpy as np
import pytest

from mat_jax import Evaluation, evaluate
from mat_jax.evaluate import __main__ as command
from mat_jax.evaluate import crafted
from mat_jax.evaluate.forecast import Speed, forecast_lines, seconds
from mat_jax.evaluate.gallery import Bench
from mat_jax.evaluate.tasks.registry import task_named
from tests.evaluate import runner_test

toys, clip, own_cache = runner_test.toys, runner_test.clip, runner_test.own_cache


@pytest.fixture
def bench(toys, clip):
    asked = Evaluation(
        data=toys.json,
        images=toys.images,
        attacks=("none", "pgd"),
        eps=8 / 255,
        steps=2,
        limit=4,
        batch_size=2,
        checks=0,
    )
    victim = evaluate.prepare(asked, *clip, quiet=True)
    return Bench(
        evaluation=asked,
        task=task_named("retrieval"),
        crafter=victim,
        targets=(victim,),
        quiet=True,
    )


def test_passes_are_those_that_the_run_counts(bench, monkeypatch):
    none, pgd = forecast_lines(bench)
    looked = []
    real = crafted.encode_images
    monkeypatch.setattr(crafted, "encode_images", lambda m, x: looked.append(len(x)) or real(m, x))
    (threat,) = bench.evaluation.threats
    ((row, _),) = bench.measure("pgd", threat)
    spent = row.protocol["passes_per_image"]
    assert pgd.counts[0] == 4 * spent["image_forwards"] + sum(looked)
    assert pgd.counts[1] == 4 * spent["image_backwards"]
    texts = len(bench.owner)
    np.testing.assert_array_equal(none.counts, [4, 0, texts, 0])
    assert pgd.counts[2] == texts


def test_passes_grow_with_the_examples(bench):
    here, at_size = forecast_lines(bench), forecast_lines(bench, 5000)
    for line, large in zip(here, at_size, strict=True):
        np.testing.assert_allclose(large.counts, line.counts * 5000 / 4)


def test_time_is_the_sum_over_passes():
    assert seconds(np.array([10, 5, 2, 1]), Speed(1.0, 2.0, 3.0, 4.0)) == 10 + 10 + 6 + 4


def test_the_command_tells_the_cost_and_starts_nothing(toys, tmp_path, capsys):
    out = tmp_path / "report"
    status = command.main(
        f"--model {toys.clip} --data {toys.json} --images {toys.images} --attacks pgd --steps 2 "
        f"--limit 4 --forecast 50000 --out {out}".split()
    )
    printed = capsys.readouterr().out
    assert status == 0 and not out.exists()
    assert "forecast for 50000 examples" in printed
    (pgd,) = (line.split() for line in printed.splitlines() if line.startswith("pgd"))
    assert command.main(f"--model x --forecast -5 --out {out}".split()) == 2
    assert "--forecast -5: give 1 or more examples" in capsys.readouterr().err
    assert pgd[2:4] == ["300.0", "100.0"]  # 4 forwards and 2 looks, 2 backwards; in thousands
