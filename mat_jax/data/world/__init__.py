"""The embedded world: scenes, their facts, captions, pictures, and the oracle of truth."""

from mat_jax.data.world.builder import Scenes as Scenes
from mat_jax.data.world.builder import make as make
from mat_jax.data.world.builder import scenes as scenes
from mat_jax.data.world.careless import Careless as Careless
from mat_jax.data.world.facts import Scene as Scene
from mat_jax.data.world.facts import Thing as Thing
from mat_jax.data.world.grammar import caption as caption
from mat_jax.data.world.imagining import imagine as imagine
from mat_jax.data.world.imagining import reimagine as reimagine
from mat_jax.data.world.kinds import Kinds as Kinds
from mat_jax.data.world.oracle import is_true as is_true
from mat_jax.data.world.phrases import Phrases as Phrases
from mat_jax.data.world.rewriting import content as content
from mat_jax.data.world.rewriting import rewrite as rewrite
