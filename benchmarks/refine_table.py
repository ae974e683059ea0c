"""What Refine Depth gains with imperfect depth, and what it loses with exact depth.

    python benchmarks/refine_table.py out/truth640      # path-traced scenes, see truth_table.py
    python benchmarks/refine_table.py --procedural 24   # scenes as in training, but unseen

Mean PSNR in dB of a lens with the depth as it is and refined, and the scene where that gains least.
What is not changed at all counts as no gain without being rendered again.
"""

from __future__ import annotations

import argparse
import fnmatch
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from degrade import DEGRADATIONS
from focuspuller.lens.color import linear_to_srgb
from focuspuller.lens.defocus import defocus_from_camera
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import Focus
from focuspuller.lens.optics import Camera, f_number_for_bokeh_level
from focuspuller.lens.render import LENSES, Lens, render
from focuspuller.models.edge.handle import refine_depth
from focuspuller.training.scenes import random_scene
from methods import one_thread
from truth_table import SHIPPED, Scene, load_scenes

SIDE, RADIUS, LENS_POINTS = 224, 16, 256
# Disparity in 1/m of the farthest and nearest that a procedural scene may have.
FAR, NEAR = 0.2, 1.2
# Training draws its scenes from stream 0.
UNSEEN = 2


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=SHIPPED, help="of scenes, .npz")
    parser.add_argument("--scenes", default="*", help="pattern of names, such as 'portrait*'")
    parser.add_argument("--procedural", type=int, metavar="N", help="N of these scenes instead")
    parser.add_argument("--depth", default="*", help="pattern of kinds, such as 'dilated*'")
    parser.add_argument("--lens", choices=LENSES, default="layered")
    options = parser.parse_args()
    one_thread()
    if options.procedural:
        scenes = [procedural_scene(index) for index in range(options.procedural)]
    else:
        scenes = load_scenes(options.folder, options.scenes)
    print("| depth | as it is | refined | gain | least gain | unchanged |")
    print("|---" * 6 + "|")
    for kind in fnmatch.filter(DEGRADATIONS, options.depth):
        rows = np.array([measured(scene, kind, Lens(options.lens)) for scene in scenes])
        gains = rows[:, 1] - rows[:, 0]
        cells = [f"{dB:.2f}" for dB in rows.mean(0)] + [f"{gains.mean():+.2f}"]
        least = f"{gains.min():+.2f} ({scenes[int(gains.argmin())].name})"
        unchanged = f"{int((gains == 0).sum())} of {len(scenes)}"
        print(f"| {kind} | {' | '.join(cells)} | {least} | {unchanged} |", flush=True)


def measured(scene: Scene, kind: str, lens: Lens) -> tuple[float, float]:
    """PSNR in dB with the depth as it is and refined."""
    disparity = torch.from_numpy(DEGRADATIONS[kind](scene.disparity))[None, None]
    given = Depth.from_metric_disparity(disparity)
    coded = linear_to_srgb(scene.image.clamp(0.0, 1.0))

    def psnr(depth: Depth) -> float:
        defocus = defocus_from_camera(depth, scene.focus, scene.camera)
        return scene.psnr(render(scene.image, defocus, lens))

    refined = refine_depth(given, coded)
    before = psnr(given)
    is_same = torch.equal(refined.disparity, given.disparity)
    return before, before if is_same else psnr(refined)


def procedural_scene(index: int) -> Scene:
    """A scene of the kind that the network was trained on, with blur up to `RADIUS` px."""
    random = np.random.default_rng([1, UNSEEN, index])
    scene = random_scene((SIDE, SIDE), RADIUS, random)
    relative = scene.disparity()
    row, column = random.integers(SIDE, size=2)
    focus = float(relative[0, row, column])
    level = RADIUS / float((relative - focus).abs().amax().clamp(min=0.05))
    disparity = FAR + relative * (NEAR - FAR)
    sharp = Focus.at_distance(1 / (FAR + focus * (NEAR - FAR)))
    camera = Camera(50.0, 1.0, 36.0, SIDE)
    f_number = f_number_for_bokeh_level(level / (NEAR - FAR), camera, float(sharp.plane[0]))
    return Scene(
        f"procedural {index}",
        scene.all_in_focus()[None],
        scene.defocused(focus, level, LENS_POINTS)[None],
        disparity[0].numpy(),
        replace(camera, f_number=f_number),
        sharp,
        RADIUS,
    )


if __name__ == "__main__":
    main()
