"""A folder with a small photo and its depth, and the words with which commands render it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 24, 36
# 50 mm at f/5.6 that look like 75 mm: a sensor 24 mm wide.
EXIF_TAGS = {0x829D: 5.6, 0x920A: 50.0, 0xA405: 75}
NEAR_FOCUS = ["--focus", "0.1,0.5"]
RENDER = ["render", "photo.png", "--depth", "depth.npy", *NEAR_FOCUS]
BOKEHME = ["--lens", "bokehme"]


def save_photo_folder(folder: Path) -> None:
    """`photo.png`, `depth.npy` (metres, nearer on the left) and `disparity.png`."""
    pixels = np.random.default_rng(5).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "photo.png")
    metres = np.linspace(1.0, 5.0, WIDTH, dtype=np.float32)[None].repeat(HEIGHT, axis=0)
    np.save(folder / "depth.npy", metres)
    codes = np.linspace(255, 0, WIDTH).round().astype(np.uint8)[None].repeat(HEIGHT, axis=0)
    Image.fromarray(codes).save(folder / "disparity.png")


def save_with_exif(photo: Path, path: Path) -> None:
    """A photo as a JPEG with the EXIF of a camera."""
    exif = Image.Exif()
    exif[0x010F] = "Sony"
    exif[0x8769] = EXIF_TAGS
    Image.open(photo).save(path, quality=100, subsampling=0, exif=exif)


def names(folder: Path) -> set[str]:
    """Of all files and folders below a folder."""
    return {path.name for path in folder.rglob("*")}
