"""Series of datasets on disk: drawn, opened and cut to one size when they are used."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from ..errors import FileError, InputError
from ..lens.aperture import CIRCLE, Aperture
from ..lens.depth import Depth
from ..lens.window import Window
from .data.readers.catalog import open_dataset
from .data.records import Blur, Pair, PairList, Picture, digest_of, records_of, scenes_of
from .data.sampling import Ramp
from .series import Photograph, Series

# "whole": the shorter side becomes the size of the examples. "native": cut out of the picture as
# it is. "any": at a scale between the two, drawn evenly.
Scale = Literal["whole", "native", "any"]


@dataclass(frozen=True)
class Dataset:
    """A dataset on disk.

    Args:
        layout: see docs/data.md, such as "scenes", "dpdd" or "folders".
        folder: where it is.
        split: of the layout's; the first if None.
    """

    layout: str
    folder: str
    split: str | None = None


def pairs_of(datasets: Sequence[Dataset], setting: str) -> PairList:
    """All pairs of some datasets.

    Args:
        datasets: one or more.
        setting: where they are named, for the error.

    Raises:
        InputError: there are none, or a layout is unknown.
        FileError: files are missing.
    """
    if not datasets:
        advice = "Give one or more, each with layout and folder; see docs/training.md."
        raise InputError(setting, "no datasets", advice)
    sources = (open_dataset(one.layout, one.folder, one.split) for one in datasets)
    return PairList(tuple(pair for source in sources for pair in records_of(source)))


class RecordedSeries:
    """Series of one or more groups of pairs, of which each has its share.

    Args:
        groups: none of them empty.
        size_px: height and width of what is drawn.
        scale: which part of a picture that is.
        ramp: the share of each group by step; None for a single group.
        photographs: how many of a view will be drawn at once, at most; views with fewer are left
            out.

    Raises:
        InputError: a group has no view with so many.
    """

    def __init__(
        self,
        groups: Sequence[PairList],
        size_px: int,
        scale: Scale = "any",
        ramp: Ramp | None = None,
        photographs: int = 1,
    ) -> None:
        self.groups, self.size_px, self.ramp = groups, size_px, ramp
        self.scale: Scale = scale
        self._views = [_views(group, photographs) for group in groups]
        for number, views in enumerate(self._views):
            if not views:
                received = f"no views with {photographs} photographs (in group {number + 1})"
                raise InputError("datasets", received, "Give series of photographs.")

    @property
    def digest(self) -> str:
        """SHA-256 of names and labels."""
        digests = [digest_of(group) for group in self.groups]
        return digests[0] if len(digests) == 1 else _sha256("".join(digests))

    def draw(self, step: int, random: np.random.Generator, count: int = 1) -> Series:
        """Photographs of a view, which are all cut alike."""
        shares = self.ramp.shares(step) if self.ramp else None
        views = self._views[int(random.choice(len(self.groups), p=shares))]
        view = views[int(random.integers(len(views)))]
        pairs = [view[int(index)] for index in random.permutation(len(view))[:count]]
        return self._series(pairs, random)

    def _series(self, pairs: list[Pair], random: np.random.Generator) -> Series:
        first = pairs[0]
        sharp = None if first.all_in_focus is None else first.all_in_focus.image()
        images = [_bokeh(pair).image() for pair in pairs]
        sizes = {tuple(image.shape[-2:]) for image in (sharp, *images) if image is not None}
        if len(sizes) > 1:
            raise FileError(first.name, f"pictures of sizes {sorted(sizes)}", "Give them one size.")
        height, width = sizes.pop()
        cut = _Cut.drawn(height, width, self.size_px, self.scale, first.name, random)
        depth = None if first.depth is None else first.depth.depth()
        photographs = tuple(
            Photograph(cut.of(image), cut.blur(pair), _aperture(pair.aperture))
            for pair, image in zip(pairs, images, strict=True)
        )
        return Series(
            first.name,
            None if sharp is None else cut.of(sharp),
            photographs,
            None if depth is None else cut.depth(depth),
        )


@dataclass(frozen=True)
class _Cut:
    """Which part of a picture is taken, at which scale."""

    height: int
    width: int
    scale: float
    window: Window

    @classmethod
    def drawn(
        cls,
        height: int,
        width: int,
        side: int,
        scale: Scale,
        name: str,
        random: np.random.Generator,
    ) -> _Cut:
        least = side / min(height, width)
        if least > 1:
            received = f"a picture of {width}×{height} px"
            raise FileError(name, received, f"Give pictures of {side} px or more.")
        factor = {"whole": least, "native": 1.0, "any": random.uniform(least, 1.0)}[scale]
        height, width = (max(side, round(factor * one)) for one in (height, width))
        top, left = (int(random.integers(one - side + 1)) for one in (height, width))
        return cls(height, width, factor, Window(top, left, top + side, left + side))

    def of(self, image: Tensor) -> Tensor:
        """The part of a picture `[C,H,W]`."""
        size = (self.height, self.width)
        if tuple(image.shape[-2:]) != size:
            image = F.interpolate(image[None], size, mode="bilinear", antialias=True)[0]
        return self.window.of(image).clamp(0.0, 1.0)

    def depth(self, depth: Depth) -> Depth:
        """The part of the picture's depth."""
        whole = depth.resized(self.height, self.width)
        return Depth(self.window.of(whole.disparity), whole.is_metric)

    def blur(self, pair: Pair) -> Blur | None:
        return None if pair.blur is None else pair.blur.resized(self.scale)


def _views(group: PairList, least: int) -> list[list[Pair]]:
    """Pairs by what they show; each pair on its own where one at a time is drawn."""
    if least == 1:
        return [[pair] for pair in group.pairs if pair.bokeh is not None]
    scenes = ([group.pairs[number] for number in numbers] for numbers in scenes_of(group).values())
    return [scene for scene in scenes if len(scene) >= least]


def _bokeh(pair: Pair) -> Picture:
    if pair.bokeh is None:
        raise InputError("datasets", f"{pair.name}, which has no blurred picture", "Leave it out.")
    return pair.bokeh


def _aperture(picture: Picture | None) -> Aperture:
    return CIRCLE if picture is None else Aperture(image=picture.grey()[0])


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
