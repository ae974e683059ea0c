"""Metric3D with its weights: distances in metres, confidence and surface normals of pictures."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import InputError
from ...lens.image import check_finite
from ...lens.progress import OnProgress
from ..lending import compute_dtype, lent
from ..loaded import loaded
from ..state_dict import load_network, read_state_dict
from ..weights import Weights
from .architecture import GIANT, LARGE, Metric3D, Prediction
from .layout import converted, variant_of
from .processing import (
    DEFAULT_VIEW_DEG,
    Placement,
    default_focal_length_px,
    from_canvas,
    to_canvas,
    to_metres,
)
from .published import METRIC3D_GIANT, METRIC3D_LARGE, METRIC3D_SMALL

logger = logging.getLogger(__name__)

# Of the encoder; it was trained with bfloat16, in whose range float16 may overflow.
ENCODER_TYPES = (torch.bfloat16, torch.float32)
# What the network takes beside its weights, with the canvas that all pictures come onto.
WORKING_BYTES = 1_500_000_000


@dataclass(frozen=True)
class Estimate:
    """What Metric3D says of pictures.

    Args:
        metres: `[B,1,H,W]` along the optical axis, above 0 and up to 300.
        confidence: `[B,1,H,W]`, 0 (a guess) to 1 (sure): about 1 minus the relative error.
        normals: `[B,3,H,W]`, unit length, of the side that is seen: x right, y down, z forward, so
            that a wall straight ahead has (0, 0, −1). None if they were not asked for.
        focal_length_px: `[B]`, what the metres were scaled with.
    """

    metres: Tensor
    confidence: Tensor
    normals: Tensor | None
    focal_length_px: Tensor


def metric3d_network(path: Path, device: torch.device) -> Metric3D:
    """The network of a file, shared with all who ask for it; its type is one for the device.

    Args:
        path: `.pth` as published, or `.safetensors`. Which network it is follows from it.
        device: where it is going to compute.

    Raises:
        FileError: the file is missing, unreadable, could run code, or is for another network.
    """
    return loaded(load_metric3d, path, compute_dtype(device, ENCODER_TYPES))


def load_metric3d(path: Path, encoder_dtype: torch.dtype = torch.float32) -> Metric3D:
    """The network of a file, on the CPU.

    Args:
        path: see `metric3d_network`.
        encoder_dtype: of the encoder, which has most of the weights and the work. The decoder is
            always float32: in half precision, depth would come in steps.

    Raises:
        FileError: see `metric3d_network`.
    """
    variant = variant_of(read_state_dict(path), path)
    weights = _weights_of(variant.width, variant.is_giant)
    network = load_network(lambda: Metric3D(variant), path, weights, convert=converted)
    network.depth_model.encoder.to(encoder_dtype)
    return network


def estimate(
    network: Metric3D,
    image: Tensor,
    focal_length_px: float | Tensor | None = None,
    device: torch.device | None = None,
    on_progress: OnProgress | None = None,
    with_normals: bool = True,
) -> Estimate:
    """Depth and normals of each picture of a batch, one after the other.

    The network sees pictures at up to 616×1064 px. Depth is proportional to the focal length: with
    a wrong one all distances are wrong by the same factor.

    Args:
        network: from `metric3d_network`.
        image: `[B,3,H,W]` sRGB-coded 0..1, of any size.
        focal_length_px: of the pictures, in their px: one for all or `[B]`; see
            `lens.optics.Camera.focal_length_px`. Without, a view of `DEFAULT_VIEW_DEG` is assumed,
            which is logged.
        device: where to compute; by default where the image is.
        on_progress: called with the finished fraction, 0..1.
        with_normals: whether normals are wanted.

    Returns:
        float32, on the image's device.

    Raises:
        InputError: NaN or infinite pixels, or a focal length that is not above zero, or not one per
            picture.
    """
    check_finite(image)
    focal_lengths = _focal_lengths(focal_length_px, image)
    place = device or image.device
    count = _Count(len(image) * network.steps, on_progress)
    placement = Placement(image.shape[-2], image.shape[-1])
    found: list[tuple[Tensor, ...]] = []
    with lent(network, place, WORKING_BYTES), torch.no_grad():
        for picture, focal_length in zip(image.split(1), focal_lengths.tolist(), strict=True):
            # Resized where the picture is: the canvas is small, the picture may not be.
            canvas = to_canvas(picture.float(), placement).to(place)
            prediction = Prediction(*(each.to(image.device) for each in network(canvas, count)))
            found.append(_on_picture(prediction, placement, focal_length, with_normals))
    metres, confidence, *normals = (torch.cat(maps) for maps in zip(*found, strict=True))
    return Estimate(metres, confidence, normals[0] if normals else None, focal_lengths)


def _on_picture(
    prediction: Prediction, placement: Placement, focal_length_px: float, with_normals: bool
) -> tuple[Tensor, ...]:
    """Metres, confidence and, if wanted, normals at the size of the picture."""
    depth = from_canvas(prediction.depth, placement)
    metres = to_metres(depth, focal_length_px, placement.scale)
    confidence = from_canvas(prediction.confidence, placement).clamp(0.0, 1.0)
    if not with_normals:
        return metres, confidence
    return metres, confidence, F.normalize(from_canvas(prediction.normals, placement))


class _Count:
    """Counts steps and reports their share."""

    def __init__(self, total: int, on_progress: OnProgress | None) -> None:
        self._total = total
        self._done = 0
        self._on_progress = on_progress

    def __call__(self) -> None:
        self._done += 1
        if self._on_progress is not None:
            self._on_progress(self._done / self._total)


def _focal_lengths(given: float | Tensor | None, image: Tensor) -> Tensor:
    """One for each picture `[B]`, on the CPU."""
    if given is None:
        assumed = default_focal_length_px(*image.shape[-2:])
        logger.warning(
            "No focal length: a view of %.0f° is assumed (%.0f px). If it is another, all "
            "distances are wrong by the same factor.",
            DEFAULT_VIEW_DEG,
            assumed,
        )
        given = assumed
    values = torch.as_tensor(given, dtype=torch.float64).cpu().flatten()
    if len(values) not in (1, len(image)):
        received = f"{len(values)} focal lengths for {len(image)} images"
        raise InputError("focal_length_px", received, "Give one, or one per image.")
    if not bool((torch.isfinite(values) & (values > 0)).all()):
        raise InputError("focal_length_px", repr(given), "Give a number of px above zero.")
    return values.float().expand(len(image))


def _weights_of(width: int, is_giant: bool) -> Weights:
    """The published weights that a network is most like, for errors."""
    if is_giant or width >= GIANT.width:
        return METRIC3D_GIANT
    return METRIC3D_LARGE if width >= LARGE.width else METRIC3D_SMALL
