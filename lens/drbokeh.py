"""Dr.Bokeh: a scene of layers, with soft occlusion within each, composited from the front.

Dr.Bokeh (Sheng et al. 2024). Within a layer every pixel scatters over its own disc, but onto a
pixel in focus only what is clearly nearer does. As published, that is a test of every pair of
pixels. It counts only where the target is in focus, though, and there the target's disparity is
that of the focus plane: what is left is a weight of the source. So a layer takes two scatters, one
of all sources for blurred targets and one of the nearer sources for sharp ones, at any blur radius.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from .aperture import Aperture
from .blocks import Surroundings
from .blur_disc import DRBOKEH_TAIL, BlurDisc
from .color import srgb_to_linear
from .depth_cuts import CutMemory
from .image import mask_to_planar, to_planar
from .layered_fft import Layers, ladder, scatter
from .progress import OnProgress, part_of
from .scene_layers import LAYERING_REACH, LayerPlan, SceneLayer, cuts_of, layers_of, plan_layers
from .view import View
from .window import Window

Kernel = Literal["lens", "published"]

MAX_LAYERS = 8
# What is nearer: 0.5 + 0.5 tanh(SHARPNESS (difference - OFFSET)), in a disparity that spans 0..1.
OCCLUSION_OFFSET = 0.1
OCCLUSION_SHARPNESS = 10.0
# exp(-FALLOFF r²) of a target is in focus.
FOCUS_FALLOFF = 3.0
# From this blur radius (px) on, that is less than 1e-8.
FOCUS_REACH = 2.5
# A target that hardly any disc reaches (a ring-shaped aperture) keeps its own light.
LEAST_WEIGHT = 1e-3


@dataclass(frozen=True, eq=False)
class DrBokehOptions:
    """Options of Dr.Bokeh. The pictures in them belong to the picture that is rendered.

    Args:
        foreground: opacity of the front layer, `[B,1,H,W]`, 0..1; None to cut layers by depth only.
        background: `[B,C,H,W]`, what is behind the foreground; needs one. Used only where the
            foreground hides it. None makes it up.
        layers: how many at most, the foreground among them: 1..8, 2 or more with a foreground.
        kernel: "lens" is a crisp disc that keeps its light, and a layer is as transparent at its
            edge as its discs make it; "published" has Dr.Bokeh's own disc, weights and opacity.
        linear: the background holds linear light; else it is sRGB-coded.
        scene: the layers themselves, from the front, in place of all this but the kernel.
        memory: of the frame before, see `Lens.for_film`.

    Raises:
        InputError: a number or a combination without meaning, or pictures that are not finite.
    """

    foreground: Tensor | None = None
    background: Tensor | None = None
    layers: int = 3
    kernel: Kernel = "lens"
    linear: bool = False
    scene: Sequence[SceneLayer] | None = None
    memory: CutMemory | None = None

    def __post_init__(self) -> None:
        least = 1 if self.foreground is None else 2
        if not isinstance(self.layers, int) or not least <= self.layers <= MAX_LAYERS:
            place = "" if self.foreground is None else " with a foreground"
            raise InputError("layers", repr(self.layers) + place, f"Give {least} to {MAX_LAYERS}.")
        if self.kernel not in get_args(Kernel):
            raise InputError("kernel", repr(self.kernel), "Give 'lens' or 'published'.")
        if self.scene is not None and len(self.scene) == 0:
            raise InputError("scene", "no layers", "Give at least one.")
        if self.background is not None and self.foreground is None:
            advice = "Give the mask of what stands before it, too."
            raise InputError("foreground", "none, but a background", advice)
        for name, maps in self._pictures().items():
            if maps.ndim != 4 or 0 in maps.shape:
                raise InputError(name, f"shape {list(maps.shape)}", "Give [B,C,H,W].")
            if not bool(torch.isfinite(maps).all()):
                raise InputError(name, "NaN or infinite values", "Repair them before rendering.")

    @classmethod
    def from_arrays(
        cls,
        foreground: Tensor | np.ndarray | None = None,
        background: Tensor | np.ndarray | None = None,
        **others: Any,
    ) -> DrBokehOptions:
        """Options with pictures as artists hold them.

        Args:
            foreground: `[H,W]` or `[B,H,W]`, 0..1.
            background: `[H,W,3]` or `[B,H,W,3]`.
            others: as in the class.

        Raises:
            InputError: other shapes, and what the class refuses.

        Example:
            >>> DrBokehOptions.from_arrays(np.ones((8, 12), np.float32)).foreground.shape
            torch.Size([1, 1, 8, 12])
        """
        mask = picture = None
        if foreground is not None:
            mask = mask_to_planar(torch.as_tensor(foreground), "foreground").clamp(0.0, 1.0)
        if background is not None:
            batch = torch.as_tensor(background)
            picture = to_planar(batch[None] if batch.ndim == 3 else batch, "background")
        return cls(mask, picture, **others)

    def checked(self, height: int, width: int, batch: int) -> DrBokehOptions:
        """These options, if they fit the pictures to be rendered.

        Raises:
            InputError: the size or number of their pictures is another.
        """
        for name, maps in self._pictures().items():
            if maps.shape[-2:] != (height, width):
                received = f"Dr.Bokeh's {name} of {maps.shape[-1]}×{maps.shape[-2]} px"
                advice = "Both have to be of the same size."
                raise InputError("lens", f"{received} for an image of {width}×{height} px", advice)
            if maps.shape[0] not in (1, batch):
                received = f"Dr.Bokeh's {name} with {maps.shape[0]} frames for {batch} images"
                raise InputError("lens", received, "Give one, or one per image.")
        return self

    def frame(self, index: int) -> DrBokehOptions:
        """The options for one picture of a batch.

        Raises:
            InputError: there are several of a picture, but not as many.
        """
        for name, maps in self._pictures().items():
            if 1 < len(maps) <= index:
                received = f"Dr.Bokeh's {name} with {len(maps)} frames for more images"
                raise InputError("lens", received, "Give one, or one per image.")
        return self._mapped(lambda maps: maps if len(maps) == 1 else maps[index : index + 1])

    def for_film(self) -> DrBokehOptions:
        """The options for frames that follow each other: layers are cut alike in all of them."""
        return self if self.memory is not None else replace(self, memory=CutMemory())

    def pass_over(self, defocus: Tensor) -> None:
        """Remember how a frame of a film is cut, `[1,1,H,W]` px, without rendering it."""
        if self.scene is None and self.memory is not None:
            mask = None if self.foreground is None else self.foreground.to(defocus)
            cuts_of(defocus, self.layers, mask, self.memory)

    def block(self, rows: slice, columns: slice) -> DrBokehOptions:
        """The options for a part of the picture."""
        return self._mapped(lambda maps: maps[..., rows, columns])

    def prepared(self, light: Callable[[Window], Tensor], defocus: Tensor) -> PreparedDrBokeh:
        """What rendering parts of a picture needs to know of the whole.

        Args:
            light: linear light `[1,C,h,w]` of a part of the picture.
            defocus: signed blur radius `[1,1,H,W]`, px.
        """
        if self.scene is None:
            mask = None if self.foreground is None else self.foreground.to(defocus)
            plan = plan_layers(light, defocus, self.layers, mask, self.memory)
            return PreparedDrBokeh(self, _span([defocus]), _widest([defocus]), plan)
        maps = [layer.defocus for layer in self.scene]
        return PreparedDrBokeh(self, _span(maps), _widest(maps), None)

    def _pictures(self) -> dict[str, Tensor]:
        """All maps by the name that a user knows them by."""
        named = {"foreground": self.foreground, "background": self.background}
        for index, layer in enumerate(self.scene or ()):
            for part in ("color", "alpha", "defocus"):
                named[f"scene[{index}].{part}"] = getattr(layer, part)
        return {name: maps for name, maps in named.items() if maps is not None}

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> DrBokehOptions:
        return replace(
            self,
            foreground=None if self.foreground is None else change(self.foreground),
            background=None if self.background is None else change(self.background),
            scene=None if self.scene is None else tuple(_changed(s, change) for s in self.scene),
        )


@dataclass(frozen=True, eq=False)
class PreparedDrBokeh:
    """Options for a picture, or for a part of it, that know the whole.

    Args:
        options: for this part.
        span: range of the blur radius over the whole picture, px: the bokeh level K of a disparity
            that spans 0..1.
        max_radius: of the widest blur in any layer, px.
        plan: how the whole picture is layered; None for a scene that is given.
    """

    options: DrBokehOptions
    span: Tensor
    max_radius: float
    plan: LayerPlan | None

    def shifted(self, radius: float) -> PreparedDrBokeh:
        """The same for a defocus to which `radius` (px) is added everywhere."""
        scene = self.options.scene
        moved = scene and tuple(replace(s, defocus=s.defocus + radius) for s in scene)
        return replace(
            self,
            options=replace(self.options, scene=moved),
            max_radius=self.max_radius + abs(radius),
            plan=self.plan and self.plan.shifted(radius),
        )

    def block(self, rows: slice, columns: slice) -> PreparedDrBokeh:
        """The same for a part of this part."""
        return replace(self, options=self.options.block(rows, columns))


def render_drbokeh(
    image: Tensor,
    defocus: Tensor,
    aperture: Aperture,
    options: DrBokehOptions | PreparedDrBokeh,
    on_progress: OnProgress | None = None,
    view: View | None = None,
) -> Tensor:
    """Split a picture into layers, blur each, and lay them over each other.

    What layers hide is made up from their surroundings, or taken from `options.background`.
    Dr.Bokeh's occlusion is in disparity that spans 0..1, which is the blur radius by the range of
    radii in the picture.

    Args:
        image: linear light `[B,C,H,W]`.
        defocus: signed blur radius `[B,1,H,W]`, px.
        aperture: shape of the disc, upside down in front of the focus as in a real lens.
        options: layers and kernel. Parts of one picture need them `prepared` by the whole.
        on_progress: called with the finished fraction, 0..1.
        view: where the image lies in the whole picture; it is all of it if None.

    Returns:
        Linear light `[B,C,H,W]`; differentiable in `image`, `defocus` and the opacity of the
        foreground, for layers that stay where they are.
    """
    count = len(image)
    if count > 1:
        assert isinstance(options, DrBokehOptions), "prepared options are for one picture"
        frames = [
            render_drbokeh(
                image[index : index + 1],
                defocus[index : index + 1],
                aperture,
                options.frame(index),
                part_of(on_progress, index, count),
                view,
            )
            for index in range(count)
        ]
        return torch.cat(frames)
    whole = (
        options
        if isinstance(options, PreparedDrBokeh)
        else options.prepared(lambda window: window.of(image), defocus)
    )
    view = view or View(image.shape[-2], image.shape[-1])
    # Layers have a defocus of their own, which may be more than the picture's.
    view = replace(view, least_radius=-whole.max_radius, largest_radius=whole.max_radius)
    scene = _scene(image, defocus, whole, view)
    return composite(scene, whole.span, aperture, whole.options.kernel, on_progress, view)


def prepare_drbokeh(
    light: Callable[[Window], Tensor], defocus: Tensor, options: DrBokehOptions
) -> tuple[Tensor, PreparedDrBokeh]:
    """Layer a whole picture `[1,C,H,W]` before it is cut into blocks."""
    working = torch.promote_types(defocus.dtype, torch.float32)
    return defocus, options.prepared(light, defocus.to(working))


def drbokeh_surroundings(view: View, options: PreparedDrBokeh) -> Surroundings:
    """What a pixel's result depends on."""
    discs = math.ceil(ladder(options.max_radius)[-1]) + DRBOKEH_TAIL + 1
    return Surroundings(discs + LAYERING_REACH)


def composite(
    scene: Sequence[SceneLayer],
    span: Tensor,
    aperture: Aperture,
    kernel: Kernel,
    on_progress: OnProgress | None = None,
    view: View | None = None,
) -> Tensor:
    """Blur layers and lay them over each other: `Σ cᵢ oᵢ Π (1 - oⱼ)` over all j in front of i.

    Args:
        scene: layers from the front, one picture each.
        span: the bokeh level K in px that makes blur radii a disparity, as a tensor.
        aperture, kernel, on_progress, view: as in `render_drbokeh` and `DrBokehOptions`.

    Returns:
        Linear light `[1,C,H,W]`; black where no layer covers it.
    """
    disc = (
        BlurDisc(aperture, edge="linear", weighting="energy")
        if kernel == "lens"
        else BlurDisc(aperture, edge="drbokeh", weighting="drbokeh")
    )
    total = torch.zeros_like(scene[0].color)
    uncovered = torch.ones_like(scene[0].alpha)
    for index, layer in enumerate(scene):
        report = part_of(on_progress, index, len(scene))
        layers = Layers.for_defocus(disc, layer.defocus, report, view)
        spread = partial(_spread, defocus=layer.defocus, span=span, layers=layers)
        blurred = _as_lens(layer, spread) if kernel == "lens" else _as_published(layer, spread)
        total = total + uncovered * blurred.color
        uncovered = uncovered * (1.0 - blurred.alpha)
    return total


def _as_lens(layer: SceneLayer, spread: Callable[[Tensor], Tensor]) -> SceneLayer:
    """What the lens sees of a layer: at its edge, as much as the discs of its pixels cover."""
    own = torch.cat([layer.color, layer.alpha], 1)
    is_opaque = not layer.alpha.requires_grad and bool((layer.alpha == 1).all())
    # The last channel is the whole plane, of which the opacity is a part.
    sums = spread(own if is_opaque else torch.cat([own, torch.ones_like(layer.alpha)], 1))
    part, whole = sums[:, : own.shape[1]].clamp(min=0.0), sums[:, -1:]
    is_reached = whole > LEAST_WEIGHT
    seen = torch.where(is_reached, part / torch.where(is_reached, whole, 1.0), own)
    return replace(layer, color=seen[:, :-1], alpha=seen[:, -1:].clamp(max=1.0))


def _as_published(layer: SceneLayer, spread: Callable[[Tensor], Tensor]) -> SceneLayer:
    """Mean colour of the discs, as opaque as the layer is in a box of half the disc's size."""
    sums = spread(torch.cat([layer.color, layer.alpha], 1)).clamp(min=0.0)
    opacity = box_opacity(layer.alpha, layer.defocus)
    return replace(layer, color=sums[:, :-1] / (sums[:, -1:] + 1e-8) * opacity, alpha=opacity)


def _spread(source: Tensor, defocus: Tensor, span: Tensor, layers: Layers) -> Tensor:
    """Scatter `[1,C,H,W]`; onto targets in focus, only what is nearer, and themselves."""
    report = layers.on_progress
    everywhere = scatter(source, defocus, replace(layers, on_progress=part_of(report, 0, 2)))
    if not bool((defocus.detach().abs() < FOCUS_REACH).any()):
        return everywhere
    disparity = defocus / span
    nearer = 0.5 + 0.5 * torch.tanh(OCCLUSION_SHARPNESS * (disparity - OCCLUSION_OFFSET))
    in_front = scatter(source * nearer, defocus, replace(layers, on_progress=part_of(report, 1, 2)))
    themselves = _center_weight(defocus, layers) * (1.0 - nearer) * source
    is_in_focus = torch.exp(-FOCUS_FALLOFF * defocus.square())
    return torch.lerp(everywhere, in_front + themselves, is_in_focus)


def _center_weight(defocus: Tensor, layers: Layers) -> Tensor:
    """How much of its light a pixel near the focus leaves on itself, as `scatter` has it."""
    discs = [layers.disc.draw(radius) for radius in layers.radii if radius < FOCUS_REACH + 1.0]
    weights = torch.stack([disc[disc.shape[0] // 2, disc.shape[1] // 2] for disc in discs])
    weights = F.pad(weights.to(defocus)[None, None], (0, 1), mode="replicate")[0, 0]
    place = layers.position(-defocus.abs()).clamp(max=len(discs) - 1)
    below = place.detach().long()
    return torch.lerp(weights[below], weights[below + 1], place - below)


def box_opacity(alpha: Tensor, defocus: Tensor) -> Tensor:
    """Mean opacity in the square around each pixel that reaches `⌊(r + 1) / 2⌋` px.

    Args:
        alpha: `[1,1,H,W]`.
        defocus: signed blur radius `[1,1,H,W]`, px.
    """
    height, width = alpha.shape[-2:]
    table = F.pad(alpha[0, 0].double().cumsum(0).cumsum(1), (1, 0, 1, 0))  # [H+1,W+1]
    reach = ((defocus[0, 0].detach().abs() + 1.0) / 2.0).long()
    row = torch.arange(height, device=alpha.device)[:, None]
    column = torch.arange(width, device=alpha.device)[None, :]
    top, bottom = (row - reach).clamp(min=0), (row + reach + 1).clamp(max=height)
    left, right = (column - reach).clamp(min=0), (column + reach + 1).clamp(max=width)
    sums = table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left]
    return (sums / ((bottom - top) * (right - left))).clamp(0.0, 1.0).to(alpha)[None, None]


def _scene(
    image: Tensor, defocus: Tensor, whole: PreparedDrBokeh, view: View | None
) -> Sequence[SceneLayer]:
    """The layers of what is at hand, on its device."""
    options = whole.options
    if options.scene is not None:
        return [_changed(layer, lambda maps: maps.to(image)) for layer in options.scene]
    assert whole.plan is not None
    mask = None if options.foreground is None else options.foreground.to(image)
    background = None if options.background is None else options.background.to(image)
    if background is not None and not options.linear:
        background = srgb_to_linear(background)
    return layers_of(image, defocus, whole.plan, mask, background, view)


def _widest(maps: Sequence[Tensor]) -> float:
    """The largest blur radius of several defocus maps, px."""
    return max(float(each.detach().abs().amax()) for each in maps)


def _span(maps: Sequence[Tensor]) -> Tensor:
    """From the least to the largest blur radius, at least 1 px."""
    largest = torch.stack([defocus.amax() for defocus in maps]).amax()
    least = torch.stack([defocus.amin() for defocus in maps]).amin()
    return (largest - least).clamp(min=1.0)


def _changed(layer: SceneLayer, change: Callable[[Tensor], Tensor]) -> SceneLayer:
    return SceneLayer(change(layer.color), change(layer.alpha), change(layer.defocus))
