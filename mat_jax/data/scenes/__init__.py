"""The embedded world: scenes, their facts, captions, pictures, and the oracle of truth."""

from mat_jax.data.scenes.builder import Scenes as Scenes
from mat_jax.data.scenes.builder import load_scenes as load_scenes
from mat_jax.data.scenes.builder import make as make
from mat_jax.data.scenes.careless import Careless as Careless
from mat_jax.data.scenes.facts import Scene as Scene
from mat_jax.data.scenes.facts import Thing as Thing
from mat_jax.data.scenes.grammar import caption as caption
from mat_jax.data.scenes.imagining import imagine as imagine
from mat_jax.data.scenes.imagining import reimagine as reimagine
from mat_jax.data.scenes.kinds import Kinds as Kinds
from mat_jax.data.scenes.kinds import scene_classes as scene_classes
from mat_jax.data.scenes.oracle import is_true as is_true
from mat_jax.data.scenes.phrases import Phrases as Phrases
from mat_jax.data.scenes.questions import Questions as Questions
from mat_jax.data.scenes.rewriting import content as content
from mat_jax.data.scenes.rewriting import rewrite as rewrite
from mat_jax.data.scenes.verdicts import Verdicts as Verdicts
from mat_jax.data.scenes.verdicts import VerdictSets as VerdictSets
