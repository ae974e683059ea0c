"""Where the picture is sharp: a focus plane or a range of depths, for each image of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from .depth import Depth

# Side of the window around a focus point, as a fraction of the image's longest edge: wide enough
# to ignore one wrong pixel, small enough to stay on the subject.
POINT_WINDOW = 0.01
# A sharp range ends here at the latest, in metres: nothing is nearer to a lens.
NEAREST_M = 1e-3
# In a mean of distances, what is farther counts as this far, in metres: the sky shall weigh no more
# than it does for Metric3Dv2, which sees no farther and which Fine-grained Defocus uses.
FARTHEST_M = 300.0

Easing = Literal["linear", "smooth"]


@dataclass(frozen=True)
class Focus:
    """The sharp depths of each image, as disparity.

    Args:
        plane: `[B]` disparity that the lens is focused on.
        near: `[B]` disparity of the nearest sharp plane, >= `plane`.
        far: `[B]` disparity of the farthest sharp plane, <= `plane`; all equal for a single plane.
        is_metric: whether they are in 1/m (else relative, 0..1).
    """

    plane: Tensor
    near: Tensor
    far: Tensor
    is_metric: bool

    @classmethod
    def at_distance(cls, metres: float | Sequence[float] | Tensor, range_m: float = 0.0) -> Focus:
        """Focus at metric distances; infinity is allowed.

        Args:
            metres: focus distance, one or one per image, > 0; a tensor to differentiate by it.
            range_m: metres of depth that stay sharp, half of them in front of the plane (all that
                there is, if the plane is nearer than that).
        """
        distance = _numbers(metres)
        _require(bool((distance > 0).all()), "focus_distance", metres, "Give metres above zero.")
        _require(range_m >= 0, "focus_range", range_m, "Give zero or more metres.")
        nearest = (distance - range_m / 2).clamp(min=NEAREST_M).minimum(distance)
        farthest = distance + range_m / 2
        return cls(1.0 / distance, 1.0 / nearest, 1.0 / farthest, is_metric=True)

    @classmethod
    def at_disparity(
        cls, disparity: float | Sequence[float] | Tensor, is_metric: bool, width: float = 0.0
    ) -> Focus:
        """Focus at disparities (1/m, or 0..1 relative).

        Args:
            disparity: focus disparity, one or one per image, >= 0.
            width: span of disparity that stays sharp, centred on the plane.
        """
        plane = _numbers(disparity)
        _require(
            bool(((plane >= 0) & torch.isfinite(plane)).all()),
            "focus_disparity",
            disparity,
            "Give a number, zero (infinitely far) or more.",
        )
        if not is_metric:
            _require(
                bool((plane <= 1).all()),
                "focus_disparity",
                disparity,
                "Relative disparity lies in 0..1, 1 = nearest.",
            )
        _require(width >= 0, "focus_range", width, "Give zero or more.")
        return cls(plane, plane + width / 2, (plane - width / 2).clamp(min=0.0), is_metric)

    @property
    def distance_m(self) -> Tensor:
        """`[B]` focus distance in metres (metric focus only)."""
        _require(
            self.is_metric, "focus", "a relative focus", "Metres need metric depth; see Depth."
        )
        return 1.0 / self.plane

    def nearest_sharp(self, disparity: Tensor) -> Tensor:
        """The sharp disparity nearest to each pixel's, `[B,1,H,W]`."""
        far, near = (limit.to(disparity).view(-1, 1, 1, 1) for limit in (self.far, self.near))
        # Not clamp(far, near): where the two are equal it has no gradient.
        return disparity.maximum(far).minimum(near)

    def for_batch(self, size: int) -> Focus:
        """One focus per image: a single one is repeated.

        Raises:
            InputError: there are several, but not `size`.
        """
        count = len(self.plane)
        _require(
            count in (1, size),
            "focus",
            f"{count} focus values for {size} images",
            "Give one, or one per image.",
        )
        return self._with_each(lambda values: values.expand(size))

    def _with_each(self, change: Callable[[Tensor], Tensor]) -> Focus:
        return Focus(change(self.plane), change(self.near), change(self.far), self.is_metric)


def focus_on_point(depth: Depth, x: float, y: float, width: float = 0.0) -> Focus:
    """Focus on what is at a point of the image: the median depth of a small window there.

    Args:
        depth: depth of each image.
        x, y: position as a fraction of width and height, 0..1 from the top left.
        width: span of disparity that stays sharp (1/m if the depth is metric, else 0..1).

    Raises:
        InputError: the point is outside the image.
    """
    _require(
        0 <= x <= 1 and 0 <= y <= 1,
        "focus_point",
        f"({x:g}, {y:g})",
        "Give x and y as fractions of the image, 0..1 from the top left.",
    )
    rows, columns = depth.size
    row, column = min(int(y * rows), rows - 1), min(int(x * columns), columns - 1)
    reach = int(POINT_WINDOW * max(rows, columns) / 2)
    window = depth.disparity[
        :,
        0,
        max(row - reach, 0) : row + reach + 1,
        max(column - reach, 0) : column + reach + 1,
    ]
    return Focus.at_disparity(window.flatten(1).median(dim=1).values, depth.is_metric, width)


def focus_on_mask(depth: Depth, mask: Tensor, width: float = 0.0) -> Focus:
    """Focus on a subject: the median depth inside its mask (Generative Refocusing eq. 4).

    Args:
        depth: depth of each image.
        mask: `[B,1,H,W]` or `[1,1,H,W]`, inside where > 0.5; other sizes are resampled.
        width: span of disparity that stays sharp.

    Raises:
        InputError: a mask is empty, or there are neither one nor as many as depths.
    """
    inside = F.interpolate(mask.float(), depth.size, mode="nearest-exact") > 0.5
    masks, depths = len(inside), len(depth.disparity)
    _require(
        masks == depths or 1 in (masks, depths),
        "mask",
        f"{masks} masks for {depths} depths",
        "Give one, or one per depth.",
    )
    planes = []
    for index in range(max(masks, depths)):
        image_mask = inside[min(index, masks - 1), 0]
        values = depth.disparity[min(index, depths - 1), 0]
        _require(
            bool(image_mask.any()),
            "mask",
            f"an empty mask for image {index}",
            "Mark the subject that shall be sharp (values above 0.5).",
        )
        planes.append(values[image_mask].median())
    return Focus.at_disparity(torch.stack(planes), depth.is_metric, width)


def focus_on_mean(depth: Depth, weights: Tensor, width: float = 0.0) -> Focus:
    """Focus at the mean depth of what counts (Fine-grained Defocus eq. 4).

    Distances are averaged, as in the paper; of relative depth, disparities. It can be
    differentiated by both arguments.

    Args:
        depth: depth of each image.
        weights: how much each pixel counts, >= 0: `[B,1,H,W]` or `[1,1,H,W]`; other sizes are
            resampled.
        width: span of disparity that stays sharp.

    Raises:
        InputError: weights are negative, not finite or all zero, or there are neither one nor as
            many as depths.

    Example:
        >>> depth = Depth.from_metres(torch.tensor([[[[1.0, 4.0]]]]))
        >>> focus_on_mean(depth, torch.tensor([[[[2.0, 1.0]]]])).distance_m
        tensor([2.])
    """
    _require(
        bool((torch.isfinite(weights) & (weights >= 0)).all()),
        "weights",
        "negative, infinite or NaN values",
        "Give numbers, zero or more.",
    )
    count, depths = len(weights), len(depth.disparity)
    _require(
        count == depths or 1 in (count, depths),
        "weights",
        f"{count} maps of weights for {depths} depths",
        "Give one, or one per depth.",
    )
    weights = weights.to(depth.disparity)
    if weights.shape[-2:] != depth.size:
        weights = F.interpolate(weights, depth.size, mode="bilinear", antialias=True)
    total = weights.sum(dim=(1, 2, 3))
    _require(
        bool((total > 0).all()),
        "weights",
        f"nothing but zeros for image {int(total.argmin())}",
        "Mark what shall be sharp.",
    )
    values = depth.disparity
    if depth.is_metric:
        values = 1.0 / values.clamp(min=1.0 / FARTHEST_M)
    mean = (values * weights).sum(dim=(1, 2, 3)) / total
    # Rounding must not lift a mean above the range of its values.
    plane = 1.0 / mean if depth.is_metric else mean.clamp(max=1.0)
    return Focus.at_disparity(plane, depth.is_metric, width)


def pull_focus(keyframes: Sequence[tuple[int, Focus]], frames: int, easing: Easing) -> Focus:
    """A rack focus: one focus per frame, interpolated between keyframes.

    Interpolation is linear in disparity, which is how a lens' focus ring travels, and includes
    the sharp range. Before the first and after the last keyframe the focus holds.

    Args:
        keyframes: (frame index, focus of one image), in any order, all metric or all relative.
        frames: number of frames, > 0.
        easing: "linear", or "smooth" to start and stop gently between keyframes.

    Raises:
        InputError: no keyframes, two on one frame, one with several planes, metric and relative
            ones mixed, or another easing.
    """
    check_easing(easing)
    ordered = sorted(keyframes, key=lambda keyframe: keyframe[0])
    positions = [position for position, _ in ordered]
    _require(bool(ordered), "keyframes", "none", "Give at least one.")
    _require(frames > 0, "frames", str(frames), "Give one frame or more.")
    _require(
        len(set(positions)) == len(positions), "keyframes", str(positions), "One per frame only."
    )
    for position, focus in ordered:
        planes = f"{len(focus.plane)} focus planes at frame {position}"
        _require(len(focus.plane) == 1, "keyframes", planes, "Give the focus of one image.")
    _require_one_kind([focus for _, focus in ordered])
    plane, near, far = (
        _interpolate_keyframes(positions, values, frames, easing)
        for values in zip(*((f.plane[0], f.near[0], f.far[0]) for _, f in ordered), strict=True)
    )
    return Focus(plane, near, far, ordered[0][1].is_metric)


def continue_pull(start: Focus, end: Focus, frames: int, easing: Easing) -> Focus:
    """A pull from the end of `start` to `end`, one focus per frame.

    Args:
        start: a single focus, which is the first of the `frames`; or an earlier pull, to which
            `frames` more are added.
        end: focus of the last frame, a single one.
        frames: how many, > 0.
        easing: as in `pull_focus`.

    Raises:
        InputError: metric and relative focus mixed, several ends, or no frames.
    """
    count = len(end.plane)
    _require(count == 1, "end", f"{count} focus planes", "Give the focus of one image.")
    _require(frames > 0, "frames", frames, "Give one frame or more.")
    _require_one_kind([start, end])
    last = start._with_each(lambda values: values[-1:])
    if len(start.plane) == 1:
        return pull_focus([(0, last), (frames - 1, end)], frames, easing) if frames > 1 else end
    added = pull_focus([(0, last), (frames, end)], frames + 1, easing)
    return Focus(
        torch.cat([start.plane, added.plane[1:]]),
        torch.cat([start.near, added.near[1:]]),
        torch.cat([start.far, added.far[1:]]),
        start.is_metric,
    )


def _require_one_kind(focuses: Sequence[Focus]) -> None:
    _require(
        len({focus.is_metric for focus in focuses}) == 1,
        "keyframes",
        "metric and relative focus",
        "Use one kind of depth for all.",
    )


def _interpolate_keyframes(
    positions: Sequence[int], values: Sequence[Tensor], frames: int, easing: Easing
) -> Tensor:
    track = torch.stack([torch.as_tensor(value) for value in values])
    if len(positions) == 1:
        return track.expand(frames).clone()
    times = torch.arange(frames, dtype=track.dtype)
    keys = torch.tensor(positions, dtype=track.dtype)
    after = torch.searchsorted(keys, times, right=True).clamp(1, len(positions) - 1)
    start, end = keys[after - 1], keys[after]
    progress = eased((times - start) / (end - start), easing)
    return torch.lerp(track[after - 1], track[after], progress)


def eased(progress: Tensor, easing: Easing) -> Tensor:
    """How far a move has come, 0..1, at a fraction of its time; before and after it holds.

    Raises:
        InputError: there is no such easing.
    """
    check_easing(easing)
    progress = progress.clamp(0.0, 1.0)
    return progress * progress * (3.0 - 2.0 * progress) if easing == "smooth" else progress


def check_easing(easing: str) -> None:
    """Refuse an easing that there is not.

    Raises:
        InputError: so it is.
    """
    _require(easing in get_args(Easing), "easing", repr(easing), "Give 'linear' or 'smooth'.")


def _numbers(values: float | Sequence[float] | Tensor) -> Tensor:
    """`[B]`; a tensor keeps its precision and its gradient."""
    if not isinstance(values, Tensor):
        values = torch.as_tensor(values, dtype=torch.float32)
    return torch.atleast_1d(values.to(torch.promote_types(values.dtype, torch.float32)))


def _require(condition: bool, subject: str, received: object, advice: str) -> None:
    if not condition:
        raise InputError(subject, str(received), advice)
