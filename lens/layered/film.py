"""What reaches every pixel through what is in front of it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import torch
from torch import Tensor

from ..window import Window
from .ladder import hides

# Where nothing reaches a pixel (a ring-shaped aperture), it keeps its own light.
LEAST_WEIGHT = 1e-3
# Smaller shares of the lens count as this much: divided by them, the rounding of a bright light's
# transform would show.
TINY = 1e-2


@dataclass(frozen=True)
class Exposure:
    """A layer whose light is spread.

    Args:
        radius: signed blur radius, px.
        light: `[C+1,h,w]` light and weight: the part of the lens that it takes.
        window: of the film.
        is_hidden: whether it is behind something in the picture.
    """

    radius: float
    light: Tensor
    window: Window
    is_hidden: bool


class Film:
    """The light that comes to every pixel; layers come from near to far.

    What is in front leaves some of the lens open to a surface. Which part of the surface is seen
    through the opening depends on the side of the focus. On the same side as what is in front, it
    is first of all what is in view in the picture, too; only where that leaves some of the opening,
    what is hidden in the picture comes to view. On the other side it is the other way round.

    Args:
        like: a tensor of the same type, on the same device.
        channels: C.
        size: height and width, px.
    """

    def __init__(self, like: Tensor, channels: int, size: tuple[int, int]) -> None:
        self.total = like.new_zeros(channels + 1, *size)
        self._in_view, self._hidden = _Cover(like, size), _Cover(like, size)
        self._before_focus = like.new_zeros(1, *size)
        self._is_any_before_focus = False
        self._waiting: deque[Exposure] = deque()

    def expose(self, layer: Exposure) -> None:
        """Take a layer."""
        # What it does not hide may belong to the same surface, and has to wait for all of it.
        while self._waiting and hides(self._waiting[0].radius, layer.radius):
            self._develop(self._waiting.popleft())
        self._waiting.append(layer)
        (self._hidden if layer.is_hidden else self._in_view).add(layer)
        if layer.radius > 0 and not layer.is_hidden:
            layer.window.of(self._before_focus).add_(layer.light[-1:])
            self._is_any_before_focus = True

    def developed(self, image: Tensor, margin: int) -> Tensor:
        """The picture `[1,C,H,W]` without its margin; no layer comes after that."""
        while self._waiting:
            self._develop(self._waiting.popleft())
        exposed = self.total[None, :, margin:-margin, margin:-margin]
        # Transforms leave tiny negatives where there is no light.
        light, weight = exposed[:, :-1].clamp(min=0.0), exposed[:, -1:]
        return torch.where(weight > LEAST_WEIGHT, light / weight.clamp(min=LEAST_WEIGHT), image)

    def _develop(self, layer: Exposure) -> None:
        """Add a layer to the extent that it shows."""
        front = self._in_view.in_front_of(layer)
        opening = (1.0 - front).clamp_(0.0, 1.0)
        covers = (self._hidden, self._in_view) if layer.is_hidden else (self._in_view, self._hidden)
        own, other = (cover.of_surface(layer) for cover in covers)
        own.clamp_(min=TINY)
        shown = _shown(opening, own, other if layer.is_hidden else None)
        if layer.radius < 0 and self._is_any_before_focus:
            before_focus = layer.window.of(self._before_focus).minimum(front)
            flipped = _shown(opening, own, None if layer.is_hidden else other)
            shown.lerp_(flipped, before_focus.div_(front.clamp(min=TINY)))
        layer.window.of(self.total).addcmul_(layer.light, shown)


def _shown(opening: Tensor, own: Tensor, first: Tensor | None) -> Tensor:
    """How much is to be seen of what takes its own part of the lens, after what comes first."""
    left = opening if first is None else opening - first
    return (left / own).clamp_(0.0, 1.0)


class _Cover:
    """The part of the lens that layers take, all of which are in view or all hidden."""

    def __init__(self, like: Tensor, size: tuple[int, int]) -> None:
        self._front, self._so_far = like.new_zeros(2, 1, *size)
        self._not_in_front: deque[tuple[float, Tensor, Window]] = deque()

    def add(self, layer: Exposure) -> None:
        """Add a layer."""
        layer.window.of(self._so_far).add_(layer.light[-1:])
        # It waits longer than the other channels.
        self._not_in_front.append((layer.radius, layer.light[-1:].clone(), layer.window))

    def in_front_of(self, layer: Exposure) -> Tensor:
        """`[1,h,w]`: of what hides a layer; the next one has to be farther."""
        while self._not_in_front and hides(self._not_in_front[0][0], layer.radius):
            _, taken, window = self._not_in_front.popleft()
            window.of(self._front).add_(taken)
        return layer.window.of(self._front)

    def of_surface(self, layer: Exposure) -> Tensor:
        """`[1,h,w]`: of a layer and of those that it does not hide and that do not hide it."""
        front = self.in_front_of(layer)
        return layer.window.of(self._so_far) - front
