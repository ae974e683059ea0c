"""Time and peak memory of a lens on a very large picture.

python benchmarks/memory.py                                        # 100 MP
python benchmarks/memory.py --lens bokehme --size 6000x4000 --radius 50
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from focuspuller.lens.render import DEFAULT_LENS, LENSES
from measure import machine, measured, save_scene
from methods import Target

SIZE = (8400, 12000)
RADIUS = 100.0
MOST_GIB = 6.0


def main() -> int:
    """Print it; exit status 1 if it takes more memory than it may."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lens", choices=LENSES, default=DEFAULT_LENS)
    parser.add_argument("--size", type=size, default=SIZE, help="width x height, such as 6000x4000")
    parser.add_argument("--radius", type=float, default=RADIUS, help="largest blur radius, px")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--most-gib", type=float, default=MOST_GIB)
    options = parser.parse_args()
    print(machine(options.device))
    target = memory_target(**vars(options))
    print(f"{target.what}: {target.found}")
    return 0 if target.met else 1


def size(text: str) -> tuple[int, int]:
    """`1024`, `6000x4000` (width x height) as (height, width)."""
    width, _, height = text.partition("x")
    return int(height or width), int(width)


def memory_target(
    lens: str = DEFAULT_LENS,
    size: tuple[int, int] = SIZE,
    radius: float = RADIUS,
    device: str = "cpu",
    most_gib: float = MOST_GIB,
) -> Target:
    """Whether it stays within `most_gib`, with Python, torch and the picture itself."""
    height, width = size
    what = f"{lens}: {width}×{height} px, r {radius:g} on {device} within {most_gib:g} GiB"
    with tempfile.TemporaryDirectory() as folder:
        save_scene(Path(folder), height, width)
        try:
            (found,) = measured(lens, Path(folder), [radius], device)
        except RuntimeError as error:
            return Target(what, str(error), False)
    gib = found.peak / 2**30
    return Target(what, f"{gib:.2f} GiB, {found.seconds:.0f} s", gib <= most_gib)


if __name__ == "__main__":
    sys.exit(main())
