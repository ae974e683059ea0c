"""Tags of EXIF, as far as they can be read.

Nothing in a file is taken on trust, and no content of a file makes anything here raise.
"""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

Tag = ExifTags.Base
_WARNINGS_LOCK = threading.RLock()
# What EXIF writes for the distance of a subject at infinity.
INFINITE_DISTANCE = 0xFFFFFFFF


def exif_of(image: Image.Image, problems: list[str]) -> Image.Exif:
    """EXIF of an image as far as it can be read; adds what was damaged to `problems`, in words."""
    exif = Image.Exif()
    with noting_damage(problems):
        exif = image.getexif()
    if image.info.get("exif") and not len(exif) and not problems:
        problems.append("The EXIF data is damaged and was left out.")
    return exif


class Directory:
    """One EXIF directory, giving only values that mean what they should."""

    def __init__(self, tags: Mapping[int, Any], problems: list[str]) -> None:
        self.tags = tags
        self.problems = problems

    def text(self, tag: int) -> str | None:
        """Text without its padding; None if there is none."""
        value = self.tags.get(tag)
        return value.partition("\0")[0].strip() or None if isinstance(value, str) else None

    def number(self, tag: int) -> float | None:
        """A finite number, else None."""
        value = self.tags.get(tag)
        if not isinstance(value, (int, float, IFDRational)):
            return None
        try:
            number = float(value)
        except (ZeroDivisionError, OverflowError, ValueError):
            return None
        return number if math.isfinite(number) else None

    def positive(self, tag: int, name: str, *, zero_is_unknown: bool = False) -> float | None:
        """A number above zero; anything else that is there is noted as a problem."""
        number = self.number(tag)
        if number is not None and number > 0:
            return number
        if tag in self.tags and not (zero_is_unknown and number == 0):
            self.problems.append(f"The {name} is no number above zero: {shown(self.tags[tag])}.")
        return None


def read_tags(
    exif: Image.Exif, directory: ExifTags.IFD | None, problems: list[str]
) -> dict[int, Any]:
    """Tags of the main directory (None) or of another, as many as can be read."""
    stored: Mapping[int, Any] = {}
    with noting_damage(problems):
        stored = exif if directory is None else _sub_directory(exif, directory)
    tags = {}
    for name in stored:
        with noting_damage(problems):
            tags[name] = stored[name]
    return tags


def _sub_directory(exif: Image.Exif, directory: ExifTags.IFD) -> Mapping[int, Any]:
    stored = exif.get(directory)  # an offset in the file, or the tags if a program put them there
    # Before version 11, Pillow gives None for a directory that is lost.
    return stored if isinstance(stored, Mapping) else exif.get_ifd(directory) or {}


@contextmanager
def noting_warnings(problems: list[str]) -> Iterator[None]:
    """Turns Pillow's warnings about damaged metadata into problems, each once."""
    # Python's record of warnings belongs to the whole process, not to the thread.
    with _WARNINGS_LOCK, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        problem = f"A part of the EXIF data may be damaged ({str(warning.message).strip()})."
        # Subclasses are about other things, such as large images.
        if warning.category is UserWarning and problem not in problems:
            problems.append(problem)


@contextmanager
def noting_damage(problems: list[str]) -> Iterator[None]:
    """Turns Pillow's warnings and errors about damaged EXIF into problems."""
    with noting_warnings(problems):
        try:
            yield
        # Damaged offsets, types and counts lead Pillow to any exception.
        except Exception as error:
            problems.append(f"A part of the EXIF data is damaged and was left out ({error}).")


def shown(value: object) -> str:
    """A value as texts quote it."""
    if isinstance(value, IFDRational):
        return f"{value.numerator}/{value.denominator}"
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "…"


def original_long_edge(photo: Directory, size: tuple[int, int] | None) -> float | None:
    """Long edge in px of the picture that the focal-plane resolution speaks of."""
    original = [photo.number(Tag.ExifImageWidth), photo.number(Tag.ExifImageHeight)]
    known = [edge for edge in original if edge and edge > 0] or list(size or ())
    return max(known, default=None)
