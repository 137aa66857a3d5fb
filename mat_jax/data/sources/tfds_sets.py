"""Classified images of TensorFlow Datasets, by name or from a prepared folder.

TensorFlow itself is not needed: records are read as ArrayRecord, pictures decoded by PIL.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from mat_jax.data.images import decoded
from mat_jax.data.sources.labelled import TEMPLATE, Labelled, plain
from mat_jax.utils.quiet import without

HELD_OUT = ("test", "validation", "val")  # splits that are measured, the first that there is


@dataclass(frozen=True, eq=False)
class Records:
    """Pictures of records that are read when asked for."""

    records: Sequence[Any]
    feature: str
    name: str

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int, /) -> UInt8[np.ndarray, "height width 3"]:
        row = range(len(self))[index]
        return decoded(self.records[row][self.feature], f"{row} of {self.name!r}")


def tfds_images(
    name: str | Path,
    split: str | None = None,
    *,
    directory: str | Path | None = None,
    template: str = TEMPLATE,
) -> Labelled:
    """Read a set of images with one class each.

    What is not in `directory` yet is downloaded and prepared there, as ArrayRecord.

    Args:
        name: as TFDS has it, `cifar100` or `caltech101:3.0.1`; or the folder of a prepared set,
            which holds dataset_info.json.
        split: as TFDS has them, `train[80%:]` and `train+test` too; None takes the first of test,
            validation, val.
        directory: where prepared sets are kept; None is TFDS's own, ~/tensorflow_datasets.
        template: of a class's prompt, with {} for its name.

    Raises:
        ValueError: there is no such set or split, it could not be downloaded, it has no picture
            with a class, or it was prepared as other files than ArrayRecord.
    """
    import tensorflow_datasets as tfds  # here, because it is slow to import

    said = str(name)
    with without("tensorflow_datasets"):
        builder = _builder(tfds, said, directory)
        splits = tuple(builder.info.splits)
        chosen = split or next((one for one in HELD_OUT if one in splits), None)
        parts = [part.split("[")[0] for part in (chosen or "").split("+")]
        if chosen is None or not set(parts) <= set(splits):
            raise ValueError(
                f"{said!r} has no split {split or 'test'!r}; name one of "
                f"{', '.join(sorted(splits))}"
            )
        picture, label = _features(tfds, builder.info.features, said)
        undecoded = {picture: tfds.decode.SkipDecoding()}  # PIL decodes them, when asked for
        try:
            records = builder.as_data_source(split=chosen, decoders=undecoded)
        except NotImplementedError:
            raise ValueError(
                f"{said!r} was prepared as {builder.info.file_format.value}, which only TensorFlow "
                "reads: prepare it again with file_format='array_record'"
            ) from None
        labels = np.array([int(record[label]) for record in records], np.int32)
    called = f"{builder.info.name}/{chosen}"
    return Labelled(
        name=called,
        form="TensorFlow Datasets' records",
        images=Records(records, picture, called),
        labels=labels,
        classes=tuple(plain(one) for one in builder.info.features[label].names),
        template=template,
    )


def _builder(tfds: Any, said: str, directory: str | Path | None) -> Any:
    """The prepared set."""
    if (Path(said) / "dataset_info.json").is_file():
        return tfds.builder_from_directory(said)
    where = None if directory is None else str(directory)
    try:
        builder = tfds.builder(said, data_dir=where, file_format="array_record")
        builder.download_and_prepare()
    except tfds.core.DatasetNotFoundError:
        raise ValueError(
            f"TensorFlow Datasets has no set {said!r}; expected a name like cifar100, or a folder "
            "with dataset_info.json"
        ) from None
    except Exception as error:  # of the network, the archive or the disk; TFDS has many
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{said!r} is not here and could not be downloaded and prepared ({reason}): prepare it "
            "elsewhere with file_format='array_record', and give its folder"
        ) from error
    return builder


def _features(tfds: Any, features: Any, said: str) -> tuple[str, str]:
    """The names of the picture and of the class in a record."""
    pictures = [key for key, one in features.items() if isinstance(one, tfds.features.Image)]
    labels = [key for key, one in features.items() if isinstance(one, tfds.features.ClassLabel)]
    # Where there are several, the first is the set's own: "label" before "coarse_label".
    for found, usual in ((pictures, "image"), (labels, "label")):
        found.sort(key=lambda key, usual=usual: key != usual)
    if not pictures or not labels:
        raise ValueError(
            f"{said!r} has no picture with a class; its records hold {', '.join(features)}"
        )
    return pictures[0], labels[0]
