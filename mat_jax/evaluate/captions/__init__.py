"""How near captions are to those of people: COCO's scores."""

from mat_jax.evaluate.captions.jars import meteor, require_java, spice
from mat_jax.evaluate.captions.ptb import ptb_tokens
from mat_jax.evaluate.captions.scores import CaptionScores, caption_scores

__all__ = ["CaptionScores", "caption_scores", "meteor", "ptb_tokens", "require_java", "spice"]
