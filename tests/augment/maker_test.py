"""Partners on disk: the same whether made at once or with a stop, and as aligned as asked."""

import json
import shutil
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mat_jax.augment import Recipe, maker, picture_methods, read_manifest
from mat_jax.augment.maker import make
from mat_jax.augment.shift import plain
from mat_jax.data.scenes import Scenes, content, is_true, rewrite
from mat_jax.data.scenes import make as scene_of
from mat_jax.data.scenes.builder import SceneExample
from mat_jax.data.scenes.draw import render
from mat_jax.utils.files import alone


class Few(Scenes):
    """Some scenes from their seeds, without files."""

    def __init__(self, count=6):
        super().__init__("few", None, count)

    def __getitem__(self, index):
        return example(range(len(self))[index])


@cache
def example(index):
    scene, texts = scene_of("val", index)
    return SceneExample(render(scene, 16), texts, 100 + index, scene)


def tree(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def captions_of(how, folder, scenes=24, **settings):
    """(scene number, its originals, a partner) for every partner."""
    recipe = Recipe(data=Few(scenes), how=how, **settings)
    manifest = make(recipe, folder, quiet=True)
    return [
        (i, e.captions, text) for i, e in enumerate(manifest.entries) for text in e.partner_captions
    ]


@pytest.fixture
def photographs(tmp_path):
    """Three photographs of two sizes, two captions each, in the training form."""
    (tmp_path / "root").mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for number in range(3):
        pixels = rng.integers(0, 256, (20, 24 + 4 * (number % 2), 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"root/{number}.png")
        for text in (f"a dog number {number}", f"animal number {number} runs"):
            rows.append({"image": f"{number}.png", "caption": text, "image_id": f"f-{number}"})
    (tmp_path / "train.json").write_text(json.dumps(rows))
    return {"data": tmp_path / "train.json", "images": tmp_path / "root"}


@pytest.mark.parametrize("how", ["t_i2i", "eda"])
def test_a_stop_makes_no_difference(tmp_path, monkeypatch, how):
    recipe = Recipe(data=Few(), how=how, count=2, batch_size=2)
    whole = make(recipe, tmp_path / "whole", quiet=True)
    draws = []

    class Stopping(maker.Progress):
        def show(self, done):
            draws.append(done)
            if len(draws) == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr(maker, "Progress", Stopping)
    with pytest.raises(KeyboardInterrupt):
        make(recipe, tmp_path / "parts", quiet=True)
    with pytest.raises(FileNotFoundError, match="run its command again"):
        read_manifest(tmp_path / "parts")
    # What a killed process may leave of a picture is swept away.
    (tmp_path / "parts/images/.x.png.123").write_bytes(b"half")
    asked = []
    monkeypatch.setattr(maker, "jobs", lambda *a, jobs=maker.jobs: asked.append(a[2]) or jobs(*a))
    again = make(recipe, tmp_path / "parts", quiet=True)
    assert asked == [4, 5]  # the last two images; the first four were made
    assert tree(tmp_path / "parts") == tree(tmp_path / "whole")
    assert again.header == whole.header and len(again) == 6
    before = (tmp_path / "parts/manifest.json").stat().st_mtime_ns
    make(recipe, tmp_path / "parts", quiet=True)
    assert (tmp_path / "parts/manifest.json").stat().st_mtime_ns == before


def test_a_folder_of_another_recipe_is_refused(tmp_path):
    make(Recipe(data=Few(2), count=1), tmp_path, quiet=True)
    with pytest.raises(ValueError, match="made with count=1, not 2: choose another folder"):
        make(Recipe(data=Few(2), count=2), tmp_path, quiet=True)
    (tmp_path / "augment.json").unlink()
    with pytest.raises(ValueError, match="holds a manifest of others"):
        make(Recipe(data=Few(2), count=1), tmp_path, quiet=True)


def test_a_folder_of_other_contents_is_refused(photographs, tmp_path):
    """Images elsewhere, captions edited, another file of rewrites under the same name."""
    file, other = tmp_path / "rewrites.json", tmp_path / "other"
    file.write_text(json.dumps({f"a dog number {n}": [f"hound {n}"] for n in range(3)}))
    recipe = Recipe(**photographs, how="langrw", count=1, originals=1, file=file)
    make(recipe, tmp_path / "out", quiet=True)
    shutil.copytree(photographs["images"], other)
    with pytest.raises(ValueError, match="of images that lay elsewhere: choose another folder"):
        make(replace(recipe, images=other), tmp_path / "out", quiet=True)
    file.write_text(json.dumps({f"a dog number {n}": [f"a puppy {n}"] for n in range(3)}))
    with pytest.raises(ValueError, match="made from the file before it was changed"):
        make(recipe, tmp_path / "out", quiet=True)
    file.unlink()  # what is finished needs it no more, the rest does
    assert len(make(recipe, tmp_path / "out", quiet=True)) == 3
    (tmp_path / "out" / "manifest.json").unlink()
    with pytest.raises(FileNotFoundError, match="rewrites.json"):
        make(recipe, tmp_path / "out", quiet=True)
    drawn = tmp_path / "drawn"
    shutil.copytree(photographs["images"], drawn)
    for picture in [*drawn.iterdir()]:
        picture.rename(drawn / f"f-{picture.stem}_0.png")
    recipe = Recipe(**photographs, how="t2i", count=1, file=drawn)
    make(recipe, tmp_path / "drawn out", quiet=True)
    (drawn / "notes.txt").write_text("what is no picture changes nothing")
    make(recipe, tmp_path / "drawn out", quiet=True)
    Image.fromarray(np.zeros((3, 3, 3), np.uint8)).save(drawn / "f-0_0.png")
    with pytest.raises(ValueError, match="made from the file before it was changed"):
        make(recipe, tmp_path / "drawn out", quiet=True)


@pytest.mark.parametrize("count", [1, 2])
def test_another_program_may_have_been_there_meanwhile(tmp_path, monkeypatch, count):
    """Two start at once; the later one waits, and finds the folder finished, by any recipe."""
    one, made, write = Recipe(data=Few(2), count=1), [], maker._make

    @contextmanager
    def waited(folder):
        monkeypatch.setattr(maker, "alone", alone)
        make(replace(one, count=count), folder, quiet=True)  # the other, while this one waits
        made.clear()
        with alone(folder):
            yield

    monkeypatch.setattr(
        maker, "_make", lambda *given, **more: made.append(1) or write(*given, **more)
    )
    monkeypatch.setattr(maker, "alone", waited)
    if count == 1:
        assert len(make(one, tmp_path / "out", quiet=True)) == 2
    else:
        with pytest.raises(ValueError, match="made with count=2, not 1"):
            make(one, tmp_path / "out", quiet=True)
    assert not made


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot write in .*file.*: choose another folder"):
        make(Recipe(data=Few(2), count=1), tmp_path / "file", quiet=True)


def test_a_damaged_header_is_named(tmp_path):
    make(Recipe(data=Few(2), count=1), tmp_path, quiet=True)
    (tmp_path / "augment.json").write_text("{")
    with pytest.raises(ValueError, match=r"augment.json' is not valid JSON"):
        make(Recipe(data=Few(2), count=1), tmp_path, quiet=True)


def test_nothing_to_make_partners_of_is_a_mistake(photographs, tmp_path):
    file = tmp_path / "rewrites.json"
    file.write_text('{"a cat": ["kitten"]}')
    with pytest.raises(ValueError, match="has no rewrite of any caption, such as 'a dog number 0'"):
        make(Recipe(**photographs, how="langrw", file=file), tmp_path / "out", quiet=True)
    with pytest.raises(ValueError, match="no image has captions besides its originals"):
        make(Recipe(**photographs, how="i2t_human", originals=2), tmp_path / "out", quiet=True)
    assert not (tmp_path / "out").exists()


def test_fewer_partners_are_the_first_of_more(tmp_path):
    many = captions_of("langrw", tmp_path / "4", 5, count=4, originals=1)
    few = captions_of("langrw", tmp_path / "2", 5, count=2, originals=1)
    assert few == [one for at, one in enumerate(many) if at % 4 < 2]


def test_human_captions_are_the_others(tmp_path):
    found = captions_of("i2t_human", tmp_path, 8, count=6)
    for index in range(8):
        texts = Few(8).captions(index)
        own = [text for i, _, text in found if i == index]
        assert [o for i, o, _ in found if i == index] == [texts[:1]] * 6
        assert tuple(own[:4]) == texts[1:] and len(set(own)) == 6


def test_misaligned_partners_belong_to_others(tmp_path):
    world = Few(24)
    for share in (0.0, 0.3, 1.0):
        found = captions_of("i2t_human", tmp_path / str(share), misaligned=share)
        strange = [text not in world.captions(index) for index, _, text in found]
        assert abs(np.mean(strange) - share) < (0.13 if share == 0.3 else 1e-9)
        everything = {text for index in range(24) for text in world.captions(index)}
        assert {text for _, _, text in found} <= everything


def test_mistaken_facts_make_partners_false(tmp_path):
    truths = []
    for wrong in (0.0, 0.5):
        found = captions_of("i2t_human", tmp_path / str(wrong), wrong=wrong)
        truths.append(np.mean([is_true(text, Few(24)[i].scene) for i, _, text in found]))
    assert truths[0] > 0.75 and truths[1] < 0.15


def test_a_shift_is_apart_from_alignment(tmp_path):
    found = captions_of("langrw", tmp_path / "shift", 10, shift=1.0, count=1)
    same = captions_of("langrw", tmp_path / "none", 10, count=1)
    assert [plain(text) for _, _, text in found] == [text for _, _, text in same]
    assert not any(text == other for (*_, text), (*_, other) in zip(found, same, strict=True))
    for _, originals, text in same:
        assert content(text) == content(originals[0]) and text != originals[0]


def test_pictures_are_of_the_captions(tmp_path, monkeypatch):
    """T2I draws what `imagine` imagines, and what is on disk are those pixels."""
    drawn = []
    monkeypatch.setattr(
        picture_methods, "render", lambda scene, size: drawn.append(scene) or render(scene, size)
    )
    recipe = Recipe(data=Few(4), how="t2i", count=2, originals=2)
    manifest = make(recipe, tmp_path, quiet=True)
    for index, entry in enumerate(manifest.entries):
        scenes = drawn[2 * index : 2 * index + 2]
        assert len(entry.captions) == 2  # and they take turns
        for scene, caption, path in zip(scenes, entry.captions, entry.partner_images, strict=True):
            assert is_true(caption, scene)
            np.testing.assert_array_equal(np.asarray(Image.open(path)), render(scene, 16))
        np.testing.assert_array_equal(np.asarray(Image.open(entry.image)), Few(4)[index].image)


@pytest.mark.parametrize("how", ["t2i", "t_i2i"])
@pytest.mark.parametrize("spoiled", [{}, {"misaligned": 1.0}, {"wrong": 0.5}])
def test_the_manifest_says_of_which_drawn_pictures_the_caption_is_true(
    tmp_path, monkeypatch, how, spoiled
):
    """The caption beside which a picture stands, whosever it was drawn for."""
    drawn = []
    monkeypatch.setattr(
        picture_methods, "render", lambda scene, size: drawn.append(scene) or render(scene, size)
    )
    manifest = make(Recipe(data=Few(12), how=how, count=3, originals=2, **spoiled), tmp_path)
    scenes, kept = iter(drawn), []
    for index, entry in enumerate(manifest.entries):
        beside = [entry.captions[number % 2] for number in range(3)]  # they take turns
        expected = tuple(is_true(caption, next(scenes)) for caption in beside)
        assert entry.partner_images_true == expected
        # What is redrawn goes on being true, and not every caption is true of its scene.
        told = (how == "t2i" or is_true(caption, Few(12)[index].scene) for caption in beside)
        kept += [true for true, before in zip(expected, told, strict=True) if before]
    assert kept and (all(kept) if not spoiled else np.mean(kept) < 0.5)


def test_nobody_knows_what_is_true_of_a_picture_from_outside(photographs, tmp_path):
    recipe = Recipe(**photographs, how="randaug", count=1, size=8)
    manifest = make(recipe, tmp_path / "out", quiet=True)
    assert all(entry.partner_images_true == () for entry in manifest.entries)
    assert "true" not in (tmp_path / "out/manifest.json").read_text()


def test_photographs(photographs, tmp_path):
    manifest = make(Recipe(**photographs, how="i2t_human", count=4), tmp_path / "out", quiet=True)
    assert [entry.image_id for entry in manifest.entries] == ["f-0", "f-1", "f-2"]
    assert manifest[1].captions == ("a dog number 1",)
    assert manifest[1].partner_captions == ("animal number 1 runs",)
    assert manifest[1].image.samefile(photographs["images"] / "1.png")
    assert not (tmp_path / "out/images").exists()  # photographs are not copied


def test_partners_are_added_to_those_of_a_manifest(photographs, tmp_path):
    """So that photographs get texts and pictures: one way, then another."""
    texts = make(Recipe(**photographs, how="i2t_human", count=1), tmp_path / "texts", quiet=True)
    given = photographs | {"data": tmp_path / "texts/manifest.json", "images": tmp_path / "texts"}
    recipe = Recipe(**given, how="randaug", count=2, size=8)
    both = make(recipe, tmp_path / "both", quiet=True)
    for before, entry in zip(texts.entries, both.entries, strict=True):
        assert (entry.image_id, entry.captions) == (before.image_id, before.captions)
        assert entry.partner_captions == before.partner_captions
        assert [path.name for path in entry.partner_images] == [
            f"{entry.image_id}_{n}.png" for n in range(2)
        ]
    given |= {"data": tmp_path / "both/manifest.json", "images": tmp_path / "both"}
    more = make(Recipe(**given, how="randaug", count=1, seed=1), tmp_path / "more", quiet=True)
    for before, entry in zip(both.entries, more.entries, strict=True):
        *earlier, new = entry.partner_images
        assert [path.resolve() for path in earlier] == [p.resolve() for p in before.partner_images]
        assert new.parent == tmp_path / "more/partners" and new.is_file()


@pytest.mark.parametrize("form", ["captions by image", "Karpathy's"])
def test_other_forms_of_annotations(photographs, tmp_path, form):
    names, split = ["2.png", "0.png"], None
    if form == "Karpathy's":
        split = "val"
        contents = {
            "images": [
                {"filename": n, "split": own, "sentences": [{"raw": "a dog"}, {"raw": "a hound"}]}
                for n, own in zip(["1.png", *names], ["train", split, split], strict=True)
            ]
        }
    else:
        contents = {name: ["a dog", "a hound"] for name in names}
    file = tmp_path / "other.json"
    file.write_text(json.dumps(contents))
    recipe = Recipe(**photographs | {"data": file}, split=split, how="i2t_human", count=1)
    manifest = make(recipe, tmp_path / "out", quiet=True)
    assert [(entry.image_id, entry.image.name) for entry in manifest.entries] == [
        (0, "2.png"),
        (1, "0.png"),
    ]
    assert manifest[1].partner_captions == ("a hound",)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"how": "langrw"}, r"langrw knows what scenes hold, but not .*: give rewrites \(--file\)"),
        ({"how": "t2i"}, r"give pictures \(--file\) or a diffusion model"),
        ({"how": "eda"}, r"give a word file \(--file\) or a masked language model"),
        ({"how": "i2t_cap"}, r"give a captioner \(--model\)"),
        ({"how": "i2t_human", "wrong": 0.1}, "wrong mistakes facts of scenes"),
        (
            {"how": "eda", "strength": 0.1},
            "strength=0.1 does nothing for eda with these settings: leave",
        ),
        ({"how": "backtranslation"}, "unknown way 'backtranslation'; choose from eda, langrw"),
    ],
)
def test_what_photographs_do_not_tell(photographs, tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        make(Recipe(**photographs, **settings), tmp_path / "out", quiet=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"misaligned": 1.5}, "misaligned=1.5 is no share; choose 0 to 1"),
        ({"count": 0}, "count is 0: it must be at least 1, or left out"),
        ({"seed": -1}, "seed is -1: it must be 0 to"),
        ({"style": "oil"}, "unknown style 'oil'; choose from pastel"),
        ({"decode": "best"}, "unknown decode 'best'; choose nucleus"),
        ({"model": "a", "file": "b"}, "from a model or from a file, not both"),
    ],
)
def test_a_recipe_that_cannot_be(settings, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**settings)


def test_rewriting_is_what_langrw_does(tmp_path):
    (index, originals, text), *_ = captions_of("langrw", tmp_path, 1, count=1, seed=3)
    assert text == rewrite(originals[0], np.random.default_rng((3, 100 + index, 0)))
    assert Path(tmp_path / "augment.json").is_file()
