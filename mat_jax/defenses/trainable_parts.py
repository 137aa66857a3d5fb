"""Which of a model's weights a defence trains, by their names."""

from typing import Literal, get_args

Part = Literal["all", "vision", "text", "projections"]


def require_part(part: str) -> None:
    """One clear sentence for a part that does not exist."""
    if part not in get_args(Part):
        raise ValueError(f"part {part!r} is not one of {', '.join(get_args(Part))}")


def belongs(path: tuple[str, ...], part: Part) -> bool:
    """Whether a weight is of that part.

    `vision` and `text` are a tower with its projection into the shared space, `projections` the
    two projections alone. What is of neither tower (the scale, a matching head) is of `all` only.
    """
    if part == "all":
        return True
    if part == "projections":
        return path[0] in ("vision_proj", "text_proj")
    return path[0] in (part, f"{part}_proj")
