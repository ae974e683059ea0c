"""Depth maps: one type for every source, kept as disparity, metric or relative.

Disparity (inverse depth) is what blur is linear in, what a focus ring moves along, and it stays
finite at infinity. A `Depth` says whether its disparity is metric (1/m) or relative (0..1, 1 =
nearest), so that nobody has to guess.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from .depth_holes import filled_from_behind
from .image import check_finite

logger = logging.getLogger(__name__)

# Aspect ratios of depth and image that differ by less belong together.
SAME_ASPECT = 1.03

Encoding = Literal["disparity", "depth"]


@dataclass(frozen=True)
class Depth:
    """Depth of every pixel.

    Args:
        disparity: `[B,1,H,W]` float; 1/m and >= 0 (0 = infinitely far) if metric, else 0..1 with
            1 = nearest.
        is_metric: whether `disparity` is in 1/m.
        focal_length_px: focal length in px of the image of `disparity`'s size (along its width),
            where it is known: one for all, or `[B]`.
        confidence: `[B,1,H,W]`, 0 (a guess) to 1 (sure), where the source tells.
        holes: `[B,1,H,W]` bool, where nothing was known and `disparity` was filled; None if there
            are none.

    Build it with `Depth.from_metres`, `Depth.from_metric_disparity` or `Depth.from_relative`,
    which clean invalid pixels.
    """

    disparity: Tensor
    is_metric: bool
    focal_length_px: float | Tensor | None = None
    confidence: Tensor | None = None
    holes: Tensor | None = None

    @classmethod
    def from_metres(cls, metres: Tensor) -> Depth:
        """Depth along the optical axis in metres, `[B,1,H,W]`.

        +inf is infinitely far; NaN, zero and negative values are holes and are filled.
        """
        metres = _at_least_float32(metres)
        positive = metres > 0  # False for NaN
        disparity = torch.where(positive, 1.0 / torch.where(positive, metres, 1.0), 0.0)
        filled, holes = _fill_holes(disparity, positive & torch.isfinite(disparity))
        return cls(filled, True, holes=holes)

    @classmethod
    def from_metric_disparity(cls, disparity: Tensor) -> Depth:
        """Disparity in 1/m, `[B,1,H,W]`; NaN, infinite and negative values are filled."""
        disparity = _at_least_float32(disparity)
        valid = torch.isfinite(disparity) & (disparity >= 0)
        filled, holes = _fill_holes(disparity, valid)
        return cls(filled, True, holes=holes)

    @classmethod
    def from_relative(cls, disparity: Tensor) -> Depth:
        """Relative disparity, larger = nearer, `[B,1,H,W]`.

        Values within 0..1 are kept; others are scaled to 0..1 over the whole batch. NaN and
        infinite values are filled.
        """
        disparity = _at_least_float32(disparity)
        valid = torch.isfinite(disparity)
        filled, holes = _fill_holes(disparity, valid)
        low, high = filled.amin(), filled.amax()
        if low < 0 or high > 1:
            logger.info("Relative disparity %.4g..%.4g is scaled to 0..1.", low, high)
            filled = (filled - low) / (high - low).clamp(min=1e-12)
        return cls(filled.clamp(0.0, 1.0), False, holes=holes)

    @property
    def metres(self) -> Tensor:
        """Depth in metres `[B,1,H,W]`, inf where infinitely far.

        Raises:
            InputError: the depth is relative.
        """
        if not self.is_metric:
            raise InputError(
                "depth",
                "relative disparity",
                "Metres need metric depth: give the near and far distance when reading the depth.",
            )
        return 1.0 / self.disparity

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in px."""
        return self.disparity.shape[-2], self.disparity.shape[-1]

    def with_disparity(self, disparity: Tensor) -> Depth:
        """This depth with other disparity `[B,1,H,W]`, of the same image size and kind.

        What else is known follows to its device; that of one image serves all of a batch.
        """
        focal_length, confidence, holes = self.focal_length_px, self.confidence, self.holes
        if isinstance(focal_length, Tensor):
            focal_length = focal_length.to(disparity.device)
        if confidence is not None:
            confidence = confidence.to(disparity).expand(len(disparity), -1, -1, -1)
        if holes is not None:
            holes = holes.to(disparity.device).expand(len(disparity), -1, -1, -1)
        return Depth(disparity, self.is_metric, focal_length, confidence, holes)

    def split(self) -> list[Depth]:
        """One `Depth` per image of the batch."""
        focal_length, confidence, holes = self.focal_length_px, self.confidence, self.holes
        return [
            Depth(
                disparity,
                self.is_metric,
                _at(focal_length, index),
                None if confidence is None else confidence[index : index + 1],
                None if holes is None else holes[index : index + 1],
            )
            for index, disparity in enumerate(self.disparity.split(1))
        ]

    @staticmethod
    def joined(depths: Sequence[Depth]) -> Depth:
        """One batch of depths of the same size and kind.

        Focal length and confidence are kept if all have them, holes if any has some.

        Raises:
            InputError: there are none, or they are of different size or kind.
        """
        kinds = {(each.size, each.is_metric) for each in depths}
        if len(kinds) != 1:
            received = f"{len(kinds)} kinds and sizes of depth in one batch"
            raise InputError(
                "depth", received, "Give maps of one size, all metric or all relative."
            )
        focal_lengths = [
            _focal_lengths(each) for each in depths if each.focal_length_px is not None
        ]
        confidences = [each.confidence for each in depths if each.confidence is not None]
        has_holes = any(each.holes is not None for each in depths)
        return Depth(
            torch.cat([each.disparity for each in depths]),
            depths[0].is_metric,
            torch.cat(focal_lengths) if len(focal_lengths) == len(depths) else None,
            torch.cat(confidences) if len(confidences) == len(depths) else None,
            torch.cat([_holes(each) for each in depths]) if has_holes else None,
        )

    def resized(self, height: int, width: int) -> Depth:
        """Bilinear resampling to another image size; the focal length grows with the width."""
        if self.size == (height, width):
            return self
        focal_length, confidence, holes = self.focal_length_px, self.confidence, self.holes
        return Depth(
            _resampled(self.disparity, height, width),
            self.is_metric,
            None if focal_length is None else focal_length * width / self.size[1],
            None if confidence is None else _resampled(confidence, height, width),
            # In part is enough.
            None if holes is None else _resampled(holes.float(), height, width) > 0,
        )

    def for_image(self, height: int, width: int) -> Depth:
        """This depth at the size of the image that it belongs to; says so if it has to change."""
        if self.size != (height, width):
            stretch = (self.size[1] / self.size[0]) / (width / height)
            logger.warning(
                "The depth is %d×%d px, the image %d×%d: the depth is resampled%s.",
                *reversed(self.size),
                width,
                height,
                "" if 1 / SAME_ASPECT < stretch < SAME_ASPECT else " and STRETCHED to its shape",
            )
        return self.resized(height, width)

    def aligned_to(self, image: Tensor, radius: int = 8, edge_threshold: float = 0.02) -> Depth:
        """Pull depth edges onto the edges of `image` with a guided filter (He et al. 2013).

        Args:
            image: guide `[B,3,H,W]` or `[1,3,H,W]`, sRGB-coded 0..1, of the same size; several
                guides for a single depth give several depths.
            radius: reach in px; edges farther apart than this are not moved.
            edge_threshold: contrast of the guide (0..1) below which an edge does not count.

        Raises:
            InputError: the image is of another size or number, or holds NaN or infinite pixels.
        """
        from kornia.filters import guided_blur

        if image.shape[-2:] != self.disparity.shape[-2:]:
            raise InputError(
                "image", f"{tuple(image.shape[-2:])} px", f"Give an image of {self.size} px."
            )
        if len(image) != len(self.disparity) and 1 not in (len(image), len(self.disparity)):
            raise InputError(
                "image", f"{len(image)} images for {len(self.disparity)} depths", "Give one each."
            )
        check_finite(image)
        disparity = self.disparity.expand(max(len(self.disparity), len(image)), -1, -1, -1)
        guide = image.to(disparity)
        guided = guided_blur(
            guide.expand(len(disparity), -1, -1, -1),
            disparity,
            2 * radius + 1,
            edge_threshold**2,
            border_type="replicate",  # Unlike reflection, it takes pictures smaller than the reach.
        )
        # A linear filter may overshoot: stay within what the map holds.
        low, high = self.disparity.amin(), self.disparity.amax()
        return self.with_disparity(guided.clamp(low, high))


def decode_depth(
    values: Tensor,
    encoding: Encoding = "disparity",
    near_is_white: bool = True,
    near_m: float | None = None,
    far_m: float | None = None,
) -> Depth:
    """Depth from coded pixel values 0..1, as depth packs and depth PNGs hold them.

    Args:
        values: `[B,1,H,W]`, 0..1.
        encoding: what the values are linear in. Without a range it makes no difference: relative
            disparity is only known up to such choices.
        near_is_white: True if 1 is the nearest point.
        near_m, far_m: the distances in metres of the nearest and farthest value; both or neither.
            `far_m` may be infinity for disparity. With them the depth is metric.

    Raises:
        InputError: one of the range's ends is missing, not above zero, or they are swapped.
    """
    nearness = values if near_is_white else 1.0 - values
    if near_m is None and far_m is None:
        return Depth.from_relative(nearness.clamp(0.0, 1.0))
    near_m, far_m = _checked_range(near_m, far_m, encoding)
    if encoding == "disparity":
        return Depth.from_metric_disparity(1 / far_m + nearness * (1 / near_m - 1 / far_m))
    return Depth.from_metres(far_m + nearness * (near_m - far_m))


def _checked_range(
    near_m: float | None, far_m: float | None, encoding: Encoding
) -> tuple[float, float]:
    if near_m is None or far_m is None:
        raise InputError(
            "near_m, far_m", f"{near_m} and {far_m}", "Give both distances in metres, or neither."
        )
    if not 0 < near_m < far_m:
        raise InputError(
            "near_m, far_m", f"{near_m:g} and {far_m:g}", "They must satisfy 0 < near_m < far_m."
        )
    if encoding == "depth" and far_m == float("inf"):
        raise InputError("far_m", "infinity", "Linear depth needs a finite farthest distance.")
    return near_m, far_m


def _focal_lengths(depth: Depth) -> Tensor:
    """`[B]` of a depth whose focal length is known."""
    values = torch.as_tensor(depth.focal_length_px, dtype=depth.disparity.dtype)
    return values.to(depth.disparity.device).flatten().expand(len(depth.disparity))


def _holes(depth: Depth) -> Tensor:
    """`[B,1,H,W]`, also where there are none."""
    if depth.holes is not None:
        return depth.holes
    return torch.zeros_like(depth.disparity, dtype=torch.bool)


def _at(focal_length_px: float | Tensor | None, index: int) -> float | Tensor | None:
    """The focal length of one image of a batch."""
    if isinstance(focal_length_px, Tensor) and focal_length_px.numel() > 1:
        return focal_length_px[index : index + 1]
    return focal_length_px


def _resampled(values: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(values, (height, width), mode="bilinear", align_corners=False)


def _at_least_float32(values: Tensor) -> Tensor:
    """Half precision overflows where a distance is inverted."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _fill_holes(disparity: Tensor, valid: Tensor) -> tuple[Tensor, Tensor | None]:
    """Replace invalid pixels by what lies behind there, and tell where that was."""
    if valid.numel() == 0:
        raise InputError("depth", f"an empty batch {list(valid.shape)}", "Give at least one map.")
    if bool(valid.all()):
        return disparity, None
    if not bool(valid.flatten(1).any(dim=1).all()):
        raise InputError(
            "depth",
            "a map without a single valid value",
            "Depth must be finite and above zero somewhere.",
        )
    logger.warning(
        "%d of %d depth values are invalid and were filled from their surroundings.",
        int((~valid).sum()),
        valid.numel(),
    )
    return filled_from_behind(disparity, valid), ~valid
