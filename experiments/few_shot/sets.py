"""The sets of the study by name, as `--train` and `--test` give them.

`cifar100` is a set of `data.PUBLISHED_SETS` from TensorFlow Datasets, `cifar100=FOLDER` the same
from files; `scenes`, `scenes:colour` and `scenes:ground` are the embedded world's.
"""

from mat_jax import data

WORLD = "scenes"


def training_set(name: str) -> data.Labelled | data.Kinds:
    """What is trained on of a set.

    Raises:
        ValueError: no such set, or nothing of it may be trained on.
    """
    world, _, trait = name.partition(":")
    if world == WORLD:
        return data.scene_classes(data.load_scenes("train", limit=4_000), trait or "kind")
    published, _, folder = name.partition("=")
    return data.published_set(published, folder or None, training=True)


def tested(name: str) -> str:
    """What `python -m mat_jax.evaluate --data` takes for a set."""
    return name if name.partition(":")[0] == WORLD else f"set:{name}"


def short(name: str) -> str:
    """A set without its folder: `cifar100`."""
    return name.partition("=")[0]
