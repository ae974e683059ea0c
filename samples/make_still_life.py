"""Path-trace the sample scene: a laid table at dusk, sharp everywhere, with its exact depth.

    pip install mitsuba .
    python samples/make_still_life.py                               # about 10 minutes on 2 cores
    python samples/make_still_life.py --spp 32 --out quick_look.jpg

`tracing.py` says what Mitsuba needs; `shapes.py` is what the scene is built of, `room.py` where it
stands.

The JPEG is what a phone's portrait is: the picture (a pinhole's, with the view of 50 mm on full
frame), EXIF, and the depth in metres along the optical axis at the pixels' centres.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
from room import book, fairy_lights, lamps, mug, room
from shapes import (
    RNG,
    Colour,
    ball,
    bands,
    glow,
    material,
    mesh,
    mix,
    moved,
    noise,
    rounded,
    speckled,
    tube,
    turned,
)
from tracing import Array, assembled, camera, code_srgb, depth_map, exif, render

HERE = Path(__file__).parent


def orange(at: Colour, radius: float, turn: float, tilt: float) -> list:
    """An orange with its pores and the star where its stalk was."""
    skin = ball((radius, 0.94 * radius, radius), 400)
    polar = np.linspace(0, math.pi, 401)[:, None, None]
    pores = np.minimum(noise(401, 801, 70, 140), 0.4)[..., None] * np.sin(polar)
    dent = 0.07 * np.exp(-((polar / 0.16) ** 2))
    skin *= 1 + 0.0035 * pores - dent
    peel = speckled((0.86, 0.27, 0.015), (0.8, 0.36, 0.03), 4, 0.4)
    angle = np.linspace(0, 2 * math.pi, 65)
    star = np.stack([np.cos(angle), np.sin(angle)], -1) * (0.75 + 0.25 * np.cos(5 * angle))[:, None]
    ring = np.linspace(1, 0, 8)[:, None, None]
    flat = 0.09 * radius * ring * star
    lift = np.full(flat.shape[:2], 0.885 * radius) + 0.03 * radius * (1 - ring[..., 0])
    stalk = np.stack([flat[..., 0], lift, flat[..., 1]], -1)
    centre = np.add(at, (0, 0.94 * radius, 0))
    return [
        mesh(moved(skin, centre, turn, tilt), material(peel, 0.32, specular=0.5)),
        mesh(moved(stalk, centre, turn, tilt), material((0.10, 0.13, 0.03), 0.7)),
    ]


def leaf(at: Colour, length: float, turn: float, tilt: float) -> list:
    """A glossy leaf that arches from `at` along the turned x axis."""
    t = np.linspace(0, 1, 60)[:, None]
    s = np.linspace(-1, 1, 31)[None, :]
    half = 0.25 * np.sin(math.pi * t**0.8) ** 0.9
    lift = 0.32 * t * (1 - t) * 1.6 + 0.10 * np.abs(s) * half * 4 + 0.01 * np.sin(16 * t)
    points = length * np.stack(np.broadcast_arrays(t, lift, half * s), -1)
    vein = np.abs(s) < 0.05
    side = np.abs((t * 9 - np.abs(s) * 2) % 1 - 0.5) < 0.05
    colour = mix((0.035, 0.13, 0.02), (0.14, 0.28, 0.07), 0.8 * vein + 0.25 * side)
    return [mesh(moved(points, at, turn, tilt), material(colour, 0.3, specular=0.5))]


def sprig(at: Colour, length: float, turn: float, leaves: int) -> list:
    """A twig with leaves that lies on the table along the turned x axis."""
    t = np.linspace(0, 1, 40)[:, None]
    bend = np.concatenate([t, 0.03 + 0.05 * t * (1 - t), 0.12 * np.sin(2.5 * t)], 1) * length
    shapes = [mesh(moved(tube(bend, 0.0016), at, turn), material((0.13, 0.09, 0.04), 0.7))]
    for index in range(leaves):
        place = (index + 0.6) / leaves
        root = [np.interp(place, t[:, 0], bend[:, axis]) for axis in range(3)]
        root = moved(np.asarray(root)[None], at, turn)[0]
        size = length * RNG.uniform(0.24, 0.32) * (1.1 - 0.4 * place)
        side = (55 if index % 2 else -60) * (1 - 0.6 * place)
        tilt = RNG.uniform(-32, -18) if side > 0 else RNG.uniform(-4, 6)
        shapes += leaf(tuple(root), size, turn + side, tilt)
    return shapes


def berries(count: int) -> list:
    """Cranberries, strewn along the table."""
    found: list = []
    while len(found) < count:
        z = -RNG.uniform(0.62, 1.05)
        x = 0.02 - 0.22 * (z + 0.6) + 0.05 * RNG.standard_normal()
        radius = RNG.uniform(0.006, 0.0085)
        if any(math.hypot(x - b["center"][0], z - b["center"][2]) < 0.017 for b in found):
            continue
        colour = mix((0.30, 0.008, 0.015), (0.55, 0.03, 0.02), RNG.uniform(0, 1, 1))[0]
        skin = material(tuple(colour), 0.22, specular=0.6)
        found.append({"type": "sphere", "center": [x, radius, z], "radius": radius, "bsdf": skin})
    return found


def pear(at: Colour, turn: float, tilt: float) -> list:
    """A pear with a stalk."""
    profile = rounded(
        (0, 0.012, 0.019, 0.021, 0.034, 0.042, 0.034, 0.014, 0),
        (0.118, 0.119, 0.105, 0.082, 0.06, 0.035, 0.006, -0.002, 0.004),
    )
    blush = 0.5 + 0.5 * np.cos(np.linspace(0, 2 * math.pi, 512) - 1.9)[None, :, None]
    green = speckled((0.50, 0.46, 0.06), (0.32, 0.36, 0.04), 7, 0.3)[:, ::2]
    spots = np.clip(noise(512, 512, 130, 200) - 1.8, 0, 1)[..., None]
    colour = green * (1 - 0.5 * blush**3) + 0.5 * blush**3 * np.array((0.55, 0.12, 0.03))
    stalk = rounded((0, 0.001, 0.006), (0.112, 0.125, 0.14), (0, 0, 0.002))
    return [
        mesh(moved(turned(profile), at, turn, tilt), material(colour * (1 - 0.6 * spots), 0.35)),
        mesh(moved(tube(stalk, 0.0018), at, turn, tilt), material((0.10, 0.06, 0.03), 0.7)),
    ]


def apple(at: Colour, turn: float, tilt: float) -> list:
    """A red apple with yellow streaks and a stalk."""
    profile = rounded(
        (0, 0.005, 0.018, 0.036, 0.043, 0.036, 0.022, 0.008, 0),
        (0.052, 0.054, 0.073, 0.066, 0.042, 0.012, 0, 0.002, 0.008),
    )
    streak = 0.10 + 0.09 * noise(256, 1024, 3, 90) + 0.15 * noise(256, 1024, 2, 3)
    streak = streak + 0.6 * np.exp(-np.linspace(0, 9, 256))[:, None]
    colour = mix((0.38, 0.012, 0.012), (0.72, 0.40, 0.07), streak)
    stalk = rounded((0, 0.001, 0.007), (0.05, 0.068, 0.084), (0, 0, 0.001))
    return [
        mesh(moved(turned(profile), at, turn, tilt), material(colour, 0.2)),
        mesh(moved(tube(stalk, 0.0015), at, turn, tilt), material((0.08, 0.045, 0.02), 0.7)),
    ]


def bowl(at: Colour) -> list:
    """A shallow cream bowl with apples."""
    profile = rounded(
        (0, 0.05, 0.055, 0.10, 0.13, 0.132, 0.129, 0.096, 0.05, 0),
        (0, 0, 0.004, 0.03, 0.07, 0.073, 0.074, 0.036, 0.01, 0.008),
    )
    ware = material((0.62, 0.60, 0.55), 0.25, specular=0.6)
    shapes = [mesh(moved(turned(profile, 192), at), ware)]
    places = [
        (-0.055, 0.03, 0.03),
        (0.045, 0.03, 0.045),
        (0.005, 0.028, -0.06),
        (-0.01, 0.082, 0.0),
    ]
    for index, place in enumerate(places):
        to = tuple(np.asarray(at) + place)
        shapes += apple(to, turn=97.0 * index + 20, tilt=(18, -14, 10, -12)[index])
    return shapes


def candle(at: Colour, radius: float, height: float) -> list:
    """A burning candle; its upper end glows as wax does."""
    profile = rounded(
        (0, radius - 0.006, radius - 0.002, radius, radius, radius, 0),
        (height - 0.007, height - 0.004, height, height - 0.002, 0.5 * height, 0, 0),
    )
    away = (height - profile[:, 1:2, None]) / 0.035
    warm = np.exp(-np.clip(away, 0, None)) * np.array((0.55, 0.24, 0.06))
    wax = material((0.72, 0.64, 0.50), 0.45, specular=0.4)
    flame = rounded((0, 0.003, 0.0075, 0.004, 0), (0.038, 0.024, 0.009, 0.001, 0))
    fire = bands([(0, (8, 4, 1)), (0.2, (14, 8.5, 3)), (0.7, (9, 5, 1.8)), (1, (0.8, 0.6, 0.9))])
    wick = np.linspace((0, height - 0.008, 0), (0.001, height + 0.006, 0), 4)
    tip = np.add(at, (0.001, height + 0.003, 0))
    return [
        mesh(moved(turned(profile), at), wax, glow(warm, 0)),
        mesh(moved(tube(wick, 0.0011), at), material((0.02, 0.02, 0.02), 0.9)),
        mesh(moved(turned(flame, 48), tip), material((0, 0, 0), 1), glow(fire, 0.5)),
    ]


def bottle(at: Colour) -> list:
    """A dark bottle with a label."""
    profile = rounded(
        (0, 0.013, 0.0145, 0.0145, 0.0135, 0.0135, 0.018, 0.037, 0.0375, 0.0375, 0.036, 0),
        (0.30, 0.30, 0.298, 0.285, 0.28, 0.22, 0.2, 0.175, 0.15, 0.01, 0, 0),
    )
    ring = np.linspace(-1.1, 1.1, 64)
    x, z = 0.0379 * np.sin(ring), 0.0379 * np.cos(ring)
    label = np.stack(np.broadcast_arrays(x, np.array([[0.13], [0.045]]), z), -1)
    paper, ink = (0.66, 0.60, 0.47), (0.28, 0.05, 0.04)
    stripes = [(0, paper), (0.08, ink), (0.12, paper), (0.36, ink), (0.62, paper), (0.9, ink)]
    foil = (profile[:, 1:] > 0.245)[..., None]
    colour = np.where(foil, (0.20, 0.02, 0.03), (0.006, 0.02, 0.010))
    glass = material(colour, 0.1, specular=0.6)
    return [
        mesh(moved(turned(profile), at), glass),
        mesh(moved(label, at, turn=-12), material(bands([*stripes, (0.94, paper)], True), 0.7)),
    ]


def still_life() -> list:
    """Everything in its place."""
    return [
        *orange((-0.135, 0, -0.70), 0.042, turn=20, tilt=24),
        *orange((-0.060, 0, -0.775), 0.038, turn=-60, tilt=-35),
        *leaf((-0.105, 0.076, -0.70), 0.085, turn=-22, tilt=4),
        *sprig((0.085, 0, -0.70), 0.17, turn=24, leaves=9),
        *sprig((-0.13, 0, -1.92), 0.26, turn=-8, leaves=11),
        *berries(26),
        *book((0.150, 0, -1.17), (0.25, 0.036, 0.17), 14, (0.30, 0.03, 0.03)),
        *book((0.145, 0.036, -1.16), (0.21, 0.026, 0.145), -6, (0.04, 0.09, 0.17)),
        *mug((0.150, 0.062, -1.16), turn=-35),
        *pear((-0.035, 0.002, -1.22), turn=20, tilt=-4),
        *bowl((0.42, 0, -1.78)),
        *candle((-0.25, 0, -2.05), 0.034, 0.17),
        *candle((-0.14, 0, -2.20), 0.034, 0.10),
        *bottle((-0.40, 0, -1.85)),
        *room(),
        *fairy_lights(),
        *lamps(),
    ]


def save(path: Path, image: Array, depth: Array) -> None:
    """Write the JPEG from linear light [H,W,3] and metres [H,W]."""
    import torch
    from focuspuller import Depth, save_photo

    metres = Depth.from_metres(torch.from_numpy(depth)[None, None])
    save_photo(
        path, code_srgb(image).astype(np.float32), exif("Still life"), depth=metres, quality=93
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "still_life.jpg", help="JPEG")
    parser.add_argument("--spp", type=int, default=1024, help="paths per pixel")
    arguments = parser.parse_args()
    scene, sensor = assembled(still_life()), camera()
    depth = depth_map(scene, sensor)
    save(arguments.out, render(scene, sensor, arguments.spp), depth)
    print(f"depth {depth.min():.2f}..{depth.max():.2f} m")


if __name__ == "__main__":
    main()
