"""Make the 640×432 path-traced truth that occlusion-aware lenses are judged against.

    pip install mitsuba numpy
    python benchmarks/truth_scenes.py                         # 32 cases into out/truth640
    python benchmarks/truth_scenes.py --scene rods --scene fence --out /tmp/truth
    python benchmarks/truth_scenes.py --sheet                 # only the contact sheet of --out

Eight scenes, each focused near and far, each with the f-number at which the largest blur radius in
view is 10 or 28 px: `<scene>_<near|far>_r<10|28>.npz`. Files, surfaces and camera are those of
`tests/truth/make_scenes.py`, which see; a file also has its `name`. Not shipped: a run takes about
15 minutes on 2 cores. Samples are added until two independent halves agree to `--agree` dB.

The four files of a scene share view, depth and all-in-focus image: the sensor's width follows the
focus distance, so that focusing does not change the angle of view.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import mitsuba as mi
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "truth"))

import make_scenes  # noqa: E402
from make_scenes import Array, Shapes, Shot, TruthScene, paint, surface, wall  # noqa: E402

WIDTH, HEIGHT = 640, 432
RADII_PX = (10, 28)
# Paths per pixel between two looks at the noise.
BATCH = 144


def board(
    shot: Shot,
    centre: tuple[float, float],
    size: tuple[float, float],
    depth: float,
    tilt: tuple[float, float] = (0, 0),
    turn: float = 0,
    strips: int = 37,
) -> Array:
    """Points of a flat board, rectangular in the view, [strips+1,strips+1,3].

    Centre (from the middle of the view) and size are in px; the board is turned clockwise by `turn`
    degrees. `depth` is the centre's; `tilt` is by how much 1/z grows per 100 px to the right and
    per 100 px down. A plane in space has 1/z linear in the view. The number of strips is a prime,
    to keep edges off the pixels' centres, where a ray may slip between two triangles.
    """
    v, u = np.meshgrid(*2 * [np.linspace(-0.5, 0.5, strips + 1)], indexing="ij")
    turned = np.exp(1j * np.radians(turn)) * (u * size[0] + 1j * v * size[1])
    right, down = turned.real, turned.imag
    z = 1 / (1 / depth + (tilt[0] * right + tilt[1] * down) / 100)
    scale = z * 2 * shot.half_width / shot.width
    return np.stack([scale * (centre[0] + right), scale * (centre[1] + down), z], -1)


# The scenes that the test's set lacks. Positions are px from the middle of the view.


def slanted_planes(shot: Shot, rng: np.random.Generator) -> Shapes:
    """Three boards that lean in different directions before a wall that recedes to the right."""
    back = board(shot, (0, 0), (800, 540), 3.4, tilt=(-0.03, 0.006))
    left = board(shot, (-165, 20), (190, 250), 1.5, tilt=(-0.2, 0.02), turn=6)
    right = board(shot, (170, -40), (210, 180), 1.7, tilt=(0.02, 0.18), turn=-9)
    across = board(shot, (40, 130), (360, 70), 1.25, tilt=(0.06, -0.05), turn=-4)
    return {
        "back": surface(back, paint(rng, (0.35, 0.42, 0.5), 55, 130, 0.03)),
        "left": surface(left, paint(rng, (0.6, 0.42, 0.25), 14)),
        "right": surface(right, paint(rng, (0.3, 0.5, 0.3), 14)),
        "across": surface(across, paint(rng, (0.55, 0.3, 0.4), 12, 40)),
    }


def rods(shot: Shot, rng: np.random.Generator) -> Shapes:
    """Straight rods 0.5 to 2 px wide, half of them at 1.2 m, before a board and a wall."""
    shapes = {
        "wall": surface(wall(shot, 4.0), paint(rng, (0.45, 0.45, 0.4), 50, 160, 0.03)),
        "board": surface(
            board(shot, (150, 60), (180, 230), 2.4, turn=8), paint(rng, (0.3, 0.4, 0.6), 14)
        ),
    }
    count = 28
    widths = rng.permutation(np.linspace(0.5, 2, count))
    depths = np.concatenate([np.full(count // 2, 1.2), np.linspace(1.0, 2.2, count // 2)])
    for index, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        centre = tuple(rng.uniform(-0.45, 0.45, 2) * (WIDTH, HEIGHT))
        size, turn = (float(width), rng.uniform(120, 420)), rng.uniform(-90, 90)
        # Dark, bright and coloured rods.
        colour = [(0.02, 0.02, 0.02), (0.95, 0.9, 0.8), rng.uniform(0.05, 0.9, 3)][index % 3]
        shapes[f"rod{index}"] = surface(board(shot, centre, size, depth, turn=turn), colour)
    return shapes


def steps(shot: Shot, rng: np.random.Generator) -> Shapes:
    """Boards that overlap like a spread hand of cards, from 1 m to 3.2 m, before a wall at 5 m."""
    places = [  # x, y, width, height in px, depth in m, turn in degrees
        (-215, 95, 170, 200, 1.0, -8),
        (-110, 20, 170, 230, 1.3, 12),
        (20, 60, 190, 180, 1.7, -17),
        (110, -50, 180, 210, 2.3, 24),
        (215, 20, 150, 260, 3.2, -5),
        (-60, -120, 420, 60, 3.8, 3),
    ]
    shapes = {"wall": surface(wall(shot, 5.0), paint(rng, (0.4, 0.42, 0.35), 50, 160, 0.03))}
    for index, (x, y, width, height, depth, turn) in enumerate(places):
        radiance = paint(rng, tuple(rng.uniform(0.15, 0.75, 3)), 13)
        shapes[f"board{index}"] = surface(
            board(shot, (x, y), (width, height), depth, turn=turn), radiance
        )
    return shapes


def fence(shot: Shot, rng: np.random.Generator) -> Shapes:
    """Pickets of several widths, two rails and a wire, all near 1.2 m, before a garden."""
    shapes = {
        "garden": surface(wall(shot, 5.0), paint(rng, (0.25, 0.4, 0.2), 50, 220, 0.03)),
        "shed": surface(
            board(shot, (-130, -70), (200, 170), 3.2, turn=2), paint(rng, (0.6, 0.35, 0.25), 13)
        ),
    }
    wood = paint(rng, (0.5, 0.42, 0.3), 8, shapes=30, size=0.02)
    tilt = 0.03  # the fence comes closer to the right
    rails = {"upper": (-60, 14), "lower": (120, 18)}
    for name, (y, height) in rails.items():
        rail = board(shot, (0, y), (800, height), 1.21, tilt=(tilt, 0))
        shapes[name] = surface(rail, wood)
    for index, x in enumerate(np.linspace(-370, 370, 15)):
        width, top = rng.uniform(7, 24), rng.uniform(-165, -125)
        depth = 1 / (1 / 1.2 + tilt * x / 100)
        picket = board(
            shot, (x + rng.uniform(-6, 6), (top + 300) / 2), (width, 300 - top), depth, (tilt, 0)
        )
        shapes[f"picket{index}"] = surface(picket, wood)
    wire = board(shot, (0, -185), (800, 1.5), 1.2, tilt=(tilt, 0), turn=1)
    return shapes | {"wire": surface(wire, (0.03, 0.03, 0.03))}


# The focus distances in metres, near and far, of every scene; in the order of rendering.
FOCUS = {
    "portrait": (1.42, 6.0),
    "fence": (1.2, 5.0),
    "near_frame": (0.5, 4.0),
    "rods": (1.2, 4.0),
    "steps": (1.3, 5.0),
    "slanted_planes": (1.3, 4.0),
    "ground": (1.6, 4.0),
    "night_lights": (2.0, 8.0),
}
NEW_SCENES = {"slanted_planes": slanted_planes, "rods": rods, "steps": steps, "fence": fence}


def scene_of(name: str) -> TruthScene:
    """A scene of this module or of the test's set, at this set's size and focused far."""
    focal_length_mm = 50.0 if name == "near_frame" else 85.0
    shot = Shot(focal_length_mm, 1.0, 36.0, FOCUS[name][1], WIDTH, HEIGHT)
    if name in NEW_SCENES:
        return TruthScene(shot, NEW_SCENES[name], samples=0)  # as many as it takes: `converged`
    return replace(make_scenes.SCENES[name], shot=shot)


def focused(shot: Shot, focus_distance: float, radius_px: float, depth: Array) -> Shot:
    """The shot with another focus, of the same view and with this largest blur radius."""
    moved = replace(shot, focus_distance=focus_distance)
    sensor = shot.sensor_width_mm * shot.half_width / moved.half_width
    moved = replace(moved, sensor_width_mm=sensor)
    widest = float(moved.blur_radius(depth).max())
    return replace(moved, f_number=moved.f_number * widest / radius_px)


def converged(scene: mi.Scene, sensor: dict, agree_db: float) -> tuple[Array, int, float]:
    """Mean of two halves that agree, the paths per pixel that it took and the agreement in dB."""
    totals = np.zeros((2, HEIGHT, WIDTH, 3))
    batches, agreement = 0, 0.0
    while agreement < agree_db:
        for half, total in enumerate(totals):
            total += make_scenes.render(scene, sensor, BATCH, 10_000 * (half + 1) + batches)
        batches += 1
        agreement = make_scenes.psnr(*totals / batches)
    return totals.mean(0) / batches, 2 * BATCH * batches, agreement


def make(name: str, folder: Path, agree_db: float) -> None:
    """Render a scene's four cases; write each as soon as it is done."""
    truth = scene_of(name)
    scene = make_scenes.load(name, truth)
    depth = make_scenes.drop_mantissa_bits(make_scenes.depth_map(scene, truth.shot))
    all_in_focus, _, agreement = converged(scene, make_scenes.pinhole(truth.shot), agree_db)
    print(f"{name} all in focus: halves {agreement:.1f} dB", flush=True)
    for focus, focus_distance in zip(("near", "far"), FOCUS[name], strict=True):
        for radius_px in RADII_PX:
            start = time.perf_counter()
            shot = focused(truth.shot, focus_distance, radius_px, depth)
            image, samples, agreement = converged(scene, make_scenes.thin_lens(shot), agree_db)
            case = f"{name}_{focus}_r{radius_px}"
            unfinished = folder / f".{case}.npz"
            make_scenes.write(
                unfinished, shot, all_in_focus, image, depth, smooth=truth.smooth, name=case
            )
            unfinished.rename(folder / f"{case}.npz")
            print(
                f"{case:24s} z {depth.min():.2f}..{depth.max():.2f} m  focus {focus_distance:.2f} m"
                f"  f/{shot.f_number:<5.2f} radius {shot.blur_radius(depth).max():.2f} px"
                f"  {samples:5d} paths/px  halves {agreement:.1f} dB"
                f"  {time.perf_counter() - start:5.1f} s",
                flush=True,
            )


def contact_sheet(folder: Path) -> None:
    """Draw every case at half size: per scene a row of all in focus, near and far, by radius."""
    rows = []
    for name in FOCUS:
        cases = [folder / f"{name}_{focus}_r{r}.npz" for focus in ("near", "far") for r in RADII_PX]
        if all(case.exists() for case in cases):
            files = [np.load(case) for case in cases]
            images = [files[0]["all_in_focus"], *(file["defocused"] for file in files)]
            rows.append(np.concatenate([_half_size(image) for image in images], 1))
    sheet = np.clip(np.concatenate(rows), 0, 1) ** (1 / 2.2)
    mi.Bitmap((255 * sheet + 0.5).astype(np.uint8)).write(str(folder / "contact_sheet.png"))


def _half_size(image: Array) -> Array:
    return image.astype(np.float32).reshape(HEIGHT // 2, 2, WIDTH // 2, 2, 3).mean((1, 3))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "truth640", help="folder")
    parser.add_argument("--scene", choices=FOCUS, action="append", help="default: all")
    parser.add_argument("--agree", type=float, default=45.0, help="dB that two halves agree to")
    parser.add_argument("--sheet", action="store_true", help="only draw the contact sheet")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if not arguments.sheet:
        for name in arguments.scene or FOCUS:
            make(name, arguments.out, arguments.agree)
    contact_sheet(arguments.out)


if __name__ == "__main__":
    main()
