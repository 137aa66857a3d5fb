"""The studies themselves: every run is an experiment that can be built, with one budget."""

import dataclasses
from functools import cache
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from experiments.study import augmented, carry, ours, studies
from experiments.study.setting import ATTACKS
from experiments.study.tables import unique
from mat_jax import data, defenses
from mat_jax.data.scenes import Scenes
from mat_jax.defenses.cost import passes
from mat_jax.train import experiment as experiments
from mat_jax.train.optimizers import average_of
from tests.tools.narrow import some

# Of the settings of our own, and of what they are measured by; the others' are 200.
STEPS = {
    "longer": 600,
    "longest": 1200,
    "longer_plus": 264,
    "fast_plus_short": 152,
    "fast_longer": 434,
    "vision_longer": 600,
    "fast_vision_longer": 484,
    "still_longer": 1300,
}

ANSWERED = ("entailment/", "vqa/", "classes/")


@pytest.fixture(scope="module")
def built():
    """Every run's experiment; nothing is drawn or read."""

    def source(name, limit=None, **_):
        return Scenes(f"{name}:{limit}", None, 1)

    functions, found = cache(experiments.load), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load_scenes", source)
        patch.setattr(data, "retrieval_json", source)
        for run in unique(run for runs in studies.every().values() for run in runs):
            if run.study == "aerial":  # which reads files: `above_test`
                continue
            function = functions(run.config)
            found[run.key] = function(**experiments.bind(function, run.settings))
    return found


def test_all_are_measured_alike(built):
    for key, experiment in built.items():
        asked = experiment.evaluation
        if key.startswith(("grounding/", "captioning/")):
            assert (asked.eps, asked.steps, asked.words, asked.seed) == (6 / 255, 10, 1, 0), key
            continue
        if key.startswith(ANSWERED):
            assert (asked.eps, asked.steps, asked.words, asked.seed) == (2 / 255, 10, 1, 0), key
            assert asked.suite is None and asked.task in (key.split("/")[0], "zero_shot"), key
            continue
        assert asked.attacks == ATTACKS and asked.suite == "quick", key
        assert (asked.limit, asked.steps, asked.words, asked.seed) == (100, 10, 1, 0), key
        assert asked.eps == (2 / 255 if key.startswith("photographs") else 6 / 255), key
        assert experiment.model.name is not None


def test_what_a_run_asks_for_reaches_its_defence_and_its_schedule(built):
    """Every learning rate falls to 0 with the last update, but where a run asks for more."""
    runs = unique(run for runs in studies.every().values() for run in runs if not run.ingredients)
    for run in (run for run in runs if run.key in built):
        one, asked = built[run.key], dict(setting.split("=", 1) for setting in run.settings)
        mat = getattr(one.defense, "mat", one.defense)
        for name, field in (("replays", "replays"), ("pgd_steps", "steps"), ("search", "search")):
            if name in asked:
                assert str(getattr(mat, field)) == asked[name], (run.key, name)
        updates = one.steps * getattr(one.defense, "replays", 1)
        if run.study == "classes":  # one rate, as MMCoA's program has it
            assert float(one.schedule(0)) == float(one.schedule(updates)) == np.float32(1e-4)
            continue
        last = float(one.schedule(updates)) / 6e-4
        assert (last > 0.5) if asked.get("horizon") == "3" else (last < 1e-3), (run.key, last)


def test_all_of_the_main_table_have_one_budget(built):
    main = {key: one for key, one in built.items() if key.startswith("main/")}
    assert len(main) == 22
    assert {(one.steps, one.batch_size) for one in main.values()} == {(200, 64)}
    for key, one in main.items():
        assert one.model.name == ("scenes-clip" if "/clip-" in key else "scenes-albef")
        attack = getattr(one.defense, "mat", getattr(one.defense, "fare", one.defense))
        if hasattr(attack, "eps"):
            assert (attack.eps, attack.steps) == (6 / 255, 2), key
        # Trained with all captions, or, by classes, on the same pictures with their prompts.
        kinds = isinstance(one.data, data.Kinds)
        assert kinds == key.endswith(("-tecoa", "-mmcoa")), key
        assert (one.data.scenes if kinds else one.data).name == "scenes/train:4000", key


def test_gently_is_a_tenth_of_the_learning_rate_and_nothing_else(built):
    gentle = studies.every()["gentle"]
    assert {run.name for run in gentle} == {f"clip-{n}" for n in ("tecoa", "mmcoa", "fare", "mava")}
    for run in gentle:
        one, base = built[run.key], built[f"main/{run.name}"]
        assert one.defense == base.defense and one.model == base.model
        assert (one.steps, one.batch_size) == (base.steps, base.batch_size)
        assert one.evaluation.data.name == base.evaluation.data.name
        for update in (1, 20, 100, 199):
            usual = float(base.schedule(update))
            assert float(one.schedule(update)) == pytest.approx(usual / 10, rel=1e-5)


def test_longer_is_in_as_much_computing_as_mat_and_nothing_else(built):
    longer = studies.every()["longer"]
    assert {run.name for run in longer} == {f"clip-{n}" for n in ("tecoa", "tecoa_itr", "fare")}
    for run in longer:
        one, base = built[run.key], built[f"main/{run.name}"]
        assert one.defense == base.defense and one.batch_size == base.batch_size
        assert one.steps == 2 * base.steps
        # TeCoA has no captions beside its pictures, and forty prompts for a whole batch.
        share = 0.9 if run.name == "clip-tecoa" else 1.0
        assert _cost(one) == pytest.approx(share * _cost(built["main/clip-mat"]), rel=0.03)


def test_a_strategy_moves_one_axis_of_mat(built):
    base = built["main/clip-mat"]
    for run in studies.strategies():
        one = built[run.key]
        moved = [_changed(base.defense, one.defense), one.lora is not None, _averages(one)]
        assert sum(moved) == (run.name != "mat"), (run.key, moved)
        short = run.name == "replays_3_short"
        assert (one.batch_size, one.data.name) == (32, base.data.name)
        assert one.steps == (67 if short else 200)


def test_gradient_reuse_is_measured_with_as_many_batches_and_as_many_updates(built):
    many, few = (built[f"strategies/{name}"] for name in ("replays_3", "replays_3_short"))
    assert many.defense == few.defense
    assert many.steps == 200  # of three updates each
    assert few.steps * few.defense.replays == pytest.approx(200, abs=1)


def test_what_costs_more_stands_beside_what_takes_more_steps_in_as_much_computing(built):
    def cost(run):
        return _cost(built[run])

    shorter_ones = {"longer": "clip-mat", "longest": "clip-mat", "longer_plus": "clip-mat_plus"}
    for name, shorter in shorter_ones.items():
        assert built[f"beyond/test-{name}"].defense == built[f"main/{shorter}"].defense
    assert cost("beyond/test-longer") == pytest.approx(cost("main/clip-mat_plus"), rel=0.02)
    assert cost("beyond/test-fast_plus") == pytest.approx(cost("beyond/test-longer_plus"), rel=0.02)
    soup = sum(cost(f"beyond/val-{name}") for name in ours.SOUPS["soup_longer"][1])
    assert cost("beyond/test-longest") == pytest.approx(soup, rel=0.05)
    for name in ("fast_plus_short", "fast_longer", "fast_vision_longer"):
        assert cost(f"beyond/val-{name}") == pytest.approx(cost("main/clip-mat_plus"), rel=0.02)
    for name in ("vision_longer", "still_longer"):
        assert cost(f"beyond/val-{name}") <= cost("main/clip-mat_plus")


def _cost(experiment, image=0.054, caption=0.021):  # GF of a pass, `benchmarks/README.md`
    """The computing of a training, counted in steps of fine-tuning."""
    passed = passes(experiment.defense, batch_size=experiment.batch_size)
    return experiment.steps * passed.relative(image, caption)


def _changed(one, other):
    """How many of the settings of two defences differ."""
    return sum(_of(one, field) != _of(other, field) for field in dataclasses.fields(one))


def _averages(experiment):
    weights = {"kernel": jnp.ones((2, 2))}
    return average_of(experiment.optimizer.init(weights)) is not None


def test_every_axis_has_runs_and_mat_is_on_it():
    runs = {run.name for run in studies.every()["strategies"]}
    assert studies.STRATEGIES.keys() == studies.DEFAULTS.keys()
    assert {name for axis in studies.STRATEGIES.values() for name in axis} | {"mat"} == runs


def _of(defense, field):
    return getattr(defense, field.name)


def test_what_is_ours_is_chosen_where_it_is_not_reported(built):
    """Same budget and data as MAT; the choice is made on other scenes than the test's."""
    assert built["beyond/val-mat"].defense == built["main/clip-mat"].defense
    for run in ours.beyond():
        base = built["main/albef-mat" if run.name.startswith("albef-") else "main/clip-mat"]
        one, (split, name) = built[run.key], run.name.removeprefix("albef-").split("-", 1)
        assert run.settings[-1] == f"split={split}"
        assert [name in these for these in (ours.BEYOND, ours.SOUPS, ours.LONGER)].count(True) == 1
        assert one.steps == STEPS.get(name, 200)
        assert one.batch_size == 64
        if run.manifest:  # pictures beside just these scenes
            assert run.manifest[:4] == ("--data", "scenes", "--limit", "4000")
            assert f"/{run.folder}/" in one.data.name and one.defense.images == 2
        else:
            assert one.data.name == base.data.name
        if split == "test":
            assert one.evaluation.data.name == base.evaluation.data.name
        else:
            assert one.evaluation.data.name != base.evaluation.data.name
        assert one.evaluation.eps == base.evaluation.eps == 6 / 255 and one.model == base.model
        # A soup is of runs that train, with that budget too.
        assert bool(run.ingredients) == (name in ours.SOUPS)
        for part in run.ingredients:
            own = built[part.key]
            assert own.steps == STEPS.get(part.training or "", 200)
            assert (own.batch_size, own.data.name) == (64, base.data.name)
            assert part.trained and not part.ingredients


def test_mat_with_true_words_differs_by_its_words_alone(built):
    """On CLIP as a setting of ours, on ALBEF to be asked to ground phrases."""
    grounded = {run.name: run.ingredients for run in studies.grounding()}
    (run,) = grounded["true-mat_truthful"]
    assert grounded["any-mat_truthful"] == (run,)
    on_albef, _ = carry.built(run)
    for one, key in ((on_albef, "main/albef-mat"), (built["beyond/val-truthful"], "main/clip-mat")):
        base = built[key]
        assert one.substitutes == dataclasses.replace(base.substitutes, constraint="truthful")
        assert (one.defense, one.model.name) == (base.defense, base.model.name)
        assert (one.steps, one.batch_size) == (base.steps, base.batch_size)


def test_mava_without_a_part_has_the_others(built):
    whole = built["mava/whole"].defense
    assert whole == built["main/clip-mava"].defense
    assert (whole.cms, whole.vsse, whole.sca, whole.count, whole.texts) == (0.002, 0.4, 0.6, 3, 5)
    for part in ("cms", "vsse", "sca"):
        without = built[f"mava/no_{part}"].defense
        assert without == dataclasses.replace(whole, **{part: 0.0})
    assert built["mava/neighbours_0"].defense.beta == 0.0  # the attacked image alone


def test_budgets_have_as_many_pictures_a_step_and_pairs_to_draw_from(built):
    captions = {name: built[f"budget/{name}"].data for name in studies.BUDGET}
    assert (
        captions["original"].count == 1 and captions["original"].source.name == "scenes/train:800"
    )
    assert captions["pairs"].count == captions["one_to_many"].count == 5
    assert captions["new"].count == 1 and captions["new"].source.name == "scenes/train:4000"
    assert built["budget/pairs"].defense == built["budget/original"].defense
    whole, averaged = built["budget/one_to_many"], built["budget/averaged"]
    assert averaged.defense == dataclasses.replace(whole.defense, use="average")
    assert averaged.data.count == whole.data.count and averaged.steps == whole.steps
    assert built["budget/one_to_many_short"].steps * 5 == built["budget/pairs"].steps


def test_what_is_on_both_models_differs_by_the_model_alone(built):
    for study, runs in (("budget", 6), ("augmentations", 12)):
        on_albef = [key for key in built if key.startswith(f"{study}/albef-")]
        assert len(on_albef) == runs
        for key in on_albef:
            one, base = built[key], built[key.replace("albef-", "")]
            assert (one.model.name, base.model.name) == ("scenes-albef", "scenes-clip")
            assert (one.defense, one.steps) == (base.defense, base.steps), key
            assert (one.batch_size, one.data.name) == (base.batch_size, base.data.name), key


def test_first_captions_are_the_first():
    from experiments.study.plan import RUNS

    module = experiments.load(RUNS / "budget.py").__globals__
    few = module["FirstCaptions"](
        SimpleNamespace(name="x", captions=lambda index: ("a", "b", "c")), 2
    )
    assert few.captions(0) == ("a", "b") and few.name == "x/first-2"


def test_partners_are_made_by_a_command_that_names_its_folder():
    run = next(run for run in augmented.augmentations() if run.name == "t_i2i_shifted")
    line = " ".join(run.manifest)
    assert line.startswith(
        "--data scenes --limit 800 --originals 1 --count 4 --how t_i2i --shift 1"
    )
    assert f"folder={run.folder}" in run.settings and some(run.folder).name == run.name
    assert {"texts=1", "images=4"} < set(run.settings)
    make, train = run.command.split(" && ")
    assert make == f"python -m mat_jax.augment {line} --out {run.folder}"
    assert train.startswith("python -m mat_jax.train --config") and f"folder={run.folder}" in train


@pytest.mark.parametrize("study", ["entailment", "vqa", "classes"])
def test_models_of_answers_train_alike_and_are_measured_on_the_same(built, study):
    own = {run.name: built[run.key] for run in studies.every()[study]}
    assert len({(one.model.name, one.steps, one.batch_size) for one in own.values()}) == 1
    for name, one in own.items():
        attack = one.defense
        if not isinstance(attack, defenses.FineTune):
            assert (attack.eps, attack.steps) == (2 / 255, 2), name
        read = {"entailment": "verdicts", "vqa": "questions"}.get(study)
        read = read or f"{name.partition('-')[2]}s"
        assert one.evaluation.data.name == f"scenes/test:300/{read}", name
    if study != "classes":
        assert {one.evaluation.constraint for one in own.values()} == {"truthful"}
