"""A captioner of transformers, and what it is made of."""

from tests.models.conftest import bert_tokenizer as bert_tokenizer
from tests.models.conftest import blip_folder as blip_folder
from tests.models.conftest import blip_tokenizer as blip_tokenizer
