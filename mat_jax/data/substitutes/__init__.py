"""What an attack may put in the place of a word or a letter, and constraints on it."""

from mat_jax.data.substitutes.candidates import Substitutes as Substitutes
from mat_jax.data.substitutes.candidates import WordTable as WordTable
from mat_jax.data.substitutes.candidates import build_words as build_words
from mat_jax.data.substitutes.characters import CharacterTable as CharacterTable
from mat_jax.data.substitutes.characters import Typos as Typos
from mat_jax.data.substitutes.characters import build_characters as build_characters
from mat_jax.data.substitutes.similarity import SentenceEncoder as SentenceEncoder
