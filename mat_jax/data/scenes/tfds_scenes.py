"""The world as a TFDS builder: ArrayRecord files, made and read without TensorFlow."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

tfds.disable_progress_bar()  # the drawing has a bar of its own


class LocalInfo(tfds.core.DatasetInfo):
    """What is known of a set that nobody else has."""

    def initialize_from_bucket(self) -> None:
        """Ask no bucket. TFDS would, and leaves a temporary folder behind at every start."""


class MatJaxScenes(tfds.core.GeneratorBasedBuilder):
    """Scenes of several objects on a ground: a picture, its captions, its facts as JSON."""

    VERSION = tfds.core.Version("1.0.0")
    # TFDS looks for a package of metadata and checksum files beside a builder; this one has none.
    pkg_dir_path = Path(__file__).parent
    url_infos: dict[str, Any] = {}  # noqa: RUF012

    def __init__(
        self, root: Path, recipe: str, splits: Callable[[], dict[str, Iterator[Any]]]
    ) -> None:
        self._splits = splits
        config = tfds.core.BuilderConfig(name=recipe, version=self.VERSION)
        super().__init__(data_dir=root, config=config, file_format="array_record")

    def _info(self) -> Any:
        # Pictures are given as PNG bytes: encoding arrays would need TensorFlow.
        return LocalInfo(
            builder=self,
            description=self.__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(64, 64, 3), encoding_format="png"),
                    "captions": tfds.features.Sequence(tfds.features.Text()),
                    "scene": tfds.features.Text(),
                    "id": np.int64,
                }
            ),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[Any]]:
        return {name: self._generate_examples(drawn) for name, drawn in self._splits().items()}

    def _generate_examples(self, drawn: Iterator[Any]) -> Iterator[Any]:
        """(key, record) of each scene, as `builder` draws them."""
        yield from drawn
