"""What a scene of the embedded world is made of, and how likely each thing is.

A scene is a ground and four objects, one in each quarter of the picture. An object has a kind, a
colour, a texture, a size and a place. Kinds keep to two usual colours (an apple is red or green,
seldom blue), so a caption's words support each other, as words about photographs do.
"""

from dataclasses import dataclass

import numpy as np

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 40, 40),
    "orange": (244, 132, 28),
    "yellow": (246, 212, 46),
    "green": (62, 160, 66),
    "teal": (28, 168, 168),
    "blue": (44, 92, 214),
    "purple": (132, 62, 184),
    "pink": (246, 140, 186),
    "brown": (138, 88, 48),
    "white": (246, 246, 242),
    "grey": (142, 146, 152),
    "black": (34, 34, 40),
}

TEXTURES = ("plain", "striped", "spotted")
TEXTURE_ODDS = (0.7, 0.15, 0.15)
SIZES = ("small", "medium", "large")
SIZE_ODDS = (0.25, 0.45, 0.3)
PIXELS = {"small": 0.3, "medium": 0.37, "large": 0.45}  # side of an object, share of the picture

# Ground: its two shades (pale, dark), and the pattern `draw` lays over it.
GROUNDS: dict[str, tuple[tuple[int, int, int], tuple[int, int, int], str]] = {
    "sand": ((238, 214, 160), (196, 160, 104), "grain"),
    "grass": ((150, 204, 104), (70, 120, 56), "blades"),
    "water": ((150, 206, 236), (52, 104, 160), "waves"),
    "snow": ((240, 246, 250), (196, 210, 222), "flakes"),
    "bricks": ((208, 132, 104), (140, 72, 56), "bricks"),
    "planks": ((206, 160, 108), (128, 88, 54), "planks"),
    "sky": ((188, 218, 250), (30, 36, 72), "clouds"),
    "tiles": ((214, 214, 222), (120, 124, 136), "tiles"),
    "carpet": ((222, 168, 188), (120, 52, 84), "weave"),
    "rocks": ((186, 178, 168), (96, 90, 86), "stones"),
}

# Kind: family, usual colours. The other colours share one part in ten.
KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "apple": ("fruit", ("red", "green")),
    "banana": ("fruit", ("yellow", "green")),
    "cherry": ("fruit", ("red", "pink")),
    "grapes": ("fruit", ("purple", "green")),
    "melon": ("fruit", ("green", "orange")),
    "carrot": ("fruit", ("orange", "purple")),
    "fish": ("animal", ("orange", "blue")),
    "bird": ("animal", ("blue", "red")),
    "cat": ("animal", ("black", "grey")),
    "snail": ("animal", ("brown", "pink")),
    "crab": ("animal", ("red", "orange")),
    "butterfly": ("animal", ("purple", "yellow")),
    "turtle": ("animal", ("green", "teal")),
    "car": ("vehicle", ("red", "blue")),
    "boat": ("vehicle", ("white", "brown")),
    "train": ("vehicle", ("green", "black")),
    "plane": ("vehicle", ("white", "grey")),
    "rocket": ("vehicle", ("white", "red")),
    "balloon": ("vehicle", ("red", "yellow")),
    "bicycle": ("vehicle", ("black", "teal")),
    "tree": ("plant", ("green", "orange")),
    "flower": ("plant", ("pink", "red")),
    "cactus": ("plant", ("green", "teal")),
    "mushroom": ("plant", ("red", "brown")),
    "leaf": ("plant", ("green", "red")),
    "house": ("building", ("red", "white")),
    "tower": ("building", ("grey", "brown")),
    "tent": ("building", ("orange", "green")),
    "ball": ("toy", ("red", "blue")),
    "kite": ("toy", ("pink", "blue")),
    "drum": ("toy", ("red", "brown")),
    "crown": ("toy", ("yellow", "purple")),
    "cup": ("thing", ("white", "blue")),
    "umbrella": ("thing", ("black", "red")),
    "hat": ("thing", ("black", "brown")),
    "bell": ("thing", ("yellow", "grey")),
    "flag": ("thing", ("red", "green")),
    "star": ("shape", ("yellow", "white")),
    "heart": ("shape", ("red", "pink")),
    "moon": ("shape", ("yellow", "white")),
}


@dataclass(frozen=True)
class Thing:
    """One object. `x`, `y` are its centre and `side` its size, as shares of the picture."""

    kind: str
    colour: str
    texture: str
    size: str
    x: float
    y: float
    side: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Bounding box (x, y, width, height), shares of the picture, y downwards."""
        half = self.side / 2
        return (self.x - half, self.y - half, self.side, self.side)


@dataclass(frozen=True)
class Scene:
    """A ground in one of two shades, the objects on it, and the seed of the drawing's noise."""

    ground: str
    shade: str  # "pale" or "dark"
    things: tuple[Thing, ...]
    seed: int


def sample(rng: np.random.Generator) -> Scene:
    """Draw one scene: a ground, and four objects of different kinds."""
    ground = str(rng.choice(list(GROUNDS)))
    shade = str(rng.choice(["pale", "dark"]))
    pale, dark, _ = GROUNDS[ground]
    kinds = rng.choice(list(KINDS), size=4, replace=False)
    things: list[Thing] = []
    for quarter, kind in enumerate(kinds):
        size = str(rng.choice(SIZES, p=SIZE_ODDS))
        side = PIXELS[size]
        # An object keeps to its quarter, so none hides another.
        room = rng.uniform(side / 2, 0.5 - side / 2, size=2)
        x, y = float(room[0] + (quarter % 2) / 2), float(room[1] + (quarter // 2) / 2)
        colour = _colour(rng, str(kind), dark if shade == "dark" else pale)
        texture = str(rng.choice(TEXTURES, p=TEXTURE_ODDS))
        things.append(Thing(str(kind), colour, texture, size, x, y, side))
    return Scene(ground, shade, tuple(things), int(rng.integers(2**31)))


def _colour(rng: np.random.Generator, kind: str, ground: tuple[int, int, int]) -> str:
    """A usual colour nine times in ten, and never one that vanishes on the ground."""
    clear = [c for c in COLOURS if np.abs(np.subtract(COLOURS[c], ground)).sum() > 100]
    usual = [c for c in KINDS[kind][1] if c in clear]
    return str(rng.choice(usual if usual and rng.random() < 0.9 else clear))
