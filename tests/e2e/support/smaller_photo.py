"""Make a photo smaller, with its depth, so that a browser without a graphics card renders it soon.

python tests/e2e/support/smaller_photo.py PHOTO WIDTH SMALLER
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from focuspuller.photo.photo import load_photo
from focuspuller.photo.saving import save_photo


def main() -> None:
    photo = load_photo(sys.argv[1])
    assert photo.depth is not None
    height, width = photo.image.shape[:2]
    size = round(height * int(sys.argv[2]) / width), int(sys.argv[2])
    planar = torch.from_numpy(photo.image).movedim(-1, 0)[None]
    image = F.interpolate(planar, size, mode="bilinear", antialias=True)[0].movedim(0, -1)
    # Of the nearest pixel, as a mean of near and far would be nowhere.
    disparity = F.interpolate(photo.depth.disparity, size, mode="nearest-exact")
    depth = photo.depth.with_disparity(disparity)
    save_photo(Path(sys.argv[3]), image, exif=photo.exif, depth=depth, quality=98)


main()
