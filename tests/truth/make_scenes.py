"""Make the path-traced truth that the lens renderers are tested against.

    pip install mitsuba numpy
    python tests/truth/make_scenes.py                    # every scene, about 5 minutes on 2 cores
    python tests/truth/make_scenes.py --scene spheres --spp 512 --out /tmp/truth
    python tests/truth/make_scenes.py --check            # size of the rendered blur disc, no files

Runs Mitsuba's `llvm_ad_rgb`, which needs libLLVM 16 or newer (`DRJIT_LIBLLVM_PATH`). Nothing of
Focus Puller is imported: the truth must not share a mistake with what it tests.

Every surface is a textured light and paths end at the first hit, so that the integral over lens
and pixel is the only noise. Seeds are fixed: a second run on the same machine gives the same files.
World: the camera at the origin, x right, y down, z along the optical axis, metres.

A scene is `<name>.npz`:

    all_in_focus      float16 [H,W,3]  linear light, pinhole; a pixel is the mean over its square
    defocused         float16 [H,W,3]  linear light, the same view through the thin lens
    depth             float32 [H,W]    z in metres at the pixel's centre, 16 bits of mantissa
    focal_length_mm, f_number, sensor_width_mm, focus_distance (m)      float64, the camera
    max_radius_px     float64          largest blur radius in view
    smooth            bool             depth is continuous and nothing hides anything

What lies just outside the view blurs into it: leave out `max_radius_px` along the border when
comparing.
"""

from __future__ import annotations

import argparse
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mitsuba as mi
import numpy as np

mi.set_variant("llvm_ad_rgb")

Array = np.ndarray
Shapes = dict[str, mi.Mesh]

SAMPLES_PER_PASS = 1024
TEXTURE_PX = 1024
# Surfaces reach this far past the view, so that blur at its border has something to gather.
OVERSCAN = 1.25


@dataclass(frozen=True)
class Shot:
    """A focused photographic camera: f (mm), N, sensor width (mm), z_f (m) and the image's size."""

    focal_length_mm: float
    f_number: float
    sensor_width_mm: float
    focus_distance: float
    width: int = 192
    height: int = 128

    @property
    def aperture_radius(self) -> float:
        """Radius of the entrance pupil f / 2N, in metres."""
        return self.focal_length_mm / 1000 / (2 * self.f_number)

    @property
    def half_width(self) -> float:
        """Half the view's width at 1 m: the sensor stands at v = f z_f / (z_f - f), not at f."""
        focal_length = self.focal_length_mm / 1000
        image_distance = focal_length * self.focus_distance / (self.focus_distance - focal_length)
        return self.sensor_width_mm / 1000 / (2 * image_distance)

    @property
    def half_height(self) -> float:
        """Half the view's height at 1 m."""
        return self.half_width * self.height / self.width

    def blur_radius(self, depth: Array | float) -> Array | float:
        """Radius in px of the disc that a point at `depth` blurs to: K |1/z - 1/z_f|."""
        focal_length = self.focal_length_mm / 1000
        extension = self.focus_distance - focal_length
        level = focal_length**2 * self.focus_distance / (2 * self.f_number * extension)
        level *= self.width / (self.sensor_width_mm / 1000)
        return level * np.abs(1 / depth - 1 / self.focus_distance)


@dataclass(frozen=True)
class TruthScene:
    """A shot of some shapes. `samples` is the number of paths per pixel of the defocused image."""

    shot: Shot
    build: Callable[[Shot, np.random.Generator], Shapes]
    samples: int
    smooth: bool = False


# Radiance: [S,S,3] arrays of linear light.


def waves(rng: np.random.Generator, cycles: float, count: int = 6) -> Array:
    """Sum of sinusoids of random direction with up to `cycles` across the texture, -1..1."""
    v, u = np.mgrid[0:TEXTURE_PX, 0:TEXTURE_PX] / TEXTURE_PX
    total = np.zeros((TEXTURE_PX, TEXTURE_PX))
    for _ in range(count):
        angle, phase = rng.uniform(0, 2 * math.pi, 2)
        frequency = cycles * rng.uniform(0.3, 1)
        along = u * math.cos(angle) + v * math.sin(angle)
        total += np.sin(2 * math.pi * frequency * along + phase)
    return total / count


def soft_noise(rng: np.random.Generator, cycles: float, channels: int = 3) -> Array:
    """White noise low-passed at about `cycles` across the texture, unit variance, [S,S,C]."""
    spectrum = np.fft.fft2(rng.standard_normal((TEXTURE_PX, TEXTURE_PX, channels)), axes=(0, 1))
    frequency = np.fft.fftfreq(TEXTURE_PX, 1 / TEXTURE_PX)
    squared = frequency[:, None] ** 2 + frequency[None, :] ** 2
    spectrum *= np.exp(-squared / cycles**2)[..., None]
    noise = np.fft.ifft2(spectrum, axes=(0, 1)).real
    return noise / noise.std()


def confetti(rng: np.random.Generator, count: int, size: float) -> tuple[Array, Array]:
    """Hard-edged discs and bars of random colour: (colour [S,S,3], covered [S,S,1])."""
    v, u = np.mgrid[0:TEXTURE_PX, 0:TEXTURE_PX] / TEXTURE_PX
    colour = np.zeros((TEXTURE_PX, TEXTURE_PX, 3))
    covered = np.zeros((TEXTURE_PX, TEXTURE_PX, 1), bool)
    for index in range(count):
        u0, v0 = rng.uniform(0, 1, 2)
        angle, radius = rng.uniform(0, math.pi), size * rng.uniform(0.4, 1)
        along = (u - u0) * math.cos(angle) + (v - v0) * math.sin(angle)
        across = (v - v0) * math.cos(angle) - (u - u0) * math.sin(angle)
        disc = np.hypot(along, across) < radius
        bar = (np.abs(along) < 1.8 * radius) & (np.abs(across) < 0.25 * radius)
        inside = disc if index % 2 else bar
        colour[inside] = rng.uniform(0.02, 1, 3)
        covered |= inside[..., None]
    return colour, covered


def paint(
    rng: np.random.Generator,
    colour: tuple[float, float, float],
    cycles: float,
    shapes: int = 60,
    size: float = 0.04,
) -> Array:
    """A detailed surface around `colour`: waves, soft noise and hard-edged shapes."""
    tint = np.asarray(colour) * (1 + 0.12 * soft_noise(rng, cycles / 3))
    base = tint * (1 + 0.5 * waves(rng, cycles)[..., None] + 0.12 * soft_noise(rng, cycles, 1))
    shape_colour, covered = confetti(rng, shapes, size)
    return np.where(covered, shape_colour, np.clip(base, 0.01, 1.0))


def lit(radiance: Array, light: tuple[float, float, float]) -> Array:
    """Shade the texture of an `ellipsoid` as if light came from direction `light`."""
    polar = math.pi * (np.arange(TEXTURE_PX) + 0.5)[:, None] / TEXTURE_PX
    azimuth = 2 * math.pi * (np.arange(TEXTURE_PX) + 0.5)[None, :] / TEXTURE_PX
    normal = sphere_points(polar, azimuth)
    towards = np.asarray(light) / np.linalg.norm(light)
    return radiance * (0.25 + 0.75 * np.clip(normal @ towards, 0, None))[..., None]


# Shapes: grids of points with a radiance.


def surface(points: Array, radiance: Array | float) -> mi.Mesh:
    """A light in the shape of a grid of points [M,N,3]; the texture spans it.

    The lit side is the one from which rows run down and columns run right.
    """
    rows, columns = points.shape[:2]
    top_left = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    right, below, across = top_left + 1, top_left + columns, top_left + columns + 1
    faces = np.stack([top_left, below, across, top_left, across, right], -1)
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    properties = mi.Properties()
    properties["emitter"] = mi.load_dict({"type": "area", "radiance": texture(radiance)})
    mesh = mi.Mesh(
        "surface",
        vertex_count=rows * columns,
        face_count=faces.size // 3,
        has_vertex_texcoords=True,
        props=properties,
    )
    parameters = mi.traverse(mesh)
    parameters["vertex_positions"] = mi.Float(points.reshape(-1).astype(np.float32))
    parameters["vertex_texcoords"] = mi.Float(np.stack([u, v], -1).ravel().astype(np.float32))
    parameters["faces"] = mi.UInt32(faces.ravel().astype(np.uint32))
    parameters.update()
    return mesh


def texture(radiance: Array | float) -> dict:
    """Mitsuba's texture of an [S,S,3] array, of one colour [3] or of a grey value."""
    values = np.broadcast_to(radiance, np.broadcast_shapes(np.shape(radiance), (1, 1, 3)))
    bitmap = mi.TensorXf(np.ascontiguousarray(values, np.float32))
    return {"type": "bitmap", "data": bitmap, "raw": True, "wrap_mode": "clamp"}


def parallelogram(corner: Array, right: Array, down: Array) -> Array:
    """Points of a parallelogram from its top left corner and two edges, [2,2,3]."""
    corner, right, down = (np.asarray(x, float) for x in (corner, right, down))
    return np.stack([np.stack([corner, corner + right]), np.stack([corner + down] * 2)]) + (
        np.stack([np.zeros((2, 3)), np.stack([np.zeros(3), right])])
    )


def rectangle(centre: tuple[float, float, float], width: float, height: float) -> Array:
    """Points of a rectangle that faces the camera, [2,2,3]."""
    corner = np.asarray(centre) - (width / 2, height / 2, 0)
    return parallelogram(corner, (width, 0, 0), (0, height, 0))


def wall(shot: Shot, depth: float) -> Array:
    """Points of a wall across the view at one depth, [2,2,3]."""
    size = 2 * OVERSCAN * depth
    return rectangle((0, 0, depth), size * shot.half_width, size * shot.half_height)


def sphere_points(polar: Array, azimuth: Array) -> Array:
    """Unit vectors with the poles up and down and azimuth 1/2 turn towards the camera."""
    ring = np.sin(polar)
    return np.stack(
        np.broadcast_arrays(-ring * np.sin(azimuth), -np.cos(polar), ring * np.cos(azimuth)), -1
    )


def ellipsoid(centre: tuple[float, float, float], radii: float | tuple, steps: int = 192) -> Array:
    """Points of an ellipsoid with half axes `radii`, [steps+1, 2 steps+1, 3]."""
    polar = np.linspace(0, math.pi, steps + 1)[:, None]
    azimuth = np.linspace(0, 2 * math.pi, 2 * steps + 1)[None, :]
    return np.asarray(centre) + np.asarray(radii) * sphere_points(polar, azimuth)


def relief(shot: Shot, depth: Callable[[Array, Array], Array], steps: int = 512) -> Array:
    """Points of a surface given as depth over the view, both coordinates -1..1 inside it."""
    v, u = np.meshgrid(*2 * [OVERSCAN * np.linspace(-1, 1, steps)], indexing="ij")
    z = depth(u, v)
    return np.stack([z * u * shot.half_width, z * v * shot.half_height, z], -1)


# The scenes.


def slanted_plane(shot: Shot, rng: np.random.Generator) -> Shapes:
    """A plane from 1.2 m on the left to 2.1 m on the right, tilted in both directions."""
    corner, right, down = (-0.42, -0.46, 0.93), (1.75, 0.1, 2.1), (-0.12, 0.95, 0.12)
    return {"plane": surface(parallelogram(corner, right, down), paint(rng, (0.5, 0.4, 0.3), 40))}


def ground(shot: Shot, rng: np.random.Generator) -> Shapes:
    """A floor that rises to meet a leaning wall; they join in one line at 4 m."""
    join_left, join_right = np.array((-1.2, -0.08, 4.0)), np.array((1.2, -0.08, 4.0))
    towards_camera, up = np.array((0.0, 0.36, -3.3)), np.array((0.0, -0.9, 0.15))
    across = join_right - join_left
    floor = parallelogram(join_left, across, towards_camera)
    back = parallelogram(join_left + up, across, -up)
    return {
        "floor": surface(floor, paint(rng, (0.35, 0.45, 0.25), 60, shapes=150, size=0.025)),
        "back": surface(back, paint(rng, (0.3, 0.4, 0.6), 50)),
    }


def hills(shot: Shot, rng: np.random.Generator) -> Shapes:
    """A height field that undulates across the focus distance."""

    def depth(u: Array, v: Array) -> Array:
        swell = np.sin(2.3 * u + 0.6) * np.cos(1.9 * v - 0.4) + 0.35 * np.sin(3.1 * v + 1.7 * u)
        return 1 / (0.62 + 0.26 * swell)

    return {"hills": surface(relief(shot, depth), paint(rng, (0.55, 0.35, 0.4), 45))}


def spheres(shot: Shot, rng: np.random.Generator) -> Shapes:
    """Spheres in front of, on and behind the focus distance, before a wall."""
    places = [  # x, y, z of the centre and radius, metres
        (-0.17, 0.07, 1.02, 0.075),
        (0.02, -0.06, 1.50, 0.120),
        (0.26, 0.10, 1.28, 0.080),
        (-0.36, -0.14, 2.20, 0.150),
        (0.47, -0.19, 2.60, 0.180),
        (-0.02, 0.24, 2.00, 0.110),
    ]
    shapes = {"wall": surface(wall(shot, 3.5), paint(rng, (0.35, 0.4, 0.45), 40))}
    for index, (x, y, z, radius) in enumerate(places):
        radiance = lit(paint(rng, tuple(rng.uniform(0.25, 0.9, 3)), 24), (-0.6, -1, -0.8))
        shapes[f"sphere{index}"] = surface(ellipsoid((x, y, z), radius), radiance)
    return shapes


def near_frame(shot: Shot, rng: np.random.Generator) -> Shapes:
    """A window frame half a metre away; behind it a room in focus, with a pillar closer by."""
    depth, bar = 0.5, 0.03
    half_width, half_height = depth * shot.half_width, depth * shot.half_height
    wide, tall = 2 * OVERSCAN * half_width, 2 * OVERSCAN * half_height
    bars = {
        "left": (-half_width, 0, 1.2 * bar, tall),
        "right": (half_width, 0, 1.2 * bar, tall),
        "top": (0, -half_height, wide, bar),
        "bottom": (0, half_height, wide, bar),
        "post": (0.12 * half_width, 0, 0.5 * bar, tall),
        "rail": (0, -0.15 * half_height, wide, 0.4 * bar),
    }
    wood = paint(rng, (0.30, 0.17, 0.09), 30, shapes=0)
    shapes = {
        name: surface(rectangle((x, y, depth), width, height), wood)
        for name, (x, y, width, height) in bars.items()
    }
    shapes["room"] = surface(wall(shot, 4.0), paint(rng, (0.55, 0.5, 0.4), 45))
    shapes["pillar"] = surface(
        rectangle((-0.5, 0, 2.4), 0.28, 3), paint(rng, (0.35, 0.45, 0.6), 12)
    )
    return shapes


def portrait(shot: Shot, rng: np.random.Generator) -> Shapes:
    """Head, shoulders and stray hairs in focus at 1.5 m, a garden far behind."""
    skin = lit(paint(rng, (0.75, 0.48, 0.36), 14, shapes=24, size=0.02), (-0.7, -0.6, -1))
    coat = lit(paint(rng, (0.15, 0.22, 0.42), 60, shapes=40), (-0.7, -0.6, -1))
    shapes = {
        "garden": surface(wall(shot, 6.0), paint(rng, (0.22, 0.38, 0.16), 30, 260, 0.03)),
        "hedge": surface(
            parallelogram((0.12, 0.10, 2.6), (0.9, 0, 0.5), (0, 1, 0)),
            paint(rng, (0.12, 0.28, 0.08), 40),
        ),
        "head": surface(ellipsoid((0, -0.045, 1.5), (0.078, 0.105, 0.09)), skin),
        "neck": surface(ellipsoid((0, 0.06, 1.53), (0.045, 0.12, 0.045)), skin),
        "shoulders": surface(ellipsoid((0, 0.235, 1.55), (0.2, 0.13, 0.1)), coat),
    }
    for index in range(14):
        shapes[f"hair{index}"] = surface(hair(rng), (0.05, 0.03, 0.02))
    return shapes


def hair(rng: np.random.Generator, steps: int = 24) -> Array:
    """A curl of hair out of the head of `portrait`, 1.5 to 3.5 mm wide, [2,steps,3]."""
    start, turn = rng.uniform(-2.9, -0.25), rng.uniform(-1.6, 1.6)
    distance = np.linspace(0, rng.uniform(0.05, 0.1), steps)
    heading = start + turn * distance / 0.1
    step = np.stack([np.cos(heading), np.sin(heading)], -1) * distance[1]
    root = np.array((0.07 * math.cos(start), -0.045 + 0.095 * math.sin(start)))
    middle = root + np.cumsum(step, 0)
    width = rng.uniform(0.0015, 0.0035) * np.linspace(1, 0.4, steps)[:, None]
    side = np.stack([np.sin(heading), -np.cos(heading)], -1) * width / 2
    z = np.full((steps, 1), 1.5)
    return np.stack([np.concatenate([middle + s * side, z], -1) for s in (1, -1)])


def night_lights(shot: Shot, rng: np.random.Generator) -> Shapes:
    """A dark street with small bright lights from 1 m to 8 m; the focus is at 2 m."""
    shapes = {
        "back": surface(wall(shot, 9.0), 0.05 * paint(rng, (0.25, 0.3, 0.5), 30)),
        "pole": surface(rectangle((0.3, 0, 2.0), 0.06, 2), 0.2 * paint(rng, (0.5, 0.3, 0.2), 6)),
        "sign": surface(
            rectangle((-0.22, 0.06, 2.0), 0.26, 0.2), 0.5 * paint(rng, (0.2, 0.5, 0.6), 6)
        ),
    }
    warm, white, red, green = (1, 0.62, 0.25), (1, 0.95, 0.85), (1, 0.12, 0.06), (0.1, 0.9, 0.4)
    colours = [warm, white, red, green]
    for index, depth in enumerate(np.concatenate([np.geomspace(2.5, 8, 14), [2.0, 1.15, 1.0]])):
        x, y = depth * rng.uniform(-0.85, 0.85, 2) * (shot.half_width, shot.half_height)
        # A part of the view, so that a larger image shows larger lights of the same radiance.
        radius = rng.uniform(0.6, 1.1) * depth * 2 * shot.half_width / Shot.width
        radiance = np.asarray(colours[index % 4]) * rng.uniform(20, 50)
        shapes[f"light{index}"] = surface(ellipsoid((x, y, depth), radius, 24), radiance)
    return shapes


SCENES = {
    "slanted_plane": TruthScene(Shot(85.0, 1.4, 36.0, 1.9), slanted_plane, 4096, smooth=True),
    "ground": TruthScene(Shot(56.0, 1.2, 23.5, 1.8), ground, 4096, smooth=True),
    "hills": TruthScene(Shot(85.0, 1.4, 36.0, 1.6, 191, 127), hills, 4096, smooth=True),
    "spheres": TruthScene(Shot(85.0, 1.2, 36.0, 1.5), spheres, 4096),
    "near_frame": TruthScene(Shot(50.0, 1.4, 36.0, 4.0), near_frame, 4096),
    "portrait": TruthScene(Shot(85.0, 1.4, 36.0, 1.45, 193, 129), portrait, 4096),
    "night_lights": TruthScene(Shot(85.0, 1.4, 36.0, 2.0), night_lights, 65536),
}


# Rendering.


def pinhole(shot: Shot) -> dict:
    """Mitsuba's camera without a lens."""
    film = {
        "type": "hdrfilm",
        "width": shot.width,
        "height": shot.height,
        "rfilter": {"type": "box"},
        "component_format": "float32",
    }
    return {
        "type": "perspective",
        "fov_axis": "x",
        "fov": math.degrees(2 * math.atan(shot.half_width)),
        "to_world": mi.ScalarTransform4f().look_at([0, 0, 0], [0, 0, 1], [0, -1, 0]),
        "film": film,
        "sampler": {"type": "multijitter"},
    }


def thin_lens(shot: Shot) -> dict:
    """Mitsuba's camera with the shot's lens."""
    lens = {"aperture_radius": shot.aperture_radius, "focus_distance": shot.focus_distance}
    return pinhole(shot) | {"type": "thinlens"} | lens


def render(scene: mi.Scene, sensor: dict, samples: int, seed: int) -> Array:
    """Linear light [H,W,3] with `samples` paths per pixel, in passes to bound memory."""
    camera = mi.load_dict(sensor)
    passes = max(1, round(samples / SAMPLES_PER_PASS))
    total = 0.0
    for index in range(passes):
        image = mi.render(scene, sensor=camera, spp=samples // passes, seed=seed + index)
        total = total + image.numpy().astype(np.float64)
    return total / passes


def depth_map(scene: mi.Scene, shot: Shot) -> Array:
    """z at the centre of every pixel, metres, [H,W]."""
    row, column = np.mgrid[0 : shot.height, 0 : shot.width] + 0.5
    x, y = column.ravel() / shot.width, row.ravel() / shot.height
    position = mi.Point2f(mi.Float(x), mi.Float(y))
    ray, _ = mi.load_dict(pinhole(shot)).sample_ray(0.0, 0.5, position, mi.Point2f(0.5))
    hit = scene.ray_intersect(ray)
    depth = hit.p.z.numpy().reshape(shot.height, shot.width)
    assert hit.is_valid().numpy().all(), "the scene does not fill the view"
    return depth


def psnr(a: Array, b: Array) -> float:
    """PSNR in dB of two linear images, clipped to 0..1 and coded with gamma 2.2."""
    difference = np.clip(a, 0, 1) ** (1 / 2.2) - np.clip(b, 0, 1) ** (1 / 2.2)
    return float(-10 * np.log10(np.mean(difference**2)))


def drop_mantissa_bits(values: Array, kept: int = 16) -> Array:
    """Round float32 to `kept` bits of mantissa, which zip better (0.0002 px of blur at most)."""
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.round(mantissa * 2.0**kept) / 2.0**kept, exponent).astype(np.float32)


def load(name: str, truth: TruthScene) -> mi.Scene:
    """The scene, ready to render; its randomness is seeded by its name."""
    shapes = truth.build(truth.shot, np.random.default_rng(zlib.crc32(name.encode())))
    integrator = {"type": "path", "max_depth": 1}
    return mi.load_dict({"type": "scene", "integrator": integrator} | shapes)


def write(
    file: Path, shot: Shot, all_in_focus: Array, defocused: Array, depth: Array, **more: bool | str
) -> None:
    """Write a scene's file."""
    np.savez_compressed(
        file,
        all_in_focus=all_in_focus.astype(np.float16),
        defocused=defocused.astype(np.float16),
        depth=depth,
        focal_length_mm=shot.focal_length_mm,
        f_number=shot.f_number,
        sensor_width_mm=shot.sensor_width_mm,
        focus_distance=shot.focus_distance,
        max_radius_px=shot.blur_radius(depth).max(),
        **more,
    )


def make(name: str, folder: Path, samples: int | None) -> None:
    """Render one scene, write its file and print how noisy it is."""
    truth, file = SCENES[name], folder / f"{name}.npz"
    scene, shot, samples = load(name, truth), truth.shot, samples or truth.samples
    depth = drop_mantissa_bits(depth_map(scene, shot))
    halves = [render(scene, thin_lens(shot), samples // 2, seed) for seed in (10_000, 20_000)]
    all_in_focus = render(scene, pinhole(shot), samples, 30_000)
    write(file, shot, all_in_focus, np.mean(halves, axis=0), depth, smooth=truth.smooth)
    print(
        f"{name:14s} z {depth.min():5.2f}..{depth.max():5.2f} m"
        f"  radius up to {shot.blur_radius(depth).max():4.1f} px"
        f"  two halves agree to {psnr(*halves):4.1f} dB"
        f"  {file.stat().st_size / 1000:4.0f} kB"
    )


def check_disc(depth: float, shot: Shot, samples: int = 1024) -> None:
    """Print the blur radius of a point-like light against the photographic formula.

    A disc of radius r has mean squared distance r²/2 from its centre; the light's own disc and
    the pixel's square add theirs.
    """
    light_px = 3.0
    radius = light_px * depth * 2 * shot.half_width / shot.width
    light = surface(ellipsoid((0, 0, depth), radius, 24), 1000.0)
    integrator = {"type": "path", "max_depth": 1}
    scene = mi.load_dict({"type": "scene", "integrator": integrator, "light": light})
    image = render(scene, thin_lens(shot), samples, seed=0)[..., 1]
    y, x = np.mgrid[0 : shot.height, 0 : shot.width] + 0.5
    y, x = y - shot.height / 2, x - shot.width / 2
    squared = ((x**2 + y**2) * image).sum() / image.sum()
    measured = math.sqrt(2 * (squared - light_px**2 / 2 - 1 / 6))
    expected = float(shot.blur_radius(depth))
    print(f"z {depth} m: radius {measured:.4f} px, formula {expected:.4f} px", end="  ")
    print(f"({100 * (measured / expected - 1):+.3f} %)")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder")
    parser.add_argument("--scene", choices=SCENES, action="append", help="default: all")
    parser.add_argument("--spp", type=int, help="paths per pixel; default: what the scene needs")
    parser.add_argument("--check", action="store_true", help="measure the blur disc and stop")
    arguments = parser.parse_args()
    if arguments.check:
        for shot in (Shot(85.0, 1.4, 36.0, 2.0, 768, 512), Shot(56.0, 1.2, 23.5, 0.8, 768, 512)):
            for depth in (0.6, 1.0, 10.0):
                check_disc(depth, shot)
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.scene or SCENES:
        make(name, arguments.out, arguments.spp)


if __name__ == "__main__":
    main()
