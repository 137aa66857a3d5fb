"""Where images and captions come from: one public format a file."""

from mat_jax.data.sources.boxed_phrases import BoxedPhrases as BoxedPhrases
from mat_jax.data.sources.captions import Texts as Texts
from mat_jax.data.sources.captions import texts as texts
from mat_jax.data.sources.cifar_pickles import cifar as cifar
from mat_jax.data.sources.class_folders import image_folder as image_folder
from mat_jax.data.sources.labelled import Labelled as Labelled
from mat_jax.data.sources.phrase_rows import grounding_json as grounding_json
from mat_jax.data.sources.refer_files import refcoco as refcoco
from mat_jax.data.sources.retrieval import RetrievalJson as RetrievalJson
from mat_jax.data.sources.retrieval import retrieval_json as retrieval_json
from mat_jax.types.arrays import Example as Example
from mat_jax.types.sources import Source as Source
