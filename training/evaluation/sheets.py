"""Pictures of all systems side by side, to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ...photo.files import make_folder, replacing
from .results import GIVEN, TARGET, picture_file

FOLDER = "sheets"
# Px of a picture's width, of the line of text above it, and between pictures.
WIDTH, LINE, GAP = 320, 20, 4
TITLES = {GIVEN: "given", TARGET: "target"}
PAPER, INK = (255, 255, 255), (0, 0, 0)


def save_sheet(folder: Path, scene: str, systems: Sequence[str]) -> Path | None:
    """A PNG with a row for each picture of a scene, systems from left to right.

    Args:
        folder: of the evaluation.
        scene: name.
        systems: names of the rows of the table.

    Returns:
        The file; None if no picture has been saved.
    """
    columns = [GIVEN, *(name for name in systems if name != "input"), TARGET]
    places = [picture_file(folder, column, scene, "x").parent for column in columns]
    shots = sorted({file.stem for place in places for file in place.glob("*.png")}, key=_by_numbers)
    shots = [shot for shot in shots if _exists(folder, columns[1:-1], scene, shot)]
    columns = [
        column for column in columns if any(_exists(folder, [column], scene, s) for s in shots)
    ]
    if not shots:
        return None
    rows = [_row(folder, columns, scene, shot, len(shots) > 1) for shot in shots]
    sheet = Image.new("RGB", (rows[0].width, sum(row.height for row in rows)), PAPER)
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    file = folder / FOLDER / f"{scene}.png"
    make_folder(file.parent)
    with replacing(file) as unfinished:
        sheet.save(unfinished, "PNG")
    return file


def _exists(folder: Path, columns: Sequence[str], scene: str, shot: str) -> bool:
    return any(picture_file(folder, column, scene, shot).is_file() for column in columns)


def _row(folder: Path, columns: Sequence[str], scene: str, shot: str, named: bool) -> Image.Image:
    pictures = {}
    for column in columns:
        file = picture_file(folder, column, scene, shot)
        if file.is_file():
            with Image.open(file) as picture:
                pictures[column] = _scaled(picture.convert("RGB"))
    height = max(picture.height for picture in pictures.values())
    size = (len(columns) * (WIDTH + GAP) - GAP, LINE + height + GAP)
    row = Image.new("RGB", size, PAPER)
    draw, font = ImageDraw.Draw(row), ImageFont.load_default(14)
    for index, column in enumerate(columns):
        left = index * (WIDTH + GAP)
        title = TITLES.get(column, column) + (f", {shot}" if named and column != GIVEN else "")
        draw.text((left + 2, 2), title, INK, font)
        if column in pictures:
            row.paste(pictures[column], (left, LINE))
    return row


def _scaled(picture: Image.Image) -> Image.Image:
    height = max(1, round(picture.height * WIDTH / picture.width))
    enlarged = picture.width < WIDTH
    method = Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS
    return picture.resize((WIDTH, height), method)


def _by_numbers(name: str) -> tuple[str, float]:
    """f2.8 before f11."""
    number = name.lstrip("abcdefghijklmnopqrstuvwxyz_")
    try:
        return name.removesuffix(number), float(number)
    except ValueError:
        return name, 0.0
