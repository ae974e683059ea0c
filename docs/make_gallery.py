"""Draw the gallery: the sample photo with every lens and every kind of aperture, in one sheet.

python docs/make_gallery.py            # docs/images/gallery.jpg, about a minute
python docs/make_gallery.py --width 720 --out /tmp/gallery.png
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import focuspuller as fp
import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "samples" / "still_life.jpg"
# Focused on the orange; the lamps behind show the aperture.
FOCUS, F_NUMBER, STOPS = (0.24, 0.75), 1.2, 3.0
# Left, top, right and bottom of what is shown, in widths of the photo.
PART = (0.05, 0.0, 0.5, 0.62)
LABEL_HEIGHT, LABEL_WIDTH, GAP = 22, 84, 4


def heart(size: int = 128) -> Tensor:
    """A heart, white on black."""
    y, x = np.mgrid[1.25 : -1.25 : size * 1j, -1.25 : 1.25 : size * 1j]
    inside = (x**2 + y**2 - 1) ** 3 - x**2 * y**3 <= 0
    return torch.from_numpy(inside.astype(np.float32))


APERTURES = {
    "circle": fp.Aperture(),
    "six blades": fp.Aperture(blades=6, rotation_degrees=10),
    "heart": fp.Aperture(image=heart()),
    "cat's eye": fp.Aperture(cats_eye=0.8),
    "swirl": fp.Aperture(swirl=0.9),
    "anamorphic": fp.Aperture(squeeze=2.0),
    "mirror": fp.Aperture(obstruction=0.6),
    "soap bubble": fp.Aperture(spherical_aberration=-0.8),
    "fringes": fp.Aperture(axial_chromatism=2.0),
}


def rendered(photo: fp.Photo, lens: str, aperture: fp.Aperture, width: int) -> Image.Image:
    """A part of the sample with one lens and aperture."""
    picture = fp.render(
        photo.image,
        photo.depth,
        focus_point=FOCUS,
        camera=replace(photo.camera, f_number=F_NUMBER),
        lens=lens,
        aperture=aperture,
        highlights=fp.Highlights(stops=STOPS),
    )
    pixels = (np.asarray(picture).clip(0, 1) * 255 + 0.5).astype(np.uint8)
    left, top, right, bottom = (round(edge * pixels.shape[1]) for edge in PART)
    part = Image.fromarray(pixels[top:bottom, left:right])
    return part.resize((width, width * part.height // part.width), Image.Resampling.LANCZOS)


def sheet(width: int) -> Image.Image:
    """A row for each lens, a column for each aperture."""
    photo = fp.load_photo(SAMPLE)
    rows = [
        [rendered(photo, lens, each, width) for each in APERTURES.values()] for lens in fp.LENSES
    ]
    height = rows[0][0].height
    page = Image.new(
        "RGB",
        (
            LABEL_WIDTH + len(APERTURES) * (width + GAP),
            LABEL_HEIGHT + len(rows) * (height + GAP),
        ),
        "white",
    )
    draw = ImageDraw.Draw(page)
    for column, name in enumerate(APERTURES):
        draw.text((LABEL_WIDTH + column * (width + GAP), 4), name, "black", font_size=14)
    for row, (lens, pictures) in enumerate(zip(fp.LENSES, rows, strict=True)):
        top = LABEL_HEIGHT + row * (height + GAP)
        draw.text((4, top + height // 2 - 8), lens, "black", font_size=14)
        for column, picture in enumerate(pictures):
            page.paste(picture, (LABEL_WIDTH + column * (width + GAP), top))
    return page


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=176, help="of each picture, px (176)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "gallery.jpg")
    arguments = parser.parse_args()
    sheet(arguments.width).save(arguments.out, quality=88)


if __name__ == "__main__":
    main()
