"""Pictures of sites from above, drawn large and shrunk."""

from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageFilter

from mat_jax.data.aerial.pen import Pen
from mat_jax.data.aerial.sites import Site

_SCALE = 3  # drawn three times too large, then shrunk: smooth edges at little cost


def render(
    site: Site, size: int = 64, *, painted: bool = False
) -> UInt8[np.ndarray, "size size 3"]:
    """Draw a site: the same site always gives the same picture.

    Args:
        site: what is drawn.
        size: pixels along a side.
        painted: in the manner of a text-to-image model: richer colours, and no haze or noise.
    """
    rng = np.random.default_rng(site.seed)
    canvas = Image.new("RGB", (size * _SCALE, size * _SCALE))
    pen = Pen(canvas, rng)
    SITES[site.kind](pen, site)
    _neighbour(pen, site)
    picture = canvas.resize((size, size), Image.Resampling.BOX)
    if painted:
        grey = np.asarray(picture.convert("L"), np.float32)[..., None]
        rich = grey + 1.5 * (np.asarray(picture, np.float32) - grey)
        return np.clip(np.round(1.08 * rich), 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        picture = picture.filter(ImageFilter.GaussianBlur(0.5))
    pixels = np.asarray(picture, np.float32) * rng.uniform(0.82, 1.02) + rng.uniform(0, 14)
    return np.clip(np.round(pixels + rng.normal(0, 4, pixels.shape)), 0, 255).astype(np.uint8)


def _neighbour(pen: Pen, site: Site) -> None:
    """What lies beside: a band of a fifth of the picture along one side."""
    match site.neighbour:
        case "trees":
            pen.band(site.side, "grass")
            pen.trees(26, side=site.side)
        case "houses":
            pen.band(site.side, "pavement")
            pen.row_of_houses(site.side)
        case "a road":
            pen.band(site.side, "asphalt")
            pen.dashes(site.side)
        case "water":
            pen.band(site.side, "water")
        case "fields":
            pen.band(site.side, "field")
            pen.furrows(site.side)
        case _:
            pen.band(site.side, "sand")


def _airport(pen: Pen, site: Site) -> None:
    pen.ground("grass")
    pen.line([(0, 78), (100, 62)], "asphalt", 12)
    pen.line([(0, 78), (100, 62)], "paint", 0.8)
    pen.rectangle((18, 18, 82, 58), "pavement")
    for x, y in pen.places(site.count, (26, 26, 74, 50), 20):
        pen.plane(x, y, site.tone)


def _bareland(pen: Pen, site: Site) -> None:
    pen.plain(site.tone)
    pen.specks(60, site.tone)


def _baseball(pen: Pen, site: Site) -> None:
    pen.ground("grass")
    for x, y in pen.places(site.count, (30, 35, 70, 75), 40):
        turn = int(pen.rng.integers(4)) * 90
        pen.wedge(x, y, 34, turn, "lawn")
        pen.wedge(x, y, 19, turn, site.tone)
        pen.wedge(x, y, 11, turn, "lawn")


def _beach(pen: Pen, site: Site) -> None:
    pen.plain(site.tone)
    shore = [(x, 52 + 6 * np.sin(x / 17 + site.seed % 7)) for x in range(-5, 110, 5)]
    pen.polygon([*shore, (105, 105), (-5, 105)], "water")
    pen.line(shore, "paint", 3)


def _bridge(pen: Pen, site: Site) -> None:
    pen.ground("water")
    tilt = pen.rng.uniform(-14, 14)
    for place in range(site.count + 1):
        x = 50 if site.count == 0 else (34, 66)[place]
        pen.line([(x - tilt, -5), (x + tilt, 105)], site.tone, 11)
        pen.line([(x - tilt, -5), (x + tilt, 105)], "asphalt", 5)


def _center(pen: Pen, site: Site) -> None:
    pen.ground("pavement")
    pen.ellipse((16, 22, 84, 78), "shadow", shift=3)
    pen.ellipse((16, 22, 84, 78), site.tone)
    for inset in (9, 18):
        pen.ring((16 + inset, 22 + inset * 0.8, 84 - inset, 78 - inset * 0.8), "shadow", 1.5)


def _church(pen: Pen, site: Site) -> None:
    pen.ground("pavement")
    pen.trees(10)
    for colour, shift in (("shadow", 3.0), (site.tone, 0.0)):
        pen.rectangle((42, 20, 58, 82), colour, shift=shift)
        pen.rectangle((26, 36, 74, 50), colour, shift=shift)
    pen.ellipse((44, 36, 56, 50), "paint")


def _commercial(pen: Pen, site: Site) -> None:
    pen.ground("asphalt")
    for x in (24, 50, 76):
        for y in (24, 50, 76):
            pen.tower(x, y, pen.rng.uniform(7, 10), site.tone)


def _dense(pen: Pen, site: Site) -> None:
    pen.ground("asphalt")
    for x in range(6, 100, 11):
        for y in range(6, 100, 11):
            pen.house(x, y, 4.4, site.tone)


def _desert(pen: Pen, site: Site) -> None:
    pen.plain(site.tone)
    bend = pen.rng.uniform(12, 20)
    for y in range(-10, 110, 13):
        pen.line(
            [(x, y + 5 * np.sin(x / bend + y)) for x in range(-5, 110, 5)], "shade", 2.5, site.tone
        )


def _farmland(pen: Pen, site: Site) -> None:
    pen.plain(site.tone)
    for x0, y0 in ((0, 0), (50, 0), (0, 50), (50, 50)):
        upright = pen.rng.random() < 0.5
        for k in range(2, 50, 7):
            line = (
                [(x0 + k, y0), (x0 + k, y0 + 49)] if upright else [(x0, y0 + k), (x0 + 49, y0 + k)]
            )
            pen.line(line, "shade", 2.6, site.tone)
    pen.line([(50, 0), (50, 100)], "earth", 2.5)
    pen.line([(0, 50), (100, 50)], "earth", 2.5)


def _forest(pen: Pen, site: Site) -> None:
    pen.ground("wood")
    pen.trees(150, tone=site.tone)


def _industrial(pen: Pen, site: Site) -> None:
    pen.ground("pavement")
    for x, y in pen.places(site.count, (30, 28, 70, 72), 30):
        pen.factory(x, y, site.tone)


def _meadow(pen: Pen, site: Site) -> None:
    pen.plain(site.tone)
    for _ in range(5):
        x, y = pen.rng.uniform(10, 90, 2)
        pen.ellipse((x - 14, y - 9, x + 14, y + 9), "shade", tone=site.tone)


def _medium(pen: Pen, site: Site) -> None:
    pen.ground("grass")
    pen.line([(0, 50), (100, 50)], "asphalt", 7)
    for x in range(14, 100, 24):
        for y in (16, 36, 64, 84):
            pen.house(x, y, 6.5, site.tone)
            pen.tree(x + 11, y + 3, "green")


def _mountain(pen: Pen, site: Site) -> None:
    pen.plain(site.tone)
    for _ in range(7):
        x, y = pen.rng.uniform(0, 100, 2)
        high = pen.rng.uniform(22, 38)
        pen.polygon(
            [(x, y - high / 2), (x - 22, y + high / 2), (x, y + high / 3)], "lit", site.tone
        )
        pen.polygon(
            [(x, y - high / 2), (x + 20, y + high / 2), (x, y + high / 3)], "shade", site.tone
        )


def _park(pen: Pen, site: Site) -> None:
    pen.plain(site.tone)
    pen.trees(24, tone="green")
    pen.ellipse((34, 38, 66, 64), "water")
    pen.ring((26, 30, 74, 72), "earth", 3)
    pen.line([(0, 20), (32, 38)], "earth", 3)
    pen.line([(66, 66), (100, 92)], "earth", 3)


def _parking(pen: Pen, site: Site) -> None:
    pen.ground("asphalt")
    for y in range(12, 100, 19):
        pen.line([(0, y + 7.5), (100, y + 7.5)], "paint", 0.8)
        for x in range(6, 100, 8):
            if pen.rng.random() < 0.85:
                pen.rectangle((x - 2.4, y - 5, x + 2.4, y + 5), site.tone, vary=True)


def _playground(pen: Pen, site: Site) -> None:
    pen.ground("pavement")
    pen.pill((18, 26, 82, 74), site.tone)
    pen.pill((27, 35, 73, 65), "lawn")
    pen.line([(50, 35), (50, 65)], "paint", 1)


def _pond(pen: Pen, site: Site) -> None:
    pen.ground("earth")
    radius = (26, 17, 14)[site.count]
    for x, y in pen.places(site.count, (30, 30, 70, 70), 2 * radius):
        pen.blob(x, y, radius, site.tone)


def _port(pen: Pen, site: Site) -> None:
    pen.ground("water")
    pen.rectangle((0, 0, 100, 22), "pavement")
    for x in (30, 66):
        pen.rectangle((x, 22, x + 5, 88), "pavement")
    for x, y in pen.places(site.count, (16, 36, 88, 80), 17):
        pen.boat(x, y, site.tone)


def _railway(pen: Pen, site: Site) -> None:
    pen.ground("earth")
    for x in range(8, 100, 9):
        pen.line([(x, 0), (x, 100)], "dark", 1.6)
    pen.rectangle((22, 40, 84, 62), "shadow", shift=3)
    pen.rectangle((22, 40, 84, 62), site.tone)


def _resort(pen: Pen, site: Site) -> None:
    pen.ground("lawn")
    pen.trees(14)
    pen.blob(50, 54, 13, "pool")
    ring = ((26, 30), (74, 30), (26, 76), (74, 76))
    for x, y in ring[: site.count + 1]:
        pen.house(x, y, 8.5, site.tone)


def _river(pen: Pen, site: Site) -> None:
    pen.ground("grass")
    pen.trees(16)
    bend, start = pen.rng.uniform(14, 22), pen.rng.uniform(0, 6)
    path = [(50 + 18 * np.sin(y / bend + start), y) for y in range(-5, 110, 5)]
    pen.line(path, "earth", 22)
    pen.line(path, site.tone, 18)


def _school(pen: Pen, site: Site) -> None:
    pen.ground("pavement")
    for colour, shift in (("shadow", 3.0), (site.tone, 0.0)):
        pen.rectangle((20, 24, 80, 36), colour, shift=shift)
        pen.rectangle((20, 24, 32, 78), colour, shift=shift)
        pen.rectangle((68, 24, 80, 78), colour, shift=shift)
    pen.pill((38, 46, 62, 78), "lawn")


def _sparse(pen: Pen, site: Site) -> None:
    pen.ground("grass")
    pen.trees(22)
    for x, y in pen.places(site.count, (28, 28, 72, 72), 26):
        pen.house(x, y, 7.5, site.tone)


def _square(pen: Pen, site: Site) -> None:
    pen.plain(site.tone)
    for inset in (14, 24, 34):
        pen.ring((inset, inset, 100 - inset, 100 - inset), "shadow", 1.6)
    for x, y in ((0, 0), (100, 0), (0, 100), (100, 100)):
        pen.line([(50, 50), (x, y)], "shadow", 1.4)


def _stadium(pen: Pen, site: Site) -> None:
    pen.ground("pavement")
    pen.ellipse((12, 18, 88, 82), "shadow", shift=3)
    pen.ellipse((12, 18, 88, 82), site.tone)
    pen.ring((18, 24, 82, 76), "shadow", 1.5)
    pen.ellipse((26, 32, 74, 68), "lawn")
    pen.line([(50, 32), (50, 68)], "paint", 1)


def _tanks(pen: Pen, site: Site) -> None:
    pen.ground("earth")
    radius = (20, 14, 12, 10)[site.count]
    for x, y in pen.places(site.count, (26, 26, 74, 74), 2.2 * radius):
        box = (x - radius, y - radius, x + radius, y + radius)
        pen.ellipse(box, "shadow", shift=3)
        pen.ellipse(box, site.tone)
        inner = radius - 3
        pen.ring((x - inner, y - inner, x + inner, y + inner), "shadow", 1)


def _viaduct(pen: Pen, site: Site) -> None:
    pen.ground("grass")
    pen.ring((24, 24, 76, 76), site.tone, 6)
    pen.line([(-5, 40), (105, 60)], "shadow", 13)
    pen.line([(-5, 38), (105, 58)], site.tone, 11)
    pen.line([(60, -5), (40, 105)], site.tone, 11)
    pen.line([(60, -5), (40, 105)], "paint", 0.8)


SITES: dict[str, Callable[[Pen, Site], None]] = {
    "airport": _airport,
    "bareland": _bareland,
    "baseballfield": _baseball,
    "beach": _beach,
    "bridge": _bridge,
    "center": _center,
    "church": _church,
    "commercial": _commercial,
    "denseresidential": _dense,
    "desert": _desert,
    "farmland": _farmland,
    "forest": _forest,
    "industrial": _industrial,
    "meadow": _meadow,
    "mediumresidential": _medium,
    "mountain": _mountain,
    "park": _park,
    "parking": _parking,
    "playground": _playground,
    "pond": _pond,
    "port": _port,
    "railwaystation": _railway,
    "resort": _resort,
    "river": _river,
    "school": _school,
    "sparseresidential": _sparse,
    "square": _square,
    "stadium": _stadium,
    "storagetanks": _tanks,
    "viaduct": _viaduct,
}
