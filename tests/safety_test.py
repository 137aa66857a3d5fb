"""A folder received from somebody else is safe to go on with, to measure and to load.

In every place that is read back from disk lies a file that would run a command if it were taken for
a program: a pickle, a Python module, a class named in JSON. Nothing may run, and where the file is
refused it is in one sentence. torch's own checkpoints are in `models/formats/pickles_test.py`,
and what an evaluation keeps is in `evaluate/store_test.py`.
"""

import contextlib
import gc
import io
import json
import os
import pickle
import shutil
import sys
import zipfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import mat_jax
from mat_jax import data, models
from mat_jax.data.scenes import builder, load_scenes
from mat_jax.models.files import SHIPPED
from mat_jax.models.formats import pickles
from mat_jax.train import mesh, sharding, state
from mat_jax.train.checkpoint import Checkpoints
from mat_jax.train.experiment import load
from mat_jax.train.logging import truncate

TOY = Path(__file__).parent / "toy_experiment.py"


class Bomb:
    """Its pickle touches a file when it is loaded."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return os.system, (f"touch {self.file}",)


@pytest.fixture(autouse=True)
def ran(tmp_path):
    """The file that a planted program touches; no test may end with it there."""
    file = tmp_path / "RAN"
    yield file
    assert not file.exists(), "a planted file was run"


@pytest.fixture
def bomb(ran):
    content = pickle.dumps(Bomb(ran))
    pickle.loads(content)  # it does go off
    assert ran.exists()
    ran.unlink()
    return content


@contextlib.contextmanager
def refused(planted):
    """A mistake of the planted file or folder, in one sentence that names it."""
    with pytest.raises((ValueError, OSError)) as raised:
        yield
    said = str(raised.value)
    assert str(planted) in said and "\n" not in said


DEEP = b"[" * 100_000


def contents(bomb):
    """What may be planted in any file."""
    return {"bomb": bomb, "empty": b"", "deep": DEEP, "list": b"[]", "bytes": b"\xff\xfe\x00"}


# A run ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that stands before its second and last step."""
    folder = tmp_path_factory.mktemp("run")
    mat_jax.fit(asked(), folder, mesh=1, config=TOY, quiet=True)
    shutil.rmtree(folder / "checkpoints" / "2")
    return folder


def asked():
    return load(TOY)(steps=2, checkpoint_every=1)


def go_on(folder):
    return mat_jax.fit(asked(), folder, mesh=1, config=TOY, quiet=True)


def test_a_planted_experiment_is_not_run_and_metrics_are_only_read(run, tmp_path, ran, bomb):
    folder = shutil.copytree(run, tmp_path / "run")
    (folder / "experiment.py").write_text(f"open({str(ran)!r}, 'w')")
    (folder / "conftest.py").write_text(f"open({str(ran)!r}, 'w')")
    lines = (folder / "metrics.jsonl").read_bytes().splitlines()
    planted = [bomb.replace(b"\n", b""), DEEP, b"[1]", b'{"step": "x"}', b"3"]
    (folder / "metrics.jsonl").write_bytes(b"\n".join([lines[0], *planted]) + b"\n")
    go_on(folder)
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == [1, 2]
    assert (folder / "experiment.py").read_text() == TOY.read_text()


@pytest.mark.parametrize("kind", ["bomb", "empty", "deep", "list", "bytes"])
def test_planted_settings(run, tmp_path, bomb, kind):
    folder = shutil.copytree(run, tmp_path / "run")
    (folder / "settings.json").write_bytes(contents(bomb)[kind])
    with refused(folder):
        go_on(folder)


def test_settings_do_not_speak_to_the_terminal(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    said = json.loads((folder / "settings.json").read_text())
    said["settings"]["defense"] = "\x1b]0;owned\x07\nand a second line"
    (folder / "settings.json").write_text(json.dumps(said))
    with pytest.raises(ValueError, match=r"defense was '\\x1b") as raised:
        go_on(folder)
    assert str(raised.value).isprintable()


def test_metrics_are_not_written_where_a_link_points(tmp_path):
    (tmp_path / "mine").write_text("mine\n")
    for target in ("mine", "not there"):
        link = tmp_path / "metrics.jsonl"
        link.symlink_to(tmp_path / target)
        truncate(link, 3)
        assert not link.is_symlink()
        link.unlink(missing_ok=True)
    assert (tmp_path / "mine").read_text() == "mine\n"


# Checkpoints ------------------------------------------------------------------------------------


def weights():
    found = {"vision.w": jnp.arange(8.0).reshape(2, 4), "text.w": jnp.ones(3)}
    return state.create(found, optax.adam(1e-3), lambda path: path[0] == "vision", seed=5)


def opened(folder):
    return contextlib.closing(Checkpoints(folder, every=2, keep=2))


def restored(folder):
    with opened(folder) as checkpoints:
        return checkpoints.restore(weights(), sharding.state_shardings(mesh.make(1), weights()))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    with opened(folder) as checkpoints:
        checkpoints.save(4, weights(), {"next_index": 12})
    return folder


def all_files(folder):
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


# Orbax leaves an event loop open, and calls that nobody waits for, where reading fails.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("kind", ["bomb", "empty", "deep", "list", "missing"])
def test_planted_checkpoints(checkpoint, tmp_path, bomb, kind):
    """Each file of a checkpoint replaced: it is refused, or was not needed and nothing changes."""
    refusals = 0
    assert len(all_files(checkpoint)) > 5
    for number, file in enumerate(all_files(checkpoint)):
        folder = shutil.copytree(checkpoint, tmp_path / str(number))
        (folder / file).unlink()
        if kind != "missing":
            (folder / file).write_bytes(contents(bomb)[kind])
        try:
            found, iterator = restored(folder)
        except ValueError as error:
            assert "cannot be read, it is damaged or was not written" in str(error)
            assert "\n" not in str(error) and str(folder) in str(error)
            refusals += 1
        else:
            assert iterator == {"next_index": 12}
            jax.tree.map(np.testing.assert_array_equal, found, weights())
    assert refusals >= 3
    gc.collect()  # what Orbax left is found here, and not in whatever test comes later


def test_a_checkpoint_that_names_other_classes_imports_nothing(
    checkpoint, tmp_path, monkeypatch, ran
):
    (tmp_path / "planted.py").write_text(f"open({str(ran)!r}, 'w')\nclass Type: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    folder = shutil.copytree(checkpoint, tmp_path / "checkpoints")
    for file in all_files(folder):
        if file.name in ("_METADATA", "_CHECKPOINT_METADATA", "_sharding", "process_0"):
            text = (folder / file).read_text()
            for name in ("jax.Array", "NamedSharding", "SingleDeviceSharding"):
                text = text.replace(name, "planted.Type")
            said = "orbax.checkpoint.experimental.v1._src.handlers.pytree_handler.PyTreeHandler"
            (folder / file).write_text(text.replace(said, "planted.Type"))
    with contextlib.suppress(ValueError):
        restored(folder)
    assert "planted" not in sys.modules


@pytest.mark.parametrize("notes", [{"weights": [1]}, {"weights": {}, "iterator": 3}, "x", None])
def test_planted_notes_of_a_checkpoint(checkpoint, tmp_path, notes):
    folder = shutil.copytree(checkpoint, tmp_path / "checkpoints")
    file = folder / "4" / "_CHECKPOINT_METADATA"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"custom_metadata": notes}))
    with refused(folder):
        restored(folder)


# Caches -----------------------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setitem(builder.SPLITS, "test", 4)
    before = load_scenes("test", directory=tmp_path)[3]
    (folder,) = (path.parent for path in tmp_path.rglob("sealed.json"))
    return before, folder


@pytest.mark.parametrize("file", ["features.json", "dataset_info.json"])
@pytest.mark.parametrize("kind", ["module", "bomb", "empty", "deep", "list"])
def test_planted_scenes(world, tmp_path, monkeypatch, ran, bomb, file, kind):
    """Sealed anew by whoever planted it: TFDS imports no class that is named there."""
    before, folder = world
    (tmp_path / "planted.py").write_text(f"open({str(ran)!r}, 'w')\nclass Type: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    said = (folder / file).read_text()
    if kind == "module":
        said = said.replace("tensorflow_datasets.core.features.features_dict", "planted")
        (folder / file).write_text(said.replace("FeaturesDict", "Type"))
    else:
        (folder / file).write_bytes(contents(bomb)[kind])
    (folder / "sealed.json").unlink()
    builder._seal(folder)
    after = load_scenes("test", directory=tmp_path)[3]
    assert (after.captions, after.scene) == (before.captions, before.scene)
    assert "planted" not in sys.modules


@pytest.mark.parametrize("seal", [b"{}", b"[]", b"3", DEEP])
def test_planted_seals(world, tmp_path, seal):
    before, folder = world
    (folder / "sealed.json").write_bytes(seal)
    assert load_scenes("test", directory=tmp_path)[3].captions == before.captions


WORDS = [[["x"]], [["a", "b"], "no list"], [[1], [2], [3]], {"0": []}, [["x"] * 3] * 2]


@pytest.mark.parametrize("planted", [None, DEEP, *WORDS])
def test_planted_candidates(tmp_path, bomb, planted):
    """A table that is not of these captions is made anew."""
    mlm, tokenizer = models.load("scenes-bert")
    captions = ["a red crab", "two dogs"]
    ask = (captions, tokenizer, mlm, tokenizer)
    wanted = data.build_words(*ask, candidates=2)
    data.build_words(*ask, candidates=2, cache=tmp_path)
    (file,) = tmp_path.glob("proposals-*.json")
    content = bomb if planted is None else planted
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    found = data.build_words(*ask, candidates=2, cache=tmp_path)
    assert found.vocabulary == wanted.vocabulary
    np.testing.assert_array_equal(found.substitutes, wanted.substitutes)


# Models -----------------------------------------------------------------------------------------

FILES = ["config.json", "preprocessor_config.json", "tokenizer_config.json", "model.safetensors"]


@pytest.mark.parametrize("file", [*FILES, "tokenizer.json"])
@pytest.mark.parametrize("kind", ["bomb", "empty", "deep", "list", "bytes"])
def test_planted_files_of_a_model(tmp_path, bomb, file, kind):
    folder = shutil.copytree(SHIPPED / "scenes-clip", tmp_path / "model")
    (folder / file).write_bytes(contents(bomb)[kind])
    with refused(folder):
        models.load(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "open_clip_pytorch_model.bin"])
def test_planted_weights(tmp_path, bomb, name):
    folder = shutil.copytree(SHIPPED / "scenes-clip", tmp_path / "model")
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(bomb)
    with refused(folder):
        models.load(folder)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("text_config.num_hidden_layers", 10**9),
        ("text_config.num_hidden_layers", "x"),
        ("vision_config.hidden_size", 10**30),
        ("vision_config.hidden_size", 0),
        ("vision_config.patch_size", 0),
        ("vision_config.image_size", -1),
        ("text_config.layer_norm_eps", [1]),
        ("text_config.eos_token_id", 1.5),
        ("projection_dim", {"a": 1}),
        ("model_type", ["clip"]),
        ("text_config", 3),
        ("vision_config.hidden_act", "a\nb"),
    ],
)
def test_sizes_that_no_model_has(tmp_path, path, value):
    """They are refused before a tower of a billion blocks is laid out."""
    folder = shutil.copytree(SHIPPED / "scenes-clip", tmp_path / "model")
    said = json.loads((folder / "config.json").read_text())
    *parents, name = path.split(".")
    place = said
    for parent in parents:
        place = place[parent]
    place[name] = value
    (folder / "config.json").write_text(json.dumps(said))
    with refused(folder):
        models.load(folder)


def test_a_safetensors_header_larger_than_its_file(tmp_path):
    folder = shutil.copytree(SHIPPED / "scenes-clip", tmp_path / "model")
    (folder / "model.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")
    with refused(folder):
        models.load(folder)
    huge = {"logit_scale": {"dtype": "F32", "shape": [2**60], "data_offsets": [0, 2**62]}}
    header = json.dumps(huge).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with refused(folder):
        models.load(folder)


# Instructions that call, build or import in ways that pickles seldom use.
CALLS = {
    "INST": b"(S'touch %s'\nios\nsystem\n.",
    "OBJ": b"(cos\nsystem\nS'touch %s'\no.",
    "REDUCE of getattr": b"cbuiltins\ngetattr\n(cos\nsystem\nS'__call__'\ntR(S'touch %s'\ntR.",
    "NEWOBJ_EX": b"\x80\x04cos\nsystem\n(S'touch %s'\nt}\x92.",
    "STACK_GLOBAL": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x08touch %s\x85R.",
    "dotted name": b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93)R(S'%s'\ntb.",
    "nested in an allowed call": b"ccollections\nOrderedDict\n(cos\nsystem\n(S'touch %s'\ntRtR.",
    "BUILD of __setstate__": b"cargparse\nNamespace\n)R}S'__setstate__'\ncos\nsystem\nsbS'%s'\nb.",
    "PERSID": b"Ptouch %s\n.",
    "EXT1": b"\x80\x02\x82\x01(S'touch %s'\ntR.",
    "a class of torch.jit": b"c__torch__\nA\n(S'touch %s'\ntR.",
    "copyreg": b"ccopyreg\n_reconstructor\n(cos\n_wrap_close\nc__builtin__\nobject\nNtR.%s",
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("place", ["zip", "before torch 1.6", "cifar"])
def test_pickles_that_call_in_unusual_ways(tmp_path, ran, call, place):
    content = call.replace(b"%s", str(ran).encode())
    file = tmp_path / "file.pt"
    if place == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("archive/data.pkl", content)
        with refused(file):
            pickles.read(file)
    elif place == "before torch 1.6":
        system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
        head = io.BytesIO()
        for value in (0x1950A86A20F9469CFC6C, 1001, system):
            pickle.dump(value, head, protocol=2)
        file.write_bytes(head.getvalue() + content + pickle.dumps([], protocol=2))
        with refused(file):
            pickles.read(file)
    else:
        for name in ("train", "test", "meta"):
            (tmp_path / name).write_bytes(content)
        with refused(tmp_path):
            data.cifar(tmp_path)
