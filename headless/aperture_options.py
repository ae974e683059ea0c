"""The aperture on the command line, for every command that takes one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

from ..errors import InputError
from ..lens.aperture import RANGES, Aperture
from ..lens.color import luminance
from ..lens.image import to_planar
from ..photo.photo import load_photo


def add_aperture_options(group: Any) -> None:
    """Add the options to a parser or a group of its options."""
    group.add_argument("--blades", type=int, default=0, help="of the iris, 3..20; 0 is a circle")
    group.add_argument("--rotation", metavar="DEGREES", type=float, default=0.0)
    group.add_argument("--roundness", type=float, default=0.0, help="0 straight blades, 1 circle")
    group.add_argument(
        "--aperture-image", metavar="FILE", type=Path, help="any shape, white on black"
    )
    for name, metavar, text in (
        ("squeeze", "X", "anamorphic: discs 1/X as wide as high, 1..2"),
        ("obstruction", "X", "mirror lens: rings with a hole of X of the diameter, 0..0.9"),
        ("spherical-aberration", "X", "1 soft discs, -1 bright rims, behind the focus"),
        ("cats-eye", "X", "discs cut towards the corners, 0..1"),
        ("swirl", "X", "discs stretched around the centre, 0..1"),
        (
            "axial-chromatism",
            "X",
            "magenta fringes in front, green behind, in thousandths of the diagonal, -10..10",
        ),
    ):
        default = getattr(Aperture, name.replace("-", "_"))
        group.add_argument(f"--{name}", metavar=metavar, type=float, default=default, help=text)


def aperture_from(options: argparse.Namespace) -> Aperture:
    """The aperture that the options mean.

    Raises:
        InputError: a value out of range, or blades beside an image.
    """
    shape = None if options.aperture_image is None else grey(options.aperture_image)[0]
    if shape is not None and options.blades:
        raise InputError("--blades", "an --aperture-image beside it", "Give one of the two.")
    traits = {name: getattr(options, name) for name in RANGES}
    return Aperture(options.blades, options.rotation, image=shape, **traits)


def grey(path: Path) -> torch.Tensor:
    """`[1,H,W]` brightness of an image file."""
    return luminance(to_planar(torch.from_numpy(load_photo(path).image)[None]))[:, 0]
