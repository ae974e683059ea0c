"""DeblurNet, BokehNet, the chain of both, and DiffCamera as systems."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ...lens.color import displayed, linear_to_srgb, srgb_to_linear
from ...lens.defocus import defocus_from_bokeh_level
from ...lens.depth import Depth
from ...lens.focus import Focus
from ...lens.optics import relative_bokeh_level
from ...models.depth.handle import depth_weights_path, open_depth_estimator
from ...models.flux.networks import STEPS, Kind
from ...models.flux.published import (
    DIFFCAMERA,
    GENFOCUS_BOKEH,
    GENFOCUS_DEBLUR,
    GENFOCUS_PRE_DEBLUR,
)
from ...models.flux_base.files import base_files
from ...models.flux_base.loading import PRECISIONS
from ...models.loaded import stamp_of
from ...models.places import located
from ...models.refocus.bokeh import render_bokeh
from ...models.refocus.deblur import deblur
from ...models.refocus.diffcamera import refocus
from ...models.refocus.loading import open_model
from ...models.refocus.memory import digest
from ...models.refocus.model import RefocusModel
from ...models.refocus.photo import Estimate, refocus_photo
from ...models.refocus.sampling import Sampling
from ..data.simulate.scene import point_in_focus
from .pictures import picture_in
from .scene import Request
from .system import Maker, System

FAMILY = "flux"
CENTRE = (0.5, 0.5)


@dataclass(frozen=True)
class FluxSettings:
    """FLUX.1-dev and how pictures are made, as `focuspuller refocus` takes them.

    Args:
        base, autoencoder, clip, t5, tokenizers, prompts: files and folders; looked for if None.
        precision: what it computes in; as the device is if None.
        save_memory: two blocks on the device at a time.
        steps: of denoising.
        seed: of the noise.
        tile: make pictures above 512×512 px of overlapping tiles.
        tiles_at_once: in one pass of the model.
        refresh_every: let conditions follow the picture in every n-th step only.
        keep_colors: take the autoencoder's drift of colours out.
    """

    base: str | None = None
    autoencoder: str | None = None
    clip: str | None = None
    t5: str | None = None
    tokenizers: str | None = None
    prompts: str | None = None
    precision: Literal["bfloat16", "float16", "float32"] | None = None
    save_memory: bool = False
    steps: int = STEPS
    seed: int = 0
    tile: bool = True
    tiles_at_once: int = 1
    refresh_every: int = 1
    keep_colors: bool = True

    @property
    def sampling(self) -> Sampling:
        """For the functions that make pictures."""
        return Sampling(
            self.steps,
            self.seed,
            tile=self.tile,
            tiles_at_once=self.tiles_at_once,
            refresh_every=self.refresh_every,
        )


@dataclass(frozen=True)
class DeblurSettings(FluxSettings):
    """DeblurNet's.

    Args:
        deblur_adapter: its file; the published one is looked for if None.
        pre_deblurred: folder with a conservative restoration of each picture, `SCENE/SHOT.png` or
            `SCENE.png`, for the variant that was trained with one.
    """

    deblur_adapter: str | None = None
    pre_deblurred: str | None = None


@dataclass(frozen=True)
class BokehSettings(FluxSettings):
    """BokehNet's.

    Args:
        bokeh_adapter: its file; the published one is looked for if None.
        keep_in_focus: keep the sharp picture's own pixels where nothing is blurred.
    """

    bokeh_adapter: str | None = None
    keep_in_focus: bool = True


@dataclass(frozen=True)
class ChainSettings(BokehSettings):
    """Those of both networks, and of the depth between them.

    Args:
        deblur_adapter: DeblurNet's file; the published one is looked for if None.
        deblur: false: BokehNet gets the picture as it is.
        depth_model: network that estimates depth from what DeblurNet has made, a name or a file;
            its disparity is scaled and shifted to the data's, in whose unit focus and level are.
            None: the data's depth.
    """

    deblur_adapter: str | None = None
    deblur: bool = True
    depth_model: str | None = None


@dataclass(frozen=True)
class DiffCameraSettings(FluxSettings):
    """DiffCamera's.

    Args:
        diffcamera_adapter: its file; looked for if None.
        use_depth: show it the depth; without, it goes by the picture alone.
    """

    diffcamera_adapter: str | None = None
    use_depth: bool = True


def deblurnet(device: torch.device, settings: DeblurSettings) -> Maker:
    """Any picture, sharp."""
    folder = None if settings.pre_deblurred is None else Path(settings.pre_deblurred)
    kinds = (GENFOCUS_DEBLUR, GENFOCUS_PRE_DEBLUR)
    chosen = located(kinds if folder is None else kinds[::-1], settings.deblur_adapter)
    model = _Model(device, settings, deblur=chosen)

    def make(request: Request) -> Tensor:
        restored = None if folder is None else linear_to_srgb(picture_in(folder, request, True))
        made = deblur(
            model().base,
            model().adapter(Kind.DEBLUR, Kind.PRE_DEBLUR),
            _coded(request.image),
            restored,
            settings.sampling,
            settings.keep_colors,
        )
        return srgb_to_linear(made)

    return make


def bokehnet(device: torch.device, settings: BokehSettings) -> Maker:
    """A sharp picture, blurred."""
    model = _Model(device, settings, bokeh=located(GENFOCUS_BOKEH, settings.bokeh_adapter))

    def make(request: Request) -> Tensor:
        depth, focus = request.geometry("BokehNet")
        made = render_bokeh(
            model().base,
            model().adapter(Kind.BOKEH),
            _coded(request.image),
            defocus_from_bokeh_level(depth, focus, request.level),
            sampling=settings.sampling,
            keep_in_focus=settings.keep_in_focus,
            keep_colors=settings.keep_colors,
        )
        return srgb_to_linear(made)

    return make


def genrefocus(device: torch.device, settings: ChainSettings) -> Maker:
    """Any picture, made sharp and then blurred."""
    network = None if settings.depth_model is None else depth_weights_path(settings.depth_model)
    adapters = {"bokeh": located(GENFOCUS_BOKEH, settings.bokeh_adapter)}
    if settings.deblur:
        kinds = (GENFOCUS_DEBLUR, GENFOCUS_PRE_DEBLUR)
        adapters["deblur"] = located(kinds, settings.deblur_adapter)
    model = _Model(device, settings, **adapters)

    def make(request: Request) -> Tensor:
        depth, focus = request.geometry("Generative Refocusing")
        scene = depth if network is None else _estimate(network, device, depth)
        made = refocus_photo(
            model(),
            _coded(request.image),
            lambda _: focus,
            request.level,
            scene,
            is_sharp=not settings.deblur,
            sampling=settings.sampling,
            keep_in_focus=settings.keep_in_focus,
            keep_colors=settings.keep_colors,
        )
        return srgb_to_linear(made.picture)

    return make


def diffcamera(device: torch.device, settings: DiffCameraSettings) -> Maker:
    """Any picture with any focus and level; level 0 makes it sharp (figure 4)."""
    chosen = located(DIFFCAMERA, settings.diffcamera_adapter)
    model = _Model(device, settings, diffcamera=chosen)

    def make(request: Request) -> Tensor:
        point, level = CENTRE, 0.0
        if request.task != "deblur":
            point, level = _camera(*request.geometry("DiffCamera"), request.level)
        made = refocus(
            model().base,
            model().adapter(Kind.DIFFCAMERA),
            _coded(request.image),
            point,
            level,
            request.depth if settings.use_depth else None,
            settings.sampling,
            settings.keep_colors,
        )
        return srgb_to_linear(made)

    return make


def _camera(depth: Depth, focus: Focus, level: float) -> tuple[tuple[float, float], float]:
    """A point in focus, or next to it, and the bokeh level over the range of disparities."""
    plane = float(focus.plane[0])
    if point_in_focus(depth, plane, 0.5) is None:
        flat = depth.disparity.flatten()
        plane = float(flat[(flat - plane).abs().argmin()])
    point = point_in_focus(depth, plane, 0.5)
    assert point is not None
    low, high = torch.aminmax(depth.disparity)
    return point, float(relative_bokeh_level(level, high, low))


class _Model:
    """The model, loaded at its first use. Its files are looked for at once.

    Args:
        device: where it computes.
        settings: its files.
        adapters: files by slot.
    """

    def __init__(self, device: torch.device, settings: FluxSettings, **adapters: Path) -> None:
        parts = (settings.base, settings.autoencoder, settings.clip, settings.t5)
        self._files = base_files(*parts, settings.tokenizers, settings.prompts)
        self._device, self._settings, self._adapters = device, settings, adapters
        self._loaded: RefocusModel | None = None

    def __call__(self) -> RefocusModel:
        if self._loaded is None:
            precision = self._settings.precision
            self._loaded = open_model(
                self._files,
                self._adapters,
                self._device,
                None if precision is None else PRECISIONS[precision],
                self._settings.save_memory,
            )
        return self._loaded


def _coded(light: Tensor) -> Tensor:
    return displayed(light)


def _estimate(network: Path, device: torch.device, known: Depth) -> Estimate:
    def estimate(pictures: Tensor) -> Depth:
        estimated = open_depth_estimator(network, device).estimate(pictures, None, device)
        return _in_unit_of(known, estimated.resized(*known.size))

    return Estimate(estimate, (network, stamp_of(network), digest(known.disparity)))


def _in_unit_of(known: Depth, estimated: Depth) -> Depth:
    """Estimated disparity, scaled and shifted to fit known one best (least squares)."""
    found, wanted = estimated.disparity.double().cpu(), known.disparity.double().cpu()
    centred = found - found.mean()
    slope = (centred * wanted).sum() / centred.square().sum().clamp(min=1e-12)
    fitted = slope * centred + wanted.mean()
    return Depth(fitted.clamp(min=0.0).float(), known.is_metric)


FLUX_SYSTEMS = (
    System(
        "deblurnet",
        ("deblur",),
        deblurnet,
        "DeblurNet of Generative Refocusing",
        is_fixed=True,
        settings=DeblurSettings(),
        family=FAMILY,
    ),
    System(
        "bokehnet",
        ("bokeh",),
        bokehnet,
        "BokehNet of Generative Refocusing",
        settings=BokehSettings(),
        family=FAMILY,
    ),
    System(
        "genrefocus",
        ("refocus",),
        genrefocus,
        "Generative Refocusing: DeblurNet, depth, BokehNet",
        settings=ChainSettings(),
        family=FAMILY,
    ),
    System(
        "diffcamera",
        ("bokeh", "refocus", "deblur"),
        diffcamera,
        "DiffCamera",
        settings=DiffCameraSettings(),
        family=FAMILY,
    ),
)
