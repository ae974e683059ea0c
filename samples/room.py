"""The room of the sample scenes: furniture, window, lights, and things on the table.

The table top is y = 0.
"""

from __future__ import annotations

import numpy as np
from shapes import (
    RNG,
    Colour,
    ball,
    bands,
    box,
    glow,
    material,
    mesh,
    mix,
    moved,
    noise,
    panel,
    planks,
    rounded,
    speckled,
    tube,
    turned,
)

WALL = -6.0


def book(at: Colour, size: Colour, turn: float, cloth: Colour) -> list:
    """A bound book that lies flat with its back towards the camera."""
    width, height, depth = size
    board = 0.003
    cover = material(speckled(cloth, tuple(0.6 * c for c in cloth), 90, 0.3), 0.75, sheen=0.3)
    edges = np.where(np.arange(256)[:, None, None] % 8 < 3, 0.55, 0.75) * np.array((1, 0.93, 0.78))
    pages = material(edges, 0.9)
    gold = material((0.75, 0.5, 0.16), 0.3, metallic=1.0)
    spine = RNG.uniform(0.25, 0.4) * width

    def part(size: Colour, shift: Colour, bsdf: dict) -> dict:
        to = moved(np.asarray(shift)[None], at, turn)[0]
        return box(size, tuple(to), bsdf, turn)

    inner = height - 2 * board
    return [
        part((width, board, depth), (0, 0, 0), cover),
        part((width, board, depth), (0, height - board, 0), cover),
        part((width, height, board), (0, 0, depth / 2), cover),
        part((width - 0.008, inner, depth - 0.008), (0, board, 0.002), pages),
        part((0.003, height * 1.005, board), (-spine, 0, depth / 2 + 0.0003), gold),
        part((0.003, height * 1.005, board), (spine, 0, depth / 2 + 0.0003), gold),
        part((spine, height * 0.28, board), (0, height * 0.36, depth / 2 + 0.0003), gold),
    ]


def mug(at: Colour, turn: float) -> list:
    """A stoneware mug, glazed down to its foot, with coffee."""
    profile = rounded(
        (0, 0.031, 0.034, 0.041, 0.0425, 0.041, 0.0395, 0.038, 0.039, 0.034, 0),
        (0, 0, 0.003, 0.02, 0.06, 0.096, 0.099, 0.096, 0.05, 0.012, 0.01),
    )
    height = profile[:, 1]
    outside = np.arange(len(profile)) < height.argmax()
    clay, glaze, cream = (0.35, 0.21, 0.12), (0.025, 0.16, 0.19), (0.72, 0.66, 0.54)
    spots = 0.4 * np.clip(noise(len(profile), 512, 60, 60) - 1.9, 0, 1)
    rows = np.where((outside & (height < 0.022))[:, None], clay, glaze)
    rows = np.where((outside & (height > 0.07) | ~outside)[:, None], cream, rows)
    colour = rows[:, None] * (1 - spots[..., None])
    angle = np.linspace(-1.75, 1.75, 48)
    path = np.stack([0.036 + 0.028 * np.cos(angle), 0.056 + 0.03 * np.sin(angle), 0 * angle], -1)
    ware = material(colour, 0.22, specular=0.6)
    handle = material(glaze, 0.22, specular=0.6)
    coffee = ball((0.0385, 0.0004, 0.0385), 24)
    return [
        mesh(moved(turned(profile, 192), at, turn), ware),
        mesh(moved(tube(path, 0.0058), at, turn), handle),
        mesh(moved(coffee, np.add(at, (0, 0.082, 0))), material((0.025, 0.01, 0.004), 0.05)),
    ]


def fairy_lights() -> list:
    """Strings of bulbs across the room from 2.9 m to 5.6 m."""
    strings = [  # left end, right end (x, y, z), sag, bulbs
        ((-1.3, 0.62, -2.9), (1.5, 0.50, -3.5), 0.30, 15),
        ((-1.9, 0.86, -4.6), (1.7, 0.80, -3.7), 0.40, 17),
        ((-2.1, 0.55, -5.6), (2.3, 0.95, -5.0), 0.34, 19),
    ]
    cable, shapes = material((0.01, 0.012, 0.01), 0.6), []
    for left, right, sag, count in strings:
        t = np.linspace(0, 1, 80)[:, None]
        path = np.asarray(left) * (1 - t) + np.asarray(right) * t
        path[:, 1:2] -= 4 * sag * t * (1 - t)
        shapes.append(mesh(tube(path, 0.003), cable))
        for place in (np.arange(count) + 0.5 + RNG.uniform(-0.2, 0.2, count)) / count:
            x, y, z = (np.interp(place, t[:, 0], path[:, axis]) for axis in range(3))
            radius = RNG.uniform(0.016, 0.021)
            warmth = RNG.uniform(0.8, 1.2)
            light = (1.4, 0.6 * warmth, 0.2 * warmth**2)
            bulb = {"type": "sphere", "center": [x, y - radius - 0.008, z], "radius": radius}
            shapes.append(bulb | {"emitter": glow(light, 0.01)})
            cap = {"type": "cylinder", "radius": 0.008, "bsdf": cable}
            shapes.append(cap | {"p0": [x, y + 0.006, z], "p1": [x, y - 0.014, z]})
    return shapes


def window(centre: Colour, width: float, height: float) -> list:
    """A window with the blue hour behind it."""
    x, y, z = centre
    sky = bands([(0, (0.035, 0.07, 0.18)), (0.5, (0.09, 0.14, 0.27)), (0.85, (0.33, 0.24, 0.24))])
    roofs = 0.78 + 0.025 * np.round(1.5 * noise(1, 512, 1, 9))
    outside = np.linspace(0, 1, 512)[:, None] > roofs
    sky = np.where(outside[..., None], (0.018, 0.024, 0.045), sky)
    pane = panel((x, y, z), (x, y, z + 1), width, height)
    shapes = [pane | {"emitter": glow(sky[::-1], 0.1)}]
    frame = material((0.10, 0.095, 0.09), 0.5)
    for part in (-0.5, 0, 0.5):
        bar = 0.09 if part else 0.045
        shapes.append(box((bar, height + 0.09, 0.06), (x + part * width, y - height / 2, z), frame))
        shapes.append(box((width, bar, 0.05), (x, y + part * height - bar / 2, z), frame))
    return shapes


def room() -> list:
    """Table, floor, walls and a sideboard with a lamp."""
    wood = planks(2048, 3072, 11, (0.075, 0.032, 0.014), (0.36, 0.19, 0.085))
    rows, columns = np.mgrid[0:2, 0:2]
    top = np.stack([1.7 * (columns - 0.5), 0 * rows, -2.6 + 2.5 * rows], -1)
    paint = speckled((0.055, 0.085, 0.10), (0.035, 0.06, 0.075), 6, 0.3)
    oak = material((0.14, 0.075, 0.035), 0.5)
    shapes = [
        mesh(top.astype(float), material(wood, 0.33, specular=0.5), smooth=False),
        box((1.7, 0.035, 2.498), (0, -0.0355, -1.35), oak),
        panel((0, 1, WALL), (0, 1, 0), 12, 6, bsdf=material(paint, 0.8)),
        panel((0, -0.75, -3), (0, 1, -3), 12, 12, bsdf=material((0.06, 0.04, 0.03), 0.5)),
        box((1.9, 0.62, 0.4), (1.55, -0.75, -5.6), oak),
    ]
    shade = turned(np.linspace((0.10, 0.25), (0.17, 0), 20))
    linen = glow(
        bands([(0, (0.42, 0.20, 0.07)), (0.7, (0.95, 0.55, 0.23)), (1, (0.7, 0.36, 0.14))]), 0.1
    )
    stand = tube(np.linspace((1.62, -0.13, -5.55), (1.62, 0.2, -5.55), 4), 0.015)
    shapes.append(mesh(moved(shade, (1.62, 0.13, -5.55)), material((0, 0, 0), 1), linen))
    shapes.append(mesh(stand, material((0.5, 0.35, 0.15), 0.3, metallic=1.0)))
    for index, x in enumerate(np.arange(0.75, 1.2, 0.055)):
        size = (0.045, RNG.uniform(0.2, 0.3), 0.16)
        cloth = [(0.3, 0.05, 0.04), (0.05, 0.15, 0.2), (0.35, 0.25, 0.1), (0.1, 0.2, 0.08)]
        shapes.append(box(size, (x, -0.13, -5.6), material(cloth[index % 4], 0.7)))
    for x, low, high in (
        (0.10, (0.5, 0.3, 0.2), (0.2, 0.3, 0.35)),
        (0.72, (0.2, 0.3, 0.25), (0.6, 0.5, 0.35)),
    ):
        shapes.append(box((0.5, 0.66, 0.03), (x, 0.17, WALL + 0.02), oak))
        picture = mix(low, high, 0.5 + 0.5 * noise(256, 256, 3, 2))
        shapes.append(
            panel((x, 0.5, WALL + 0.04), (x, 0.5, 0), 0.4, 0.56, bsdf=material(picture, 0.6))
        )
    return shapes + window((-1.15, 0.62, WALL + 0.02), 1.3, 1.5)


def lamps() -> list:
    """Warm key from the left, cool fill from the right, a rim light from behind, dim air."""
    key, fill, rim, wash = (25, 19, 12.5), (1.2, 1.65, 2.4), (5.2, 4.4, 3.6), (2.4, 1.5, 0.8)
    air = {"type": "rgb", "value": [0.02, 0.025, 0.035]}
    return [
        panel((-1.5, 1.3, -0.5), (0.05, 0, -1.2), 0.8, 0.8, emitter=glow(key, 10)),
        panel((2.0, 1.0, -0.9), (0, 0, -1.3), 1.2, 1.2, emitter=glow(fill, 1.5)),
        panel((0.9, 1.5, -3.0), (0, 0, -1.5), 0.9, 0.6, emitter=glow(rim, 2)),
        panel((0.6, 1.5, -5.3), (0.6, 0, -6.2), 2.0, 0.3, emitter=glow(wash, 0.4)),
        {"type": "constant", "radiance": air, "sampling_weight": 0.5},
    ]
