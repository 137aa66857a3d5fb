"""The tokenizers that models are tested with."""

from tests.models.conftest import bert_tokenizer as bert_tokenizer
from tests.models.conftest import clip_tokenizer as clip_tokenizer
