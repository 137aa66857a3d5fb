"""Sources of images and captions, and the way from them to batches."""

from mat_jax.data.attackable import attackable as attackable
from mat_jax.data.candidates import Substitutes as Substitutes
from mat_jax.data.candidates import WordTable as WordTable
from mat_jax.data.candidates import build_words as build_words
from mat_jax.data.characters import CharacterTable as CharacterTable
from mat_jax.data.characters import Typos as Typos
from mat_jax.data.characters import build_characters as build_characters
from mat_jax.data.cifar import cifar as cifar
from mat_jax.data.clean import clean_blip_caption as clean_blip_caption
from mat_jax.data.clean import clean_caption as clean_caption
from mat_jax.data.corpus import Corpus as Corpus
from mat_jax.data.image_folder import image_folder as image_folder
from mat_jax.data.images import read_image as read_image
from mat_jax.data.images import resize as resize
from mat_jax.data.labelled import Labelled as Labelled
from mat_jax.data.pipeline import pipeline as pipeline
from mat_jax.data.retrieval_json import RetrievalJson as RetrievalJson
from mat_jax.data.retrieval_json import retrieval_json as retrieval_json
from mat_jax.data.similarity import SentenceEncoder as SentenceEncoder
from mat_jax.data.source import Example as Example
from mat_jax.data.source import Source as Source
from mat_jax.data.texts import Texts as Texts
from mat_jax.data.texts import texts as texts
from mat_jax.data.words import TextFormat as TextFormat
from mat_jax.data.world import Kinds as Kinds
from mat_jax.data.world import scenes as scenes
