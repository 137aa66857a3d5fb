"""Experiments: settings from text, and one clear sentence for what cannot be."""

import dataclasses
from pathlib import Path
from typing import Literal

import pytest

from mat_jax import Evaluation, data, defenses
from mat_jax.train.experiment import bind, describe, differences, load, parse, show

Norm = Literal["linf", "l2"]
FILE = Path(__file__).parents[1] / "toy_experiment.py"


@pytest.mark.parametrize(
    "text, kind, value",
    [
        ("3e-5", float, 3e-5),
        ("4/255", float, 4 / 255),
        ("12", float, 12.0),
        ("12", int, 12),
        ("false", bool, False),
        ("yes", bool, True),
        ("none", str | None, None),
        ("a/b", str, "a/b"),
        ("none,sga", tuple[str, ...], ("none", "sga")),
        ("1/255,2/255", tuple[float, ...], (1 / 255, 2 / 255)),
        ("7", int | None, 7),
        ("2.5", int | float, 2.5),
        ("l2", Literal["linf", "l2"], "l2"),
        ("a.txt", Path, Path("a.txt")),
    ],
)
def test_parse(text, kind, value):
    found = parse("x", text, kind)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "setting, sentence",
    [
        ("stepz=3", "no setting 'stepz'; did you mean 'steps'"),
        ("batch_size=12.5", "batch_size must be a whole number, got '12.5'"),
        ("sgd=maybe", "sgd must be true or false, got 'maybe'"),
        ("lr=fast", "lr must be a number, 4/255 for example, got 'fast'"),
        ("eps=1/0", "eps must be a number"),
        ("lr", "--set wants name=value, got 'lr'"),
        ("zzz=1", "no setting 'zzz'; it has lr, steps"),
    ],
)
def test_a_wrong_setting_is_one_sentence(setting, sentence):
    with pytest.raises(ValueError, match=sentence) as raised:
        bind(load(FILE), [setting])
    assert "\n" not in str(raised.value)


def test_settings_move_what_hangs_on_them():
    settings = bind(load(FILE), ["eps=2/255", "steps=9", "defense=mat"])
    found = load(FILE)(**settings)
    assert isinstance(found.defense, defenses.MAT) and found.defense.eps == 2 / 255
    assert found.steps == 9


def test_help_names_the_settings_and_the_docstring():
    text = describe(load(FILE))
    assert "two blocks of colour" in text
    assert "eps: float = 8/255" in text


@pytest.mark.parametrize(
    "value, text",
    [
        *((levels / 255, f"{levels}/255") for levels in (1, 2, 3, 5, 6, 8, 10, 12, 15, 16, 17, 85)),
        ((6 / 255, 2 / 255), "6/255,2/255"),
        ([6 / 255], "6/255"),
        (("none", "sga"), "none,sga"),
        ((), "()"),
        (3e-5, "3e-05"),
        (0.2, "0.2"),  # 51/255, but nobody writes it so
        (1.0, "1"),
        (0.0, "0"),
        (-2.5, "-2.5"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
        (7, "7"),
        (None, "None"),
    ],
)
def test_settings_are_shown_as_one_would_type_them(value, text):
    assert show(value) == text


def test_what_is_shown_of_eps_is_read_back_as_the_same_number():
    for eps in (levels / 255 for levels in range(256)):
        assert parse("eps", show(eps), float) == eps


def test_help_shows_several_eps():
    def experiment(*, eps: tuple[float, ...] = (2 / 255, 6 / 255), norm: Norm = "linf"):
        """Nothing."""

    text = describe(experiment)
    assert "  eps: tuple[float, ...] = 2/255,6/255\n" in text
    assert text.endswith("  norm: Literal['linf', 'l2'] = linf")


def test_eps_outside_the_unit_interval():
    with pytest.raises(ValueError, match=r"eps 4.0 is outside \[0, 1\]"):
        load(FILE)(eps=4.0, defense="mat")
    with pytest.raises(ValueError, match=r"outside \[0, 1\]"):
        Evaluation(data=None, eps=4.0)


@pytest.mark.parametrize(
    "defense, substitutes, sentence",
    [
        (defenses.MAT(), data.Typos(), "MAT replaces words, but the substitutes are typing"),
        (defenses.LEAF(), None, r"LEAF tries 50 .* data.Typos\(positions=50\)"),
        (defenses.LEAF(), data.Substitutes(), r"LEAF tries 50 .* data.Typos\(positions=50\)"),
        (defenses.LEAF(positions=9), data.Typos(), r"tries 9 .* data.Typos\(positions=9\)"),
        (defenses.FARELEAF(), data.Typos(positions=None), r"FARELEAF tries 50 positions"),
    ],
)
def test_words_and_typing_errors_are_not_mixed_up(defense, substitutes, sentence):
    found = load(FILE)()
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(found, defense=defense, substitutes=substitutes)
    right = defenses.LEAF(positions=9), data.Typos(positions=9)
    dataclasses.replace(found, defense=right[0], substitutes=right[1])


def test_no_more_substitutes_are_tried_than_there_are():
    found = load(FILE)()
    ten = data.Substitutes(mlm="scenes-bert", candidates=10)
    for defense in (defenses.MAT(candidates=11), defenses.MATPlus(defenses.MAT(candidates=11))):
        with pytest.raises(ValueError, match=r"tries 11 substitutes of a word, .* has 10: give it"):
            dataclasses.replace(found, defense=defense, substitutes=ten)
        more = dataclasses.replace(ten, candidates=11)
        dataclasses.replace(found, defense=defense, substitutes=more)


def test_a_text_attack_without_substitutes():
    found = load(FILE)(defense="mat")
    with pytest.raises(ValueError, match="no substitutes"):
        dataclasses.replace(found, substitutes=None)


@pytest.mark.parametrize("name", ["steps", "batch_size", "log_every", "checkpoint_every"])
def test_counts_are_positive(name):
    with pytest.raises(ValueError, match=f"{name} is 0"):
        load(FILE)(**{name: 0})


def test_files_that_are_no_experiments(tmp_path):
    with pytest.raises(FileNotFoundError, match="no experiment file"):
        load(tmp_path / "missing.py")
    broken = tmp_path / "broken.py"
    broken.write_text("x = 1\ndef experiment(:\n")
    with pytest.raises(ValueError, match="line 2, is not Python"):
        load(broken)
    empty = tmp_path / "empty.py"
    empty.write_text("x = 1\n")
    with pytest.raises(ValueError, match="no function `experiment`"):
        load(empty)
    bare = tmp_path / "bare.py"
    bare.write_text("def experiment(lr):\n    pass\n")
    with pytest.raises(ValueError, match="'lr' of experiment.. has no default or no type"):
        bind(load(bare), [])


def test_differences_are_named():
    before, now = {"lr": 1e-5, "eps": 2 / 255}, {"lr": 3e-5, "eps": 2 / 255, "seed": 1}
    assert differences(before, now) == [
        "lr was 1e-05 and is now 3e-05",
        "seed was None and is now 1",
    ]
