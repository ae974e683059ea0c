"""Path-trace a portrait as a phone stores it: a teddy bear, its depth small, soft, in 8 bits.

    pip install mitsuba .
    python samples/make_portrait.py                               # about 5 minutes on 2 cores
    python samples/make_portrait.py --spp 32 --out quick_look.jpg

The room is that of the still life; `tracing.py` says what Mitsuba needs. The depth is what a
portrait mode gives: a quarter of the picture's size, smeared over the outline, without the hairs.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from focuspuller import Depth, save_photo
from room import book, fairy_lights, lamps, mug, room
from shapes import Colour, ball, material, mesh, moved, noise, rounded, tube
from tracing import Array, assembled, camera, code_srgb, depth_map, exif, render

HERE = Path(__file__).parent
POSITION, TARGET = np.array((0, 0.27, 0)), np.array((0, 0.225, -1))
SEAT, TURN = (-0.09, 0.0, -1.08), 14.0
HAIRS_PER_CM2 = 45
DEPTH_SIZE = (288, 192)
SAMPLES_AT_ONCE = 16

BROWN, CREAM = (0.56, 0.31, 0.135), (0.80, 0.66, 0.46)
# How the brightness of a hair differs from that of others, and how many are of each.
TONES = {0.65: 0.25, 1.0: 0.5, 1.3: 0.25}

RNG = np.random.default_rng(85)


@dataclass(frozen=True)
class Part:
    """An ellipsoid of the bear, in front view: x right, y up, z to the viewer, metres.

    Args:
        centre: seen from where it sits.
        radii: before it is turned.
        lean: turned to the right, degrees.
        swing: turned about the vertical, degrees.
        colour: of its plush.
        hair: length of its plush.
    """

    centre: Colour
    radii: Colour
    lean: float = 0.0
    swing: float = 0.0
    colour: Colour = BROWN
    hair: float = 0.011

    def placed(self, points: Array) -> Array:
        """Points around the origin, where the part is."""
        return moved(points, self.centre, self.swing, self.lean)

    def holds(self, points: Array) -> Array:
        """Which of the points [n,3] are inside."""
        axes = self.placed(np.eye(3)) - np.asarray(self.centre)
        own = (points - self.centre) @ axes.T / self.radii
        return (own**2).sum(-1) < 1


def both(part: Part) -> list[Part]:
    """A part and its mirror image."""
    x, y, z = part.centre
    mirrored = Part((-x, y, z), part.radii, -part.lean, -part.swing, part.colour, part.hair)
    return [part, mirrored]


BEAR = [
    Part((0, 0.120, 0), (0.088, 0.110, 0.080)),
    Part((0, 0.118, 0.026), (0.060, 0.080, 0.060), colour=CREAM),
    Part((0, 0.286, 0.012), (0.090, 0.079, 0.078)),
    *both(Part((0.074, 0.352, 0.004), (0.036, 0.036, 0.019), hair=0.008)),
    *both(Part((0.075, 0.351, 0.015), (0.023, 0.023, 0.013), colour=CREAM, hair=0.005)),
    Part((0, 0.266, 0.076), (0.042, 0.033, 0.033), colour=CREAM, hair=0.006),
    *both(Part((0.105, 0.135, 0.035), (0.034, 0.076, 0.036), lean=-26)),
    *both(Part((0.082, 0.042, 0.085), (0.044, 0.042, 0.090), swing=28)),
    *both(Part((0.117, 0.052, 0.150), (0.043, 0.050, 0.024), swing=28)),
    *both(Part((0.124, 0.052, 0.165), (0.030, 0.036, 0.014), swing=28, colour=CREAM, hair=0.004)),
]


def seated(points: Array) -> Array:
    """From the bear's own place to where it sits in the room."""
    return moved(points, SEAT, TURN)


def hairs(part: Part, others: list[Part]) -> Array:
    """Control points [n,5,3] of plush on a part, outside of the others."""
    a, b, c = part.radii
    area_cm2 = 1e4 * 4 * math.pi * (((a * b) ** 1.6 + (a * c) ** 1.6 + (b * c) ** 1.6) / 3) ** 0.625
    sphere = RNG.standard_normal((round(2 * area_cm2 * HAIRS_PER_CM2), 3))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    # Evenly over the surface: a point of the sphere stands for more of it where it is stretched.
    stretch = np.linalg.norm(sphere / part.radii, axis=1) * min(part.radii)
    sphere = sphere[RNG.uniform(size=len(sphere)) < stretch]
    normals = sphere / part.radii
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    roots = part.placed(sphere * part.radii)
    directions = part.placed(normals) - np.asarray(part.centre)
    free = ~np.any([other.holds(roots) for other in others], axis=0)
    roots, directions = roots[free], directions[free]

    length = part.hair * RNG.uniform(0.6, 1.15, (len(roots), 1))
    combed = np.array((0, -0.45, 0.1)) + 0.42 * RNG.standard_normal(directions.shape)
    curl = 0.25 * RNG.standard_normal(directions.shape)
    steps = [-0.25, 0.05, 0.4, 0.75, 1.1]
    return np.stack(
        [roots + length * (t * directions + t * t * (0.6 * combed + curl * t)) for t in steps], 1
    )


def curves(controls: Array, colour: Colour, folder: Path) -> dict:
    """Mitsuba's hairs along control points [n,5,3], which it reads from a file."""
    radii = np.broadcast_to(np.array((0.26, 0.26, 0.23, 0.18, 0.08)) * 1e-3, controls.shape[:2])
    lines = np.concatenate([seated(controls), radii[..., None]], -1)
    file = folder / f"{len(list(folder.iterdir()))}.txt"
    with file.open("w") as text:
        for strand in lines:
            text.writelines("{:.6f} {:.6f} {:.6f} {:.6f}\n".format(*point) for point in strand)
            text.write("\n")
    bsdf = {"type": "diffuse", "reflectance": {"type": "rgb", "value": list(colour)}}
    return {"type": "bsplinecurve", "filename": str(file), "bsdf": bsdf}


def plush(folder: Path) -> list:
    """The parts of the bear with their hairs."""
    shapes, strands = [], {}
    for part in BEAR:
        under = tuple(0.45 * value for value in part.colour)
        skin = part.placed(0.985 * ball(part.radii))
        shapes.append(mesh(seated(skin), material(under, 0.9)))
        grown = hairs(part, [other for other in BEAR if other is not part])
        tones = RNG.choice(list(TONES), size=len(grown), p=list(TONES.values()))
        for tone in TONES:
            strands.setdefault((part.colour, tone), []).append(grown[tones == tone])
    for (colour, tone), grown in strands.items():
        shapes.append(
            curves(np.concatenate(grown), tuple(min(tone * v, 0.9) for v in colour), folder)
        )
    return shapes


def face() -> list:
    """Eyes, nose and mouth."""
    black = material((0.006, 0.005, 0.005), 0.08, specular=0.7)
    thread = material((0.02, 0.012, 0.008), 0.7)
    shapes = [
        mesh(seated(moved(ball((0.0105, 0.0105, 0.0105)), (x, 0.300, 0.0855))), black)
        for x in (-0.035, 0.035)
    ]
    nose = moved(ball((0.0165, 0.0115, 0.0095)), (0, 0.281, 0.1085))
    shapes.append(mesh(seated(nose), material((0.012, 0.008, 0.007), 0.3, specular=0.5)))
    seam = rounded((0, 0, 0.0005), (0.272, 0.262, 0.252), (0.1135, 0.1165, 0.1155))
    smile = rounded((-0.020, -0.012, 0, 0.012, 0.020), (0.259, 0.250, 0.2525, 0.250, 0.259),
                    (0.1085, 0.1125, 0.1155, 0.1125, 0.1085))  # fmt: skip
    return [*shapes, *(mesh(seated(tube(path, 0.0013)), thread) for path in (seam, smile))]


def scarf() -> list:
    """A knitted scarf around the neck, one end hanging down."""
    around, across = np.linspace(0, 2 * math.pi, 361), np.linspace(0, 2 * math.pi, 49)
    bulge = 1 + 0.10 * np.abs(np.sin(60 * around))[:, None] * np.abs(np.sin(4 * across))[None, :]
    radius = 0.074 + 0.013 * bulge * np.cos(across)[None, :]
    ring = np.stack(
        [
            radius * np.sin(around)[:, None],
            0.213 + 0.019 * bulge * np.sin(across) + 0.012 * np.cos(around)[:, None] * -1,
            0.95 * radius * np.cos(around)[:, None] + 0.008,
        ],
        -1,
    )
    t, s = np.linspace(0, 1, 120)[:, None], np.linspace(-1, 1, 41)[None, :]
    knit = 0.0014 * np.abs(np.sin(34 * math.pi * t)) + 0.0012 * np.abs(np.sin(7 * math.pi * s))
    end = np.stack(
        np.broadcast_arrays(
            0.030 + 0.022 * s + 0.014 * t,
            0.205 - 0.105 * t,
            0.084 + 0.022 * np.sin(math.pi * np.minimum(t * 1.3, 1)) - 0.006 * s**2 + knit,
        ),
        -1,
    )
    red, white = np.array((0.50, 0.022, 0.026)), np.array((0.70, 0.66, 0.58))
    rows = np.where(((np.arange(512) // 32) % 8 > 5)[:, None, None], white, red)
    wool = rows * (1 + 0.12 * noise(512, 64, 90, 20)[..., None]).clip(0.6, 1.4)
    return [mesh(seated(part), material(wool.clip(0, 1), 0.9, sheen=0.5)) for part in (ring, end)]


def portrait(folder: Path) -> list:
    """The bear on the table, in the room of the still life."""
    return [
        *plush(folder),
        *face(),
        *scarf(),
        *book((0.28, 0, -1.5), (0.25, 0.036, 0.17), 14, (0.30, 0.03, 0.03)),
        *mug((0.26, 0.036, -1.5), turn=-35),
        *room(),
        *fairy_lights(),
        *lamps(),
    ]


def as_phones_store(metres: Array) -> Depth:
    """Metres [H,W] as a phone's disparity: small, smeared over edges, in 256 steps."""
    disparity = torch.from_numpy(1 / metres)[None, None].float()
    width, height = DEPTH_SIZE
    small = torch.nn.functional.interpolate(disparity, (height, width), mode="area")
    # The phone's matching windows see the nearest surface about them.
    near = torch.nn.functional.max_pool2d(small, 3, 1, 1)
    soft = torch.nn.functional.avg_pool2d(near, 3, 1, 1, count_include_pad=False)
    low, high = soft.min(), soft.max()
    steps = ((soft - low) / (high - low) * 255).round() / 255
    return Depth.from_metres(1 / (low + steps * (high - low)))


def save(path: Path, image: Array, metres: Array) -> None:
    """Write the JPEG from linear light [H,W,3] and metres [H,W]."""
    pixels = code_srgb(image).astype(np.float32)
    save_photo(path, pixels, exif("Phone portrait"), depth=as_phones_store(metres), quality=92)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "phone_portrait.jpg", help="JPEG")
    parser.add_argument("--spp", type=int, default=96, help="paths per pixel")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scene, sensor = assembled(portrait(Path(folder))), camera(POSITION, TARGET)
        metres = depth_map(scene, sensor)
        save(arguments.out, render(scene, sensor, arguments.spp, SAMPLES_AT_ONCE), metres)
    print(f"depth {metres.min():.2f}..{metres.max():.2f} m")


if __name__ == "__main__":
    main()
