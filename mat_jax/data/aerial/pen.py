"""What sites are drawn with: lines, areas, and the things that stand on them.

Places are percent of the picture, x to the right and y downwards.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

from mat_jax.data.aerial.sites import TONES, shade

Number = int | float
Point = tuple[Number, Number]
Box = tuple[Number, Number, Number, Number]

# What the ground is, and what is no roof.
GROUND: dict[str, tuple[int, int, int]] = {
    "grass": (122, 158, 92),
    "lawn": (92, 170, 84),
    "wood": (54, 84, 50),
    "water": (62, 106, 138),
    "pool": (64, 196, 226),
    "earth": (178, 152, 116),
    "sand": (226, 204, 150),
    "field": (170, 176, 96),
    "pavement": (186, 184, 178),
    "asphalt": (104, 106, 112),
    "paint": (244, 244, 240),
    "shadow": (58, 60, 64),
}
BAND = 20.0  # percent of the picture that the neighbour takes


class Pen:
    """Draws on one picture."""

    def __init__(self, canvas: Image.Image, rng: np.random.Generator) -> None:
        self.rng, self._canvas = rng, canvas
        self._draw, self._unit = ImageDraw.Draw(canvas), canvas.width / 100

    def ground(self, name: str) -> None:
        """All of it, with its own unevenness."""
        self._fill(self._colour(name, vary=True))

    def plain(self, tone: str) -> None:
        """All of it in one tone."""
        self._fill(self._colour(tone, vary=True))

    def line(
        self, points: Sequence[Point], colour: str, width: Number, tone: str | None = None
    ) -> None:
        """Through all points; `width` is in percent too."""
        at = [(x * self._unit, y * self._unit) for x, y in points]
        wide = max(1, round(width * self._unit))
        self._draw.line(at, fill=self._colour(colour, tone), width=wide, joint="curve")

    def polygon(self, points: Sequence[Point], colour: str, tone: str | None = None) -> None:
        """The area within."""
        at = [(x * self._unit, y * self._unit) for x, y in points]
        self._draw.polygon(at, fill=self._colour(colour, tone))

    def rectangle(self, box: Box, colour: str, *, shift: Number = 0.0, vary: bool = False) -> None:
        """With its sides upright; `shift` moves it, as shadows are."""
        self._draw.rectangle(self._box(box, shift), fill=self._colour(colour, vary=vary))

    def ellipse(
        self, box: Box, colour: str, *, shift: Number = 0.0, tone: str | None = None
    ) -> None:
        """The largest in a box."""
        self._draw.ellipse(self._box(box, shift), fill=self._colour(colour, tone))

    def ring(self, box: Box, colour: str, width: Number) -> None:
        """The outline of an ellipse."""
        wide = max(1, round(width * self._unit))
        self._draw.ellipse(self._box(box), outline=self._colour(colour), width=wide)

    def pill(self, box: Box, colour: str) -> None:
        """A box with round ends."""
        x0, y0, x1, y1 = self._box(box)
        self._draw.rounded_rectangle(
            (x0, y0, x1, y1), min(x1 - x0, y1 - y0) / 2, fill=self._colour(colour)
        )

    def wedge(self, x: Number, y: Number, radius: Number, turn: int, colour: str) -> None:
        """A quarter of a disc around its tip."""
        tip = {0: (-1, -1), 90: (1, -1), 180: (1, 1), 270: (-1, 1)}[turn]
        cx, cy = x + tip[0] * 12, y + tip[1] * 12
        box = self._box((cx - radius, cy - radius, cx + radius, cy + radius))
        self._draw.pieslice(box, turn, turn + 90, fill=self._colour(colour))

    def blob(self, x: Number, y: Number, radius: Number, colour: str) -> None:
        """A disc with an uneven shore."""
        angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        start = self.rng.uniform(0, 6)
        far = radius * (1 + 0.16 * np.sin(3 * angles + start) + 0.06 * np.sin(5 * angles))
        self.polygon(
            [
                (x + r * np.cos(a), y + r * np.sin(a))
                for r, a in zip(far.tolist(), angles.tolist(), strict=True)
            ],
            colour,
        )

    def specks(self, count: int, tone: str) -> None:
        """Stones and bushes of bare ground."""
        for x, y in self.rng.uniform(0, 100, (count, 2)):
            radius = self.rng.uniform(0.8, 2.4)
            self.ellipse((x - radius, y - radius, x + radius, y + radius), "shade", tone=tone)

    def tree(self, x: Number, y: Number, tone: str) -> None:
        """A crown with its shadow."""
        radius = self.rng.uniform(3, 4.8)
        box = (x - radius, y - radius, x + radius, y + radius)
        self.ellipse(box, "shade", shift=1.4, tone=tone)
        self._draw.ellipse(self._box(box), fill=_bytes(0.82 * shade(tone, self.rng)))

    def trees(self, count: int, *, tone: str = "green", side: str | None = None) -> None:
        """Scattered over all, or over the band along one side."""
        x0, y0, x1, y1 = (0, 0, 100, 100) if side is None else band(side)
        for x, y in self.rng.uniform((x0, y0), (x1, y1), (count, 2)):
            self.tree(x, y, tone)

    def house(self, x: Number, y: Number, half: Number, tone: str) -> None:
        """A roof with a ridge, and its shadow."""
        long = half * self.rng.uniform(0.75, 1.0)
        box = (x - half, y - long, x + half, y + long)
        self.rectangle(box, "shadow", shift=1.6)
        self.rectangle(box, tone, vary=True)
        self.line([(x - half, y), (x + half, y)], "shade", 0.9, tone)

    def tower(self, x: Number, y: Number, half: Number, tone: str) -> None:
        """A tall building: a long shadow."""
        box = (x - half, y - half, x + half, y + half)
        for shift in (2, 4, 6):
            self.rectangle(box, "shadow", shift=shift)
        self.rectangle(box, tone, vary=True)
        self.rectangle((x - half / 2, y - half / 2, x + half / 2, y + half / 2), "pavement")

    def factory(self, x: Number, y: Number, tone: str) -> None:
        """A long hall with a sawtooth roof."""
        box = (x - 13, y - 9, x + 13, y + 9)
        self.rectangle(box, "shadow", shift=2.5)
        self.rectangle(box, tone, vary=True)
        for k in range(-9, 12, 5):
            self.line([(x + k, y - 9), (x + k, y + 9)], "shade", 1.2, tone)

    def plane(self, x: Number, y: Number, tone: str) -> None:
        """From nose to tail, with wings."""
        self.line([(x, y - 9), (x, y + 9)], tone, 4)
        self.line([(x - 9, y + 2), (x, y - 2), (x + 9, y + 2)], tone, 3)
        self.line([(x - 4, y + 9), (x + 4, y + 9)], tone, 2)

    def boat(self, x: Number, y: Number, tone: str) -> None:
        """A hull with a deck."""
        hull = [(x - 4, y + 9), (x + 4, y + 9), (x + 4, y - 4), (x, y - 10), (x - 4, y - 4)]
        self.polygon(hull, tone)
        self.rectangle((x - 2, y, x + 2, y + 6), "shadow")

    def band(self, side: str, ground: str) -> None:
        """The strip along one side."""
        self.rectangle(band(side), ground, vary=True)

    def row_of_houses(self, side: str) -> None:
        """Along the strip."""
        for x, y in along(side, 8, 14):
            self.house(x, y, 5, "red")

    def dashes(self, side: str) -> None:
        """The middle of a road along the strip."""
        for x, y in along(side, 4, 12):
            dx, dy = (0, 3) if side in ("left", "right") else (3, 0)
            self.line([(x - dx, y - dy), (x + dx, y + dy)], "paint", 1.4)

    def furrows(self, side: str) -> None:
        """Of the fields along the strip."""
        x0, y0, x1, y1 = band(side)
        for k in range(0, 100, 6):
            line = [(x0, k), (x1, k)] if side in ("left", "right") else [(k, y0), (k, y1)]
            self.line(line, "green", 1.8)

    def places(self, count: int, box: Box, apart: Number) -> list[Point]:
        """`count` + 1 places in a box, so far apart if chance finds them in some tries."""
        x0, y0, x1, y1 = box
        best: list[Point] = []
        for _ in range(40):
            found = self.rng.uniform((x0, y0), (x1, y1), (count + 1, 2))
            gaps = np.hypot(*(found[:, None] - found[None]).transpose(2, 0, 1))
            best = [(float(x), float(y)) for x, y in found]
            if count == 0 or gaps[~np.eye(count + 1, dtype=bool)].min() >= apart:
                return best
        rows = np.linspace(0, 1, count + 1)  # chance did not: in a row, corner to corner
        return [(x0 + float(r) * (x1 - x0), y0 + float(r) * (y1 - y0)) for r in rows]

    def _fill(self, colour: tuple[int, int, int]) -> None:
        self._draw.rectangle((0, 0, *self._canvas.size), fill=colour)

    def _box(self, box: Box, shift: Number = 0.0) -> Box:
        x0, y0, x1, y1 = ((value + shift) * self._unit for value in box)
        return x0, y0, x1, y1

    def _colour(
        self, name: str, tone: str | None = None, *, vary: bool = False
    ) -> tuple[int, int, int]:
        """A ground's, a tone's, or a tone in shade or in light."""
        if name in ("shade", "lit"):
            assert tone is not None
            return _bytes((0.72 if name == "shade" else 1.18) * np.asarray(TONES[tone], float))
        if name in TONES:
            return _bytes(shade(name, self.rng) if vary else np.asarray(TONES[name], float))
        colour = np.asarray(GROUND[name], float)
        return _bytes(colour + self.rng.normal(0, 6, 3) if vary else colour)


def band(side: str) -> Box:
    """The strip along one side of the picture."""
    return {
        "left": (0.0, 0.0, BAND, 100.0),
        "right": (100 - BAND, 0.0, 100.0, 100.0),
        "top": (0.0, 0.0, 100.0, BAND),
        "bottom": (0.0, 100 - BAND, 100.0, 100.0),
    }[side]


def along(side: str, first: Number, step: Number) -> list[Point]:
    """Places along the middle of a strip."""
    middle = BAND / 2 if side in ("left", "top") else 100 - BAND / 2
    steps = np.arange(first, 100, step).tolist()
    upright = side in ("left", "right")
    return [(middle, place) if upright else (place, middle) for place in steps]


def _bytes(colour: Float[np.ndarray, " 3"]) -> tuple[int, int, int]:
    r, g, b = (int(v) for v in np.clip(colour, 0, 255))
    return r, g, b
