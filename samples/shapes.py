"""Textures, materials and shapes to build scenes of, for Mitsuba."""

from __future__ import annotations

import math

import mitsuba as mi
import numpy as np
from tracing import Array, Transform

Colour = tuple[float, float, float]

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
