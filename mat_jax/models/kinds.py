"""What a model can do, asked before anything depends on it."""

from typing import Any


def require_encoders(model: Any, name: object) -> None:
    """Refuse a model that cannot compare images with texts."""
    if not hasattr(model, "encode_image"):
        raise ValueError(
            f"{str(name)!r} is a language model, expected one of images and texts: name a CLIP, "
            "scenes-clip for example"
        )


def require_language_model(model: Any, name: object) -> None:
    """Refuse a model that cannot say which words may stand in a place."""
    if not hasattr(model, "logits"):
        raise ValueError(
            f"{str(name)!r} is no masked language model: name a BERT, scenes-bert for example"
        )
