"""The world on disk: made once, read without TensorFlow, mended when broken."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mat_jax.data.scenes import builder, load_scenes, make
from mat_jax.data.scenes.draw import render
from mat_jax.data.scenes.oracle import is_true


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A world of 40 training scenes."""
    before = builder.SPLITS.copy()
    builder.SPLITS.update(val=10, test=10)
    yield tmp_path_factory.mktemp("world"), 40
    builder.SPLITS.update(before)


def files(root: Path) -> list[Path]:
    return sorted(root.rglob("*.array_record*"))


def test_what_is_read_is_what_was_drawn(small):
    root, train = small
    source = load_scenes("train", train=train, directory=root)
    assert len(source) == train and "tensorflow" not in sys.modules
    seen = set()
    for i in range(train):
        image, captions, image_id, scene = source[i]
        facts, texts = make("train", image_id - builder._FIRST["train"])
        assert (scene, captions) == (facts, texts)
        np.testing.assert_array_equal(image, render(facts))
        assert source.captions(i) == texts
        assert source.oracle(i)(texts[0]) == is_true(texts[0], facts)
        seen.add(image_id)
    assert len(seen) == train


def test_splits_share_no_scene(small):
    root, train = small
    ids = [
        {load_scenes(s, train=train, directory=root)[i].image_id for i in range(10)}
        for s in builder.SPLITS
    ]
    assert not (ids[0] & ids[1]) | (ids[1] & ids[2]) | (ids[0] & ids[2])


@pytest.mark.parametrize("damage", ["cut", "changed", "missing", "unsealed"])
def test_damage_is_noticed_and_mended(small, damage, capsys):
    root, train = small
    whole = load_scenes("test", train=train, directory=root)[3]
    victim = next(f for f in files(root) if "test" in f.name)
    content = victim.read_bytes()
    if damage == "cut":
        victim.write_bytes(content[: len(content) // 2])
    elif damage == "changed":
        victim.write_bytes(content[:5000] + bytes([content[5000] ^ 1]) + content[5001:])
    elif damage == "missing":
        victim.unlink()
    else:
        (victim.parent / "sealed.json").unlink()
        shutil.copytree(victim.parent, victim.parent.parent / "incomplete.ABC_1.0.0")
    again = load_scenes("test", train=train, directory=root)[3]
    assert "making it again" in capsys.readouterr().err
    assert again.captions == whole.captions
    np.testing.assert_array_equal(again.image, whole.image)
    assert not list(root.rglob("incomplete*"))


def test_two_processes_make_it_once(tmp_path):
    code = (
        "from mat_jax.data.scenes import builder, load_scenes\n"
        "builder.SPLITS.update(test=4)\n"
        f"print(len(load_scenes('test', directory={str(tmp_path)!r})))\n"
    )
    script = tmp_path / "both.py"
    script.write_text(code)
    root = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    runs = [
        subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env=environment)
        for _ in range(2)
    ]
    assert [run.communicate()[0].split()[-1] for run in runs] == [b"4", b"4"]


def test_nothing_is_left_behind_and_nothing_said(tmp_path):
    """TFDS leaves an empty `tmp*tfds` for every set it does not find; here none may, ever."""
    script, temporary = tmp_path / "one.py", tmp_path / "temporary"
    temporary.mkdir()
    script.write_text(
        "from mat_jax.data.scenes import builder, load_scenes\n"
        "builder.SPLITS.update(test=4)\n"
        f"world = load_scenes('test', directory={str(tmp_path / 'cache')!r})\n"
        "print(world[3].image.shape)\n"
    )
    root = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root), "TMPDIR": str(temporary)}
    said = []
    for _ in range(2):  # it is made, then found
        command = [sys.executable, script]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout == "(64, 64, 3)\n"
        said.append([line for line in done.stderr.splitlines() if "absl" in line])
    assert list(temporary.iterdir()) == [] and said == [[], []]


def test_a_script_without_a_guard_draws_in_several_processes(tmp_path):
    # Spawned processes must not run the script again: it would wait for the lock it holds.
    script = tmp_path / "plain.py"
    script.write_text(
        "print('begun')\n"
        "from mat_jax import data\n"
        f"print(len(data.load_scenes('train', train=1001, directory={str(tmp_path)!r})))\n"
    )
    root = Path(__file__).resolve().parents[3]
    run = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.stdout.split() == ["begun", "1001"], run.stderr


def test_a_cache_that_cannot_be_written_is_named():
    with pytest.raises(OSError, match="cache '/dev/null/x'.*MAT_JAX_CACHE"):
        load_scenes("test", directory="/dev/null/x")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "dev"}, "no split 'dev'; choose one of train, val, test"),
        ({"split": "test", "limit": 0}, "limit 0 leaves no scene"),
    ],
)
def test_bad_requests_say_what_to_do(arguments, message):
    with pytest.raises(ValueError, match=message):
        load_scenes(**arguments)


def test_the_first_scenes_are_the_same_however_many_are_drawn(tmp_path, monkeypatch, capsys):
    """No more are drawn than are wanted, and they are those that the whole split begins with."""
    monkeypatch.setattr(builder, "_LENGTHS", (3, 8))
    asked = {}
    for limit in (2, 3, 5, 40):
        asked[limit] = load_scenes("train", limit=limit, train=40, directory=tmp_path)
        assert len(asked[limit]) == limit
    drawn = [line for line in capsys.readouterr().err.splitlines() if line.startswith("drawing")]
    assert [line.split(" scenes")[0] for line in drawn] == [f"drawing {n}" for n in (3, 8, 40)]
    for limit, few in asked.items():
        for i in range(limit):
            assert few[i].image_id == asked[40][i].image_id and few[i].scene == asked[40][i].scene
            assert few[i].captions == asked[40][i].captions
            np.testing.assert_array_equal(few[i].image, asked[40][i].image)
    # What is there will do, be it longer.
    load_scenes("train", limit=1, train=40, directory=tmp_path)
    shutil.rmtree(next(path for path in tmp_path.rglob("*first-3")))
    load_scenes("train", limit=1, train=40, directory=tmp_path)
    assert "drawing" not in capsys.readouterr().err


def test_a_split_is_in_the_order_of_tfds(small):
    """The order is TFDS's, by its own hash; ours must be it, or fewer scenes would be others."""
    from tensorflow_datasets.core import hashing

    for split in ("train", "test"):
        hasher = hashing.Hasher(split)
        assert builder._order(split, 1000) == sorted(range(1000), key=hasher.hash_key)
    root, train = small
    source = load_scenes("train", train=train, directory=root)
    ids = [source[i].image_id - builder._FIRST["train"] for i in range(train)]
    assert ids == builder._order("train", train)
