"""Pictures of scenes: flat shapes with textures on a patterned ground, drawn large and shrunk."""

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from mat_jax.data.scenes.facts import COLOURS, GROUNDS, Scene, Thing
from mat_jax.data.scenes.shapes import SHAPES

_SCALE = 3  # drawn three times too large, then shrunk: smooth edges at little cost


def render(scene: Scene, size: int = 64) -> np.ndarray:
    """Draw a scene: uint8 [size, size, 3]. The same scene always gives the same picture."""
    rng = np.random.default_rng(scene.seed)
    big = size * _SCALE
    canvas = _ground(scene, big, rng)
    for thing in scene.things:
        side = max(4, round(thing.side * big))
        tile, alpha = _thing(thing, side, rng)
        left, top = round((thing.x - thing.side / 2) * big), round((thing.y - thing.side / 2) * big)
        canvas.paste(tile, (left, top), alpha)
    picture = np.asarray(canvas.resize((size, size), Image.Resampling.BOX), np.float32)
    picture = picture * rng.uniform(0.92, 1.05) + rng.normal(0, 2.5, picture.shape)
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)


def _thing(thing: Thing, side: int, rng: np.random.Generator) -> tuple[Image.Image, Image.Image]:
    """An object's square tile and its outline mask."""
    base = np.asarray(COLOURS[thing.colour], np.float32) + rng.normal(0, 8, 3)
    shades = {
        "body": base,
        "dark": base * 0.6,
        "light": base * 0.55 + 255 * 0.45,
    }
    tile, alpha = Image.new("RGB", (side, side)), Image.new("L", (side, side))
    body = Image.new("L", (side, side))
    paint, outline, inside = ImageDraw.Draw(tile), ImageDraw.Draw(alpha), ImageDraw.Draw(body)
    for shape in SHAPES[thing.kind]:
        role = shape[-1]
        colour = shades[role] if isinstance(role, str) else np.asarray(role)
        _shape(paint, shape, side, tuple(int(v) for v in np.clip(colour, 0, 255)))
        _shape(outline, shape, side, 255)
        _shape(inside, shape, side, 255 if role == "body" else 0)
    if thing.texture != "plain":
        # Marks are pale on dark bodies and dark on pale ones, so they show on every colour.
        mark = np.clip(base * 0.4 if base.mean() > 110 else base * 0.4 + 150, 0, 255)
        pattern = _stripes(side) if thing.texture == "striped" else _spots(side)
        tile.paste(
            tuple(int(v) for v in mark), (0, 0, side, side), ImageChops.multiply(pattern, body)
        )
    return tile, alpha


def _shape(draw: ImageDraw.ImageDraw, shape: tuple, side: int, fill: int | tuple[int, ...]) -> None:
    scale = side / 100
    match shape:
        case ("E", x0, y0, x1, y1, _):
            draw.ellipse((x0 * scale, y0 * scale, x1 * scale, y1 * scale), fill=fill)
        case ("P", points, _):
            draw.polygon([(x * scale, y * scale) for x, y in points], fill=fill)
        case ("L", width, points, _):
            draw.line(
                [(x * scale, y * scale) for x, y in points],
                fill=fill,
                width=max(1, round(width * scale)),
            )
        case ("A", start, end, x0, y0, x1, y1, _):
            draw.pieslice((x0 * scale, y0 * scale, x1 * scale, y1 * scale), start, end, fill=fill)


def _stripes(side: int) -> Image.Image:
    at = np.add.outer(np.arange(side), np.arange(side)) * (100 / side)
    return Image.fromarray(np.where(at % 26 < 10, 255, 0).astype(np.uint8))


def _spots(side: int) -> Image.Image:
    at = np.arange(side) * (100 / side)
    row = np.floor(at / 24)
    dx = (at[None, :] + 12 * (row[:, None] % 2)) % 24 - 12
    dy = (at % 24 - 12)[:, None]
    return Image.fromarray(np.where(dx**2 + dy**2 < 42, 255, 0).astype(np.uint8))


def _ground(scene: Scene, big: int, rng: np.random.Generator) -> Image.Image:
    pale, dark, pattern = GROUNDS[scene.ground]
    base = np.asarray(dark if scene.shade == "dark" else pale, np.float32) + rng.normal(0, 5, 3)
    fill, mark, high = (tuple(int(v) for v in np.clip(base * f, 0, 255)) for f in (1.0, 0.82, 1.14))
    image = Image.new("RGB", (big, big), fill)
    draw, unit = ImageDraw.Draw(image), big / 100
    spots = rng.uniform(0, 100, size=(60, 2))
    step, shift = rng.uniform(11, 14), rng.uniform(0, 10)
    lines = np.arange(shift - step, 100, step)
    match pattern:
        case "grain" | "flakes" | "stones" | "clouds":
            count, radius = {
                "grain": (60, 1.2),
                "flakes": (24, 2.2),
                "stones": (18, 9.0),
                "clouds": (7, 12.0),
            }[pattern]
            for k, (x, y) in enumerate(spots[:count]):
                wide = radius * (1.8 if pattern == "clouds" else 1.0)
                colour = high if pattern in ("clouds", "flakes") or k % 2 else mark
                draw.ellipse(
                    (
                        (x - wide) * unit,
                        (y - radius) * unit,
                        (x + wide) * unit,
                        (y + radius) * unit,
                    ),
                    fill=colour,
                )
        case "blades":
            for k, (x, y) in enumerate(spots):
                draw.line(
                    [(x * unit, y * unit), ((x + 2) * unit, (y - 8) * unit)],
                    fill=mark if k % 2 else high,
                    width=max(1, round(1.4 * unit)),
                )
        case "waves":
            along = np.arange(-4, 105, 4)
            for y in lines:
                draw.line(
                    [(x * unit, (y + 2.2 * np.sin(x / 5 + y)) * unit) for x in along],
                    fill=high,
                    width=max(1, round(1.8 * unit)),
                )
        case _:
            width = max(1, round({"weave": 3.5, "tiles": 1.6}.get(pattern, 1.6) * unit))
            for row, y in enumerate(lines):
                draw.line([(0, y * unit), (big, y * unit)], fill=mark, width=width)
                if pattern == "bricks":
                    for x in np.arange(shift + (row % 2) * step, 110, 2 * step):
                        draw.line(
                            [(x * unit, y * unit), (x * unit, (y + step) * unit)],
                            fill=mark,
                            width=width,
                        )
            if pattern in ("tiles", "weave"):
                for x in lines:
                    draw.line(
                        [(x * unit, 0), (x * unit, big)],
                        fill=high if pattern == "weave" else mark,
                        width=width,
                    )
    return image
