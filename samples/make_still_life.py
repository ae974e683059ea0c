"""Path-trace the sample scene: a laid table at dusk, sharp everywhere, with its exact depth.

    pip install mitsuba .
    python samples/make_still_life.py                               # about 10 minutes on 2 cores
    python samples/make_still_life.py --spp 32 --out quick_look.jpg

Runs Mitsuba's `llvm_ad_rgb`, which needs libLLVM 16 or newer (`DRJIT_LIBLLVM_PATH`).

The JPEG is what a phone's portrait is: the picture (a pinhole's, with the view of 50 mm on full
frame), EXIF, and the depth in metres along the optical axis at the pixels' centres.

World: x right, y up, z towards the camera, metres. The table top is y = 0 and the camera stands
above the origin, so that what is at z = -1 is about a metre away.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import mitsuba as mi
import numpy as np
from PIL import ExifTags, Image

mi.set_variant("llvm_ad_rgb")
from mitsuba import ScalarTransform4f as Transform  # noqa: E402 (exists once a variant is set)

Array = np.ndarray
Colour = tuple[float, float, float]

HERE = Path(__file__).parent
WIDTH, HEIGHT = 1080, 720
HALF_WIDTH = 36 / (2 * 50)  # of the view at 1 m
CAMERA, TARGET = np.array((0, 0.22, 0)), np.array((0, 0.22 - math.tan(math.radians(7.5)), -1))
SAMPLES_PER_PASS = 64
WALL = -6.0

RNG = np.random.default_rng(50)


# Textures: linear light, rows run down.


def noise(rows: int, columns: int, down: float, right: float) -> Array:
    """White noise low-passed at about `down` and `right` cycles, unit variance, [rows,columns]."""
    spectrum = np.fft.rfft2(RNG.standard_normal((rows, columns)))
    v = np.fft.fftfreq(rows, 1 / rows)[:, None] / down
    u = np.fft.rfftfreq(columns, 1 / columns)[None, :] / right
    values = np.fft.irfft2(spectrum * np.exp(-(u**2) - v**2), s=(rows, columns))
    return values / values.std()


def mix(a: Colour, b: Colour, amount: Array) -> Array:
    """From colour `a` where `amount` is 0 to `b` where it is 1, [..., 3]."""
    amount = np.clip(amount, 0, 1)[..., None]
    return np.asarray(a) * (1 - amount) + np.asarray(b) * amount


def planks(rows: int, columns: int, count: int, dark: Colour, bright: Colour) -> Array:
    """Boards that run down the texture, with grain and dark joints."""
    across = np.linspace(0, count, columns, endpoint=False)
    board = across.astype(int)
    tint = RNG.uniform(-0.22, 0.22, count)[board]
    bend = noise(rows, columns, 3, 3 * count) + 0.4 * noise(rows, columns, 9, 10 * count)
    ring = np.sin(2 * math.pi * (4 * across + RNG.uniform(0, 9, count)[board] + 0.55 * bend))
    fibre = noise(rows, columns, 16, 120 * count)
    grain = 0.5 + tint + 0.13 * ring + 0.13 * fibre + 0.07 * noise(rows, columns, 60, 200 * count)
    joint = np.minimum(across % 1, 1 - across % 1) < 0.008
    return mix(dark, bright, grain) * np.where(joint, 0.25, 1)[:, None]


def speckled(colour: Colour, spots: Colour, cycles: float, amount: float) -> Array:
    """`colour` with soft spots."""
    return mix(colour, spots, amount * np.clip(noise(512, 1024, cycles, 2 * cycles), 0, 3))


def bands(stops: list[tuple[float, Colour]], sharp: bool = False) -> Array:
    """Colours from the first row (0) to the last (1), [512,1,3]."""
    at, colours = zip(*stops, strict=True)
    v = np.linspace(0, 1, 512)
    if sharp:
        return np.asarray(colours)[np.searchsorted(at, v, side="right") - 1][:, None]
    return np.stack([np.interp(v, at, channel) for channel in zip(*colours, strict=True)], -1)[
        :, None
    ]


# Materials.


def texture(values: Array) -> dict:
    """Mitsuba's texture of an [R,C,3] array."""
    bitmap = mi.TensorXf(np.ascontiguousarray(values, np.float32))
    return {"type": "bitmap", "data": bitmap, "raw": True, "wrap_mode": "clamp"}


def material(colour: Colour | Array, roughness: float, **more: float) -> dict:
    """An opaque surface of one colour or with a texture; `more` as Mitsuba's principled BSDF."""
    if isinstance(colour, np.ndarray):
        base = texture(colour)
    else:
        base = {"type": "rgb", "value": list(colour)}
    principled = {"type": "principled", "base_color": base, "roughness": roughness, **more}
    return {"type": "twosided", "bsdf": principled}


def glow(radiance: Colour | Array, weight: float) -> dict:
    """Light from a surface. `weight` says how often shadow rays aim at it."""
    if isinstance(radiance, np.ndarray):
        value = texture(radiance)
    else:
        value = {"type": "rgb", "value": list(radiance)}
    return {"type": "area", "radiance": value, "sampling_weight": weight}


# Shapes.


def mesh(points: Array, bsdf: dict, emitter: dict | None = None, smooth: bool = True) -> mi.Mesh:
    """A grid of points [M,N,3]; the texture spans it."""
    rows, columns = points.shape[:2]
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    right, below, across = corner + 1, corner + columns, corner + columns + 1
    faces = np.stack([corner, below, across, corner, across, right], -1)
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    properties = mi.Properties()
    properties["bsdf"] = mi.load_dict(bsdf)
    if emitter:
        properties["emitter"] = mi.load_dict(emitter)
    shape = mi.Mesh(
        "mesh",
        vertex_count=rows * columns,
        face_count=faces.size // 3,
        has_vertex_normals=smooth,
        has_vertex_texcoords=True,
        props=properties,
    )
    parameters = mi.traverse(shape)
    parameters["vertex_positions"] = mi.Float(points.reshape(-1).astype(np.float32))
    parameters["vertex_texcoords"] = mi.Float(np.stack([u, v], -1).ravel().astype(np.float32))
    parameters["faces"] = mi.UInt32(faces.ravel().astype(np.uint32))
    parameters.update()
    return shape


def rounded(*corners: tuple[float, ...]) -> Array:
    """The smooth curve that a polygon suggests (Chaikin's corner cutting), evenly spaced, [n,D].

    `corners` are the coordinates of the polygon, one axis after the other.
    """
    points = np.stack(corners, -1).astype(float)
    for _ in range(4):
        a, b = points[:-1], points[1:]
        cut = np.stack([0.75 * a + 0.25 * b, 0.25 * a + 0.75 * b], 1).reshape(-1, points.shape[1])
        points = np.concatenate([points[:1], cut, points[-1:]])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    even = np.linspace(0, length[-1], 240)
    return np.stack([np.interp(even, length, axis) for axis in points.T], -1)


def turned(profile: Array, steps: int = 128) -> Array:
    """A surface of revolution of (radius, height) around the y axis; its seam is at the back."""
    azimuth = np.linspace(0, 2 * math.pi, steps + 1)
    radius, height = profile[:, :1], profile[:, 1:]
    x, z = -radius * np.sin(azimuth), -radius * np.cos(azimuth)
    return np.stack(np.broadcast_arrays(x, height, z), -1)


def ball(radii: Colour, steps: int = 96) -> Array:
    """An ellipsoid around the origin, poles up and down."""
    polar = np.linspace(0, math.pi, steps + 1)
    return turned(np.stack([np.sin(polar), np.cos(polar)], -1), 2 * steps) * np.asarray(radii)


def tube(path: Array, radius: float | Array, steps: int = 16) -> Array:
    """A tube around a path [n,3] that nowhere runs along z."""
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = np.cross(along, (0, 0, 1))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    angle = np.linspace(0, 2 * math.pi, steps + 1)[:, None]
    around = np.cos(angle) * side[:, None] + np.sin(angle) * np.cross(along, side)[:, None]
    return path[:, None] + np.broadcast_to(radius, len(path))[:, None, None] * around


def moved(points: Array, to: Colour, turn: float = 0, tilt: float = 0) -> Array:
    """Points tilted to the right, turned about the vertical (degrees) and moved."""
    a, b = math.radians(turn), math.radians(tilt)
    lean = np.array(((math.cos(b), math.sin(b), 0), (-math.sin(b), math.cos(b), 0), (0, 0, 1)))
    yaw = np.array(((math.cos(a), 0, math.sin(a)), (0, 1, 0), (-math.sin(a), 0, math.cos(a))))
    return points @ (yaw @ lean).T + np.asarray(to)


def box(size: Colour, to: Colour, bsdf: dict, turn: float = 0) -> dict:
    """A block that stands on `to`."""
    x, y, z = to
    place = Transform().translate([x, y + size[1] / 2, z]).rotate([0, 1, 0], turn)
    return {"type": "cube", "to_world": place.scale([s / 2 for s in size]), "bsdf": bsdf}


def panel(centre: Colour, towards: Colour, width: float, height: float, **more: dict) -> dict:
    """A rectangle that faces `towards`."""
    place = Transform().look_at(list(centre), list(towards), [0, 1, 0.001])
    place = place.scale([width / 2, height / 2, 1])
    return {"type": "rectangle", "to_world": place, **more}


# The scene, front to back.


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


def assembled(shapes: list) -> mi.Scene:
    """A scene to trace paths in."""
    integrator = {"type": "path", "max_depth": 7}
    named = {f"shape{index}": shape for index, shape in enumerate(shapes)}
    return mi.load_dict({"type": "scene", "integrator": integrator} | named)


# Rendering.


def camera(position: Array = CAMERA, target: Array = TARGET) -> mi.Sensor:
    """A pinhole that sees what a 50 mm lens sees on a 36 mm wide sensor."""
    film = {"type": "hdrfilm", "width": WIDTH, "height": HEIGHT, "rfilter": {"type": "gaussian"}}
    return mi.load_dict(
        {
            "type": "perspective",
            "fov_axis": "x",
            "fov": math.degrees(2 * math.atan(HALF_WIDTH)),
            "to_world": Transform().look_at(position.tolist(), target.tolist(), [0, 1, 0]),
            "film": film,
            "sampler": {"type": "multijitter"},
        }
    )


def render(
    scene: mi.Scene, sensor: mi.Sensor, samples: int, at_once: int = SAMPLES_PER_PASS
) -> Array:
    """Linear light [H,W,3], in passes to bound memory and to find specks.

    A path that meets a light by rare chance leaves a bright speck in one pass: no pass may be much
    brighter than what the passes agree on.
    """
    passes = []
    for seed in range(max(1, round(samples / at_once))):
        image = mi.render(scene, sensor=sensor, spp=min(samples, at_once), seed=seed)
        passes.append(image.numpy())
        print(f"pass {seed + 1}", end="\r", flush=True)
    return np.minimum(passes, 1.4 * np.median(passes, axis=0) + 0.005).mean(axis=0)


def depth_map(scene: mi.Scene, sensor: mi.Sensor) -> Array:
    """Metres along the optical axis at the centre of every pixel, [H,W].

    The median of three rays, because one can slip through the seam between two triangles or along
    a hair.
    """
    to_camera = np.linalg.inv(np.array(sensor.world_transform().matrix, float).reshape(4, 4))
    depths = []
    for shift in (-0.01, 0, 0.01):
        row, column = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5 + shift
        x, y = column.ravel() / WIDTH, row.ravel() / HEIGHT
        position = mi.Point2f(mi.Float(x), mi.Float(y))
        ray, _ = sensor.sample_ray(0.0, 0.5, position, mi.Point2f(0.5))
        hit = scene.ray_intersect(ray)
        along = to_camera[2, :3] @ hit.p.numpy() + to_camera[2, 3]
        depths.append(np.where(hit.is_valid().numpy(), along, np.nan))
    median = np.nanmedian(depths, axis=0).reshape(HEIGHT, WIDTH).astype(np.float32)
    assert np.isfinite(median).all(), "the scene does not fill the view"
    return median


def code_srgb(linear: Array) -> Array:
    """Linear light 0..1 to sRGB."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def save(path: Path, image: Array, depth: Array) -> None:
    """Write the JPEG from linear light [H,W,3] and metres [H,W]."""
    import torch
    from focuspuller import Depth, save_photo

    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Focus Puller"
    exif[ExifTags.Base.Model] = "Still life"
    tags = exif.get_ifd(ExifTags.IFD.Exif)
    tags[ExifTags.Base.FocalLength] = 50.0
    tags[ExifTags.Base.FocalLengthIn35mmFilm] = 50
    tags[ExifTags.Base.FNumber] = 22.0
    metres = Depth.from_metres(torch.from_numpy(depth)[None, None])
    save_photo(path, code_srgb(image).astype(np.float32), exif, depth=metres, quality=93)


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
