"""BokehDiff's composites: a foreground with alpha before a real picture, on slanted planes.

Section 3.3 of the paper, with the numbers of the published code. Unlike that code, foregrounds are
slanted too, as the paper says; `foreground_range` 0 makes them upright.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ....errors import FileError, InputError
from ....lens.color import decode_gamma, encode_gamma
from ....lens.depth import Depth
from ...silhouettes import SILHOUETTES, Grid
from ...textures import texture
from ..records import Blur, Source
from .layers import FlatLayer, square_grid, trace
from .pictures import record_for, scene_random
from .scene import Shot, SimulatedScene, focus_at_pixel

GAMMA = 2.2
# The farthest point of a background, and how much of the range 0..1 it spans at most.
LEAST_DISPARITY, BACKGROUND_RANGE = 1 / 1000, 1 / 4
# Square root of the share of the canvas that a foreground's box covers.
LEAST_SIZE, LARGEST_SIZE = 0.5, 1.0
LEAST_ALPHA = 0.01
SAMPLES_PER_STRENGTH = 21
Plane = tuple[float, float, float]


@dataclass(frozen=True)
class BokehDiffSettings:
    """What is made.

    Args:
        size_px: height and width of the pictures; the canvas is 2·`level` larger on each side.
        shots: pictures of each scene.
        level: K of strength 1, px.
        least_octave, largest_octave: of the strength, a power of two drawn evenly in ratio; the
            blur radius of what is farthest from the focus is up to K times it.
        foreground_range: disparity that a foreground spans at most.
        most_points_per_side: of the grid on the lens; the published code takes 21 times the
            strength, which takes minutes on a CPU for the strongest blur. None sets no limit.
    """

    size_px: int = 768
    shots: int = 1
    level: float = 12.0
    least_octave: float = -2.0
    largest_octave: float = 3.0
    foreground_range: float = 0.1
    most_points_per_side: int | None = None

    def __post_init__(self) -> None:
        if self.shots < 1:
            raise InputError("shots", str(self.shots), "Give 1 or more.")
        if not 0 <= self.foreground_range <= 1 - BACKGROUND_RANGE:
            raise InputError("foreground_range", str(self.foreground_range), "Give 0 to 0.75.")
        if self.least_octave > self.largest_octave:
            octaves = f"{self.least_octave:g}..{self.largest_octave:g}"
            raise InputError("least_octave, largest_octave", octaves, "Give them in order.")


@dataclass(frozen=True)
class BokehDiffSimulator:
    """Makes composites.

    Args:
        settings: of all scenes.
        backgrounds: sharp pictures; None draws them.
        foregrounds: pictures with transparency; None draws them.
        seed: decides everything.
        device: where to trace.
    """

    settings: BokehDiffSettings
    backgrounds: Source | None
    foregrounds: Source | None
    seed: int
    device: torch.device | None = None

    def scene(self, index: int) -> SimulatedScene:
        """One scene."""
        settings, random = self.settings, scene_random(self.seed, index)
        margin = 2 * round(settings.level)
        side = settings.size_px + 2 * margin
        back_name, back = self._background(side, index, random)
        front_name, front, alpha = self._foreground(side, index, random)
        far_plane = background_plane(side, random)
        near_plane = foreground_plane(alpha, far_plane, settings.foreground_range, random)
        layers = [
            FlatLayer(decode_gamma(front, GAMMA), alpha, near_plane),
            FlatLayer(decode_gamma(back, GAMMA), torch.ones_like(alpha), far_plane),
        ]
        disparity = alpha * _filled(near_plane, side) + (1 - alpha) * _filled(far_plane, side)
        seen = alpha * layers[0].color + (1 - alpha) * layers[1].color
        inner = (..., slice(margin, side - margin), slice(margin, side - margin))
        depth = Depth(disparity[inner][None].clamp(0.0, 1.0), is_metric=False)
        shots = tuple(self._shot(depth, alpha[inner], random) for _ in range(settings.shots))

        def photograph(shot: Shot) -> Tensor:
            points = square_grid(self._points_per_side(shot.blur))
            placed = [_on(layer, self.device) for layer in layers]
            blur = shot.blur
            traced = trace(placed, blur.focus_disparity, blur.level, points, margin)
            return encode_gamma(traced.light, GAMMA).clamp(0.0, 1.0).cpu()

        return SimulatedScene(
            source=f"{front_name} before {back_name}",
            all_in_focus=encode_gamma(seen[inner], GAMMA).clamp(0.0, 1.0),
            depth=depth,
            shots=shots,
            photograph=photograph,
        )

    def _background(self, side: int, index: int, random: np.random.Generator) -> tuple[str, Tensor]:
        if self.backgrounds is None:
            drawn = torch.from_numpy(texture(side, side, random).copy())
            return "procedural", encode_gamma(drawn, GAMMA)
        pair = record_for(self.backgrounds, self.seed, index)
        assert pair.all_in_focus is not None
        image = pair.all_in_focus.image().clamp(0.0, 1.0)
        return pair.name, F.interpolate(image[None], (side, side), mode="bilinear", antialias=True)[
            0
        ]

    def _foreground(
        self, side: int, index: int, random: np.random.Generator
    ) -> tuple[str, Tensor, Tensor]:
        if self.foregrounds is None:
            return "procedural", *_drawn_foreground(side, random)
        # Another order than that of the backgrounds.
        pair = record_for(self.foregrounds, self.seed + 1, index)
        assert pair.all_in_focus is not None
        image, alpha = pair.all_in_focus.image_with_alpha()
        if float(alpha.amax()) < LEAST_ALPHA or float(alpha.amin()) > 1 - LEAST_ALPHA:
            raise FileError(
                str(pair.all_in_focus.place),
                "a foreground that is all transparent or all opaque",
                "Give cut-out pictures with an alpha channel.",
            )
        return pair.name, *placed(image, alpha, side, random)

    def _shot(self, depth: Depth, alpha: Tensor, random: np.random.Generator) -> Shot:
        """In focus is the mean disparity of the foreground or of the background, by lot."""
        settings = self.settings
        strength = 2.0 ** random.uniform(settings.least_octave, settings.largest_octave)
        is_front = random.random() < 0.5 and float(alpha.amax()) > 0.5
        weight = alpha if is_front else 1 - alpha
        weight = weight if float(weight.sum()) > 0 else torch.ones_like(weight)
        plane = float((weight * depth.disparity[0]).sum() / weight.sum())
        level = settings.level * strength / max(plane, 1 - plane)
        rows, columns = torch.nonzero(weight[0] >= 0.5 * float(weight.amax()), as_tuple=True)
        number = int(random.integers(len(rows)))
        _, point = focus_at_pixel(depth, int(rows[number]), int(columns[number]))
        return Shot(Blur(level, plane, is_metric=False), point)

    def _points_per_side(self, blur: Blur) -> int:
        plane = blur.focus_disparity
        strength = blur.level * max(plane, 1 - plane) / self.settings.level
        side = max(int(SAMPLES_PER_STRENGTH * strength), 1)
        return min(side, self.settings.most_points_per_side or side)


def background_plane(side: int, random: np.random.Generator) -> Plane:
    """A plane of random slope, from 1/1000 up to a quarter of the range."""
    right, down = random.uniform(-1, 1, 2)
    span = random.uniform(0, BACKGROUND_RANGE - LEAST_DISPARITY)
    return _spanning(float(right), float(down), (0.0, side - 1.0), LEAST_DISPARITY, span)


def foreground_plane(
    alpha: Tensor, behind: Plane, largest_range: float, random: np.random.Generator
) -> Plane:
    """A plane of random slope before everything of another.

    Args:
        alpha: `[1,H,W]` of the foreground; its box counts.
        behind: the plane of the background.
        largest_range: of disparity within the box.
        random: decides slope and distance.
    """
    side = alpha.shape[-1]
    farthest = max(
        behind[0] + behind[1] * x + behind[2] * y for x in (0, side - 1) for y in (0, side - 1)
    )
    span = random.uniform(0, largest_range) if largest_range > 0 else 0.0
    low = random.uniform(farthest, 1 - span)
    right, down = random.uniform(-1, 1, 2)
    return _spanning(float(right), float(down), (0.0, side - 1.0), float(low), float(span))


def _spanning(
    right: float, down: float, extent: tuple[float, float], low: float, span: float
) -> Plane:
    """The plane of a direction of slope whose values in a square are `low` to `low + span`."""
    corners = [right * x + down * y for x in extent for y in extent]
    scale = span / max(max(corners) - min(corners), 1e-12)
    return low - min(corners) * scale, right * scale, down * scale


def _filled(plane: Plane, side: int) -> Tensor:
    """Disparity of a plane at all pixels, `[1,side,side]`."""
    steps = torch.arange(side, dtype=torch.float32)
    return (plane[0] + plane[1] * steps + plane[2] * steps[:, None])[None]


def placed(
    image: Tensor, alpha: Tensor, side: int, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """A foreground in the middle of a canvas or beside it, its box cut out and scaled.

    Args:
        image: `[3,h,w]`, not multiplied by alpha.
        alpha: `[1,h,w]`.
        side: of the canvas, px.
        random: decides size and place.

    Returns:
        `[3,side,side]` and `[1,side,side]`.
    """
    rows, columns = torch.nonzero(alpha[0] >= LEAST_ALPHA, as_tuple=True)
    box = (
        ...,
        slice(int(rows.min()), int(rows.max()) + 1),
        slice(int(columns.min()), int(columns.max()) + 1),
    )
    # Colours of transparent pixels mean nothing: they must not mix in.
    cut = torch.cat([image[box] * alpha[box], alpha[box]])
    height, width = cut.shape[-2:]
    scale = random.uniform(LEAST_SIZE, LARGEST_SIZE) * side / (height * width) ** 0.5
    scale = min(scale, (side - 1) / height, (side - 1) / width)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    scaled = F.interpolate(cut[None], size, mode="bilinear", antialias=True)[0]
    top, left = (_start(side, length, random) for length in size)
    canvas = torch.zeros(4, side, side)
    canvas[:, top : top + size[0], left : left + size[1]] = scaled
    coverage = canvas[3:].clamp(0.0, 1.0)
    return (canvas[:3] / coverage.clamp(min=1e-6)).clamp(0.0, 1.0), coverage


def _start(side: int, length: int, random: np.random.Generator) -> int:
    """Where a box starts: in the middle, moved by up to a quarter of the canvas, within it."""
    moved = side // 2 - length // 2 + int(random.integers(-side // 4, side // 4 + 1))
    return int(np.clip(moved, 0, side - length))


def _drawn_foreground(side: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A textured silhouette."""
    grid = Grid.of_size(side, side)
    alpha = np.zeros(1, np.float32)
    while not 0.02 < alpha.mean() < 0.8:
        alpha = SILHOUETTES[random.integers(len(SILHOUETTES))](grid, random)
    color = torch.from_numpy(texture(side, side, random).copy())
    return encode_gamma(color, GAMMA), torch.from_numpy(alpha)[None]


def _on(layer: FlatLayer, device: torch.device | None) -> FlatLayer:
    if device is None:
        return layer
    return FlatLayer(layer.color.to(device), layer.alpha.to(device), layer.disparity)
