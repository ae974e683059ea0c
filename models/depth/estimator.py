"""What every depth estimator is to its users."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from ...errors import InputError
from ...lens.depth import Depth
from ...lens.image import check_finite


class DepthEstimator(ABC):
    """Depth from a single picture.

    A subclass says how one picture becomes one depth map; batches, checks and progress are here.
    Every picture is estimated by itself, whatever else is in the batch: relative depth has a scale
    of its own in each, which `lens.depth_sequence` brings together over a film.

    Args:
        name: as people call the network.
        is_metric: whether its depth is metric.
    """

    def __init__(self, name: str, is_metric: bool) -> None:
        self.name = name
        self.is_metric = is_metric

    def estimate(
        self,
        image: Tensor,
        focal_length_px: float | Tensor | None = None,
        device: torch.device | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> Depth:
        """Depth of each picture of a batch.

        Args:
            image: `[B,3,H,W]` sRGB-coded 0..1, of any size.
            focal_length_px: of the pictures, in their px: one for all or `[B]`; None if unknown.
            device: where to compute; by default where the image is.
            on_progress: called with the finished fraction, 0..1.

        Returns:
            `[B,1,H,W]` float32 on the image's device. Relative depth reaches from 0 to 1 in each
            picture. The focal length is the given one, else the network's own estimate, else None.

        Raises:
            InputError: NaN or infinite pixels, or a focal length that is not above zero or not one
                per picture.
        """
        check_finite(image)
        focal_lengths = _each_focal_length(focal_length_px, len(image))
        place = device or image.device
        depths = []
        for index, (picture, focal_length) in enumerate(
            zip(image.split(1), focal_lengths, strict=True)
        ):
            depths.append(self.estimate_one(picture, focal_length, place))
            if on_progress is not None:
                on_progress((index + 1) / len(image))
        return Depth.joined(depths)

    @abstractmethod
    def estimate_one(
        self, picture: Tensor, focal_length_px: float | None, device: torch.device
    ) -> Depth:
        """Depth of one picture.

        Args:
            picture: `[1,3,H,W]` sRGB-coded 0..1, finite.
            focal_length_px: > 0, None if unknown.
            device: where to compute.

        Returns:
            `[1,1,H,W]` float32 on the picture's device.
        """


def _each_focal_length(given: float | Tensor | None, count: int) -> list[float | None]:
    if given is None:
        return [None] * count
    values = torch.as_tensor(given, dtype=torch.float64).flatten().tolist()
    if len(values) not in (1, count):
        received = f"{len(values)} focal lengths for {count} images"
        raise InputError("focal_length_px", received, "Give one, or one per image.")
    if not all(0 < value < float("inf") for value in values):
        raise InputError("focal_length_px", repr(given), "Give a number of px above zero.")
    return values if len(values) == count else values * count
