"""How models are written down in files: names of tensors, settings, tokenizers, folders.

Nothing here builds a model or imports one; `mat_jax.models.load` and `save` bring the two together.
"""
