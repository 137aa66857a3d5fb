import numpy as np
import pytest
from PIL import Image

from mat_jax.data import Labelled, Source, image_folder

NAMES = "n02 hen, Gallus gallus\nn01\tgreat_white-shark\nn03 7 crane\n\nn99 left out\n"


@pytest.fixture
def train(tmp_path):
    """ImageNet's layout, but TinyImageNet's for the last class."""
    folder = tmp_path / "imagenet/train"
    files = ["n01/b.JPEG", "n01/a.JPEG", "n02/x.png", "n03/images/n03_0.JPEG"]
    for level, file in enumerate(files):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (6, 4), 10 * level).save(folder / file)
    (folder / "n03/n03_boxes.txt").write_text("n03_0.JPEG\t0\t0\t5\t3\n")
    (folder / "readme.txt").write_text("not a class")
    (tmp_path / "names.txt").write_text(NAMES)
    return folder


def test_labels_are_class_folders_in_order(train):
    source = image_folder(train)
    assert isinstance(source, Source) and source.name == "imagenet/train"
    assert source.classes == ("n01", "n02", "n03")
    assert [source.label(i) for i in range(len(source))] == [0, 0, 1, 2]
    # Files of a class in order of name, and grey ones as RGB.
    assert [int(source[i].image[0, 0, 0]) for i in range(4)] == pytest.approx(
        [10, 0, 20, 30], abs=2
    )
    assert source[0].image.shape == (4, 6, 3) and source[3].image_id == 3
    with pytest.raises(IndexError):
        source[4]


def test_names_and_prompts(train):
    source = image_folder(train, train.parents[1] / "names.txt", template="a {} on a photo")
    assert source.classes == ("great white shark", "hen", "crane")
    assert source.prompts == (
        "a great white shark on a photo",
        "a hen on a photo",
        "a crane on a photo",
    )
    assert source.captions(2) == ("a hen on a photo",) == source[2].captions


def test_the_usual_prompt_is_tecoas(train):
    assert image_folder(train).captions(0) == ("This is a photo of a n01",)


def test_bad_folders(train, tmp_path):
    with pytest.raises(FileNotFoundError, match="no image folder '/nowhere'; give the folder that"):
        image_folder("/nowhere")
    with pytest.raises(ValueError, match="holds no folders; expected one for each class"):
        image_folder(train / "n01")
    (train / "n04/deeper").mkdir(parents=True)
    (train / "n04/notes.txt").touch()
    with pytest.raises(ValueError, match=r"class folder .*n04' holds no picture \(.jpeg") as caught:
        image_folder(train)
    assert "\n" not in str(caught.value)


def test_bad_names(train, tmp_path):
    file = tmp_path / "bad.txt"
    with pytest.raises(FileNotFoundError, match=r"no file of class names .*bad\.txt"):
        image_folder(train, file)
    file.write_text("n01 shark\nn02 hen\n")
    with pytest.raises(ValueError, match="no line for the class folder 'n03'"):
        image_folder(train, file)
    file.write_text("n01 shark\nn02\n")
    with pytest.raises(ValueError, match=r"line 2 is 'n02'; expected a class folder and its name"):
        image_folder(train, file)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"labels": np.array([0, 2])}, "image 1 of 'two' has the label 2, .* expected 0 to 1"),
        ({"labels": np.array([-1, 0])}, "image 0 of 'two' has the label -1"),
        ({"labels": np.array([0])}, "1 labels for 2 images"),
        ({"template": "a photo"}, "no place for the class"),
    ],
)
def test_labels_that_are_none(change, sentence):
    given = {
        "name": "two",
        "form": "any",
        "images": np.zeros((2, 4, 4, 3), np.uint8),
        "labels": np.array([0, 1]),
        "classes": ("cat", "dog"),
    }
    assert Labelled(**given).captions(1) == ("This is a photo of a dog",)
    with pytest.raises(ValueError, match=sentence):
        Labelled(**given | change)


def test_what_editors_and_archives_leave_is_no_class_and_no_picture(train):
    expected = image_folder(train)
    for name in (".ipynb_checkpoints/a.png", "__MACOSX/a.png", "n01/._a.JPEG"):
        (train / name).parent.mkdir(exist_ok=True)
        (train / name).touch()
    found = image_folder(train)
    assert found.classes == expected.classes and len(found) == len(expected)


def test_a_folder_of_splits_is_not_taken_for_classes(train):
    (train.parent / "val").mkdir()
    with pytest.raises(ValueError, match="the folders train, val, which look like splits and not"):
        image_folder(train.parent)
