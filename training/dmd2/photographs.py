"""What the generator learns from: photographs with their captions and cameras."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from ...errors import FileError, InputError
from ...lens.optics import FULL_FRAME_WIDTH_MM, Camera
from ..data.curation.facts import Facts
from ..data.curation.run import kept_facts
from ..data.records import Picture
from ..procedural import ProceduralSimulator
from ..series import SimulatedSeries
from .settings import PhotographFolder

CAPTION = ".txt"
# Of procedural scenes: radius of the widest blur as part of the picture, the f-number that has it,
# those of pictures without blur, and focal lengths, mm.
LARGEST_BLUR, WIDEST = 0.5, 1.8
DEEP_F_NUMBERS = (11.0, 16.0, 22.0)
# How much darker scenes in dim light are, which is when photographers open the aperture.
DIM_LIGHT = 0.4
FOCAL_LENGTHS_MM = (35.0, 50.0, 85.0)


@dataclass(frozen=True, eq=False)
class Photograph:
    """A photograph, square.

    Args:
        image: `[3,H,H]` sRGB-coded 0..1.
        caption: in words.
        camera: that took it.
    """

    image: Tensor
    caption: str
    camera: Camera


class Photographs(Protocol):
    """Where photographs come from. It can be pickled, so that workers can open them."""

    @property
    def digest(self) -> str:
        """What is in it, in short, for the file that is trained with it."""
        ...

    @property
    def cameras(self) -> Sequence[tuple[float, float]]:
        """F-number and focal length, mm, of all cameras that can be drawn."""
        ...

    def draw(self, random: np.random.Generator) -> Photograph:
        """One of them, the same for the same state of `random`.

        Raises:
            FileError: a file cannot be read.
        """
        ...


class RecordedPhotographs:
    """Photographs in folders, with what a curated list knows of their cameras.

    Args:
        folders: one or more.
        setting: where they are named, for errors.
        size_px: height and width of what is drawn: the middle of a picture, as large as it goes.

    Raises:
        InputError: there are no folders.
        FileError: a list cannot be read, keeps nothing with f-number and focal length, or captions
            are missing.
    """

    def __init__(self, folders: Sequence[PhotographFolder], setting: str, size_px: int) -> None:
        if not folders:
            advice = "Give one or more, each with folder and curated; see docs/training.md."
            raise InputError(setting, "no photographs", advice)
        self.size_px = size_px
        self.photographs = [
            (Path(one.folder) / facts.file, _camera(facts))
            for one in folders
            for facts in _usable(one)
        ]

    @property
    def digest(self) -> str:
        """SHA-256 of names and cameras."""
        digest = hashlib.sha256()
        for path, camera in self.photographs:
            digest.update(repr((path.name, camera)).encode())
        return digest.hexdigest()

    @property
    def cameras(self) -> Sequence[tuple[float, float]]:
        """See `Photographs`."""
        return [(camera.f_number, camera.focal_length_mm) for _, camera in self.photographs]

    def draw(self, random: np.random.Generator) -> Photograph:
        """See `Photographs`."""
        path, camera = self.photographs[int(random.integers(len(self.photographs)))]
        image = _middle(Picture(path).image(), self.size_px)
        return Photograph(image, path.with_suffix(CAPTION).read_text("utf-8").strip(), camera)


@dataclass(frozen=True)
class ProceduralPhotographs:
    """Procedural scenes, without words: with an aperture that is as open as they are blurred.

    Args:
        size_px: height and width.
        scenes: how many there are.
        is_shallow: whether they have a shallow depth of field.
        is_dim: whether they are in dim light.
        seed: decides everything.
    """

    size_px: int
    scenes: int
    is_shallow: bool
    is_dim: bool = False
    seed: int = 0
    _series: SimulatedSeries = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        simulator = ProceduralSimulator(
            self.size_px, LARGEST_BLUR * self.size_px, shots=1, seed=self.seed
        )
        object.__setattr__(self, "_series", SimulatedSeries(simulator, self.scenes))

    @property
    def digest(self) -> str:
        """The settings, from which everything follows."""
        return repr(self)

    @property
    def cameras(self) -> Sequence[tuple[float, float]]:
        """See `Photographs`."""
        f_numbers = (WIDEST, 3 * WIDEST) if self.is_shallow else DEEP_F_NUMBERS
        return [(f_number, length) for f_number in f_numbers for length in FOCAL_LENGTHS_MM]

    def draw(self, random: np.random.Generator) -> Photograph:
        """See `Photographs`."""
        series = self._series.draw(0, random)
        focal_length = float(random.choice(FOCAL_LENGTHS_MM))
        if not self.is_shallow:
            assert series.all_in_focus is not None
            f_number = float(random.choice(DEEP_F_NUMBERS))
            return Photograph(series.all_in_focus, "", Camera(focal_length, f_number))
        shot = series.photographs[0]
        assert shot.blur is not None
        plane = shot.blur.focus_disparity
        radius = shot.blur.level * max(plane, 1.0 - plane)
        f_number = WIDEST * LARGEST_BLUR * self.size_px / radius
        light = DIM_LIGHT if self.is_dim else 1.0
        return Photograph(light * shot.image, "", Camera(focal_length, f_number))


def _usable(source: PhotographFolder) -> list[Facts]:
    """What a list keeps, as far as its camera is known."""
    kept = [
        facts
        for facts in kept_facts(Path(source.curated))
        if facts.f_number is not None and facts.focal_length_mm is not None
    ]
    if not kept:
        received = "a list that keeps no photographs with f-number and focal length"
        raise FileError(source.curated, received, "Curate others.")
    folder = Path(source.folder)
    captions = {path.relative_to(folder).with_suffix("") for path in folder.rglob(f"*{CAPTION}")}
    lacking = [one.file for one in kept if Path(one.file).with_suffix("") not in captions]
    if lacking:
        name = Path(lacking[0]).with_suffix(CAPTION)
        received = f"{len(lacking)} photographs without caption, such as {lacking[0]}"
        raise FileError(source.folder, received, f"Write captions, such as {name}.")
    return kept


def _camera(facts: Facts) -> Camera:
    """That of a photograph. The focus scale makes up for a sensor that is not known."""
    assert facts.f_number is not None and facts.focal_length_mm is not None
    width = facts.sensor_width_mm or FULL_FRAME_WIDTH_MM
    return Camera(facts.focal_length_mm, facts.f_number, width)


def _middle(image: Tensor, side: int) -> Tensor:
    """The middle of a picture `[3,H,W]`, its shorter side scaled to `side` px."""
    height, width = image.shape[-2:]
    scale = side / min(height, width)
    size = [max(side, round(scale * one)) for one in (height, width)]
    scaled = F.interpolate(image[None], size, mode="bilinear", antialias=True)[0].clamp(0.0, 1.0)
    top, left = ((one - side) // 2 for one in size)
    return scaled[:, top : top + side, left : left + side]
