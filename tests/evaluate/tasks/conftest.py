"""What tasks are tested on: models that transformers wrote, as in `tests/models`."""

from tests.models.conftest import clip_folder as clip_folder
from tests.models.conftest import clip_tokenizer as clip_tokenizer
