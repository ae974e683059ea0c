"""Scenes from datasets of photographs: sharp and blurred pictures of one view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path

import torch
from torch import Tensor

from ...errors import FileError
from ...lens.color import linear_to_srgb, luminance, srgb_to_linear
from ...lens.depth import Depth
from ...lens.focus import Focus, focus_on_mask
from ...photo.depth_files import DEPTH_SUFFIXES, load_depth
from ..data.readers.catalog import open_dataset
from ..data.records import Pair, Picture, records_of
from .benchmark import Options
from .scene import Scene, SceneFile, Shot

# Bokeh levels of a series that shows whether blur follows them, px at this longest edge, for
# relative disparity.
SERIES_LEVELS = (5.0, 10.0, 15.0, 20.0)
SERIES_EDGE = 512
# Pixels that tell where the focus is: the strongest edges of the sharp picture, as a share, and
# how much of their gradient must be left in the blurred one.
EDGE_SHARE = 0.1
LEAST_LEFT = 0.8


@dataclass(frozen=True)
class Dataset:
    """A dataset and how a benchmark uses it.

    Args:
        layout: of `training.data.readers`.
        split: of it.
        aligns_exposure: scale the sharp picture to the mean of the blurred one, channel by
            channel, as BokehDiff does for EBB!.
        has_series: ask for a series of bokeh levels, too.
        crop: edge in px of a square from the middle; None for all of the picture.
    """

    layout: str
    split: str
    aligns_exposure: bool = False
    has_series: bool = False
    crop: int | None = None


def deblur_files(dataset: Dataset, options: Options) -> list[SceneFile]:
    """Blurred to sharp."""
    return [
        SceneFile(plain(pair.name), partial(_deblur_scene, pair, dataset))
        for pair in _pairs(dataset, options)
    ]


def bokeh_files(dataset: Dataset, options: Options) -> list[SceneFile]:
    """Sharp to blurred, one scene for each photograph."""
    return [
        SceneFile(plain(pair.name), partial(_bokeh_scene, pair, dataset, options.depth))
        for pair in _pairs(dataset, options)
    ]


def refocus_files(dataset: Dataset, options: Options) -> list[SceneFile]:
    """From each photograph of a view to the next and to the one before, in a circle."""
    found = []
    for _, group in groupby(_pairs(dataset, options), key=lambda pair: pair.scene):
        several = list(group)
        steps = (1, -1) if len(several) > 2 else (1,)
        for index, source in enumerate(several if len(several) > 1 else []):
            for step in steps:
                target = several[(index + step) % len(several)]
                name = f"{plain(source.name)}_to_{plain(target.name)}"
                load = partial(_refocus_scene, name, source, target, dataset, options.depth)
                found.append(SceneFile(name, load))
    if not found:
        raise FileError(
            str(options.folder),
            "no view with two photographs",
            "Put several of one view into bokeh/NAME/.",
        )
    return found


def plain(name: str) -> str:
    """A name without folders, fit for a file."""
    return name.replace("/", "_")


def light_of(picture: Picture) -> Tensor:
    """Linear light `[1,3,H,W]`."""
    return srgb_to_linear(picture.image()[None])


def depth_beside(name: str, folder: Path | None) -> Depth | None:
    """The depth map of a picture in a folder of them; None without a folder.

    Raises:
        FileError: the folder lacks it.
    """
    if folder is None:
        return None
    candidates = [folder / f"{name}{suffix}" for suffix in DEPTH_SUFFIXES]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise FileError(str(folder), f"no depth map of {name}", f"Add {name}.npy or another kind.")
    return load_depth(found)


def focus_from_sharpness(sharp: Tensor, blurred: Tensor, depth: Depth) -> Focus:
    """The plane whose edges the blurred picture has kept.

    Works where the two pictures are shifted a little, too: gradients are compared over 5×5 px.

    Args:
        sharp, blurred: linear light `[1,3,H,W]`.
        depth: of their size.
    """
    before, after = (_edge_strength(picture) for picture in (sharp, blurred))
    strong = before >= quantile(before, 1.0 - EDGE_SHARE)
    kept = after / before.clamp(min=1e-6)
    # At least the edges that kept most.
    least = min(LEAST_LEFT, float(quantile(kept[strong], 0.9)))
    chosen = strong & (kept >= least)
    return Focus.at_disparity(depth.disparity[chosen].median(), depth.is_metric)


def quantile(values: Tensor, share: float) -> Tensor:
    """The value below which a share of the values lies; PyTorch's own takes no large pictures."""
    flat = values.flatten()
    return flat.kthvalue(1 + round(share * (flat.numel() - 1))).values


def _edge_strength(light: Tensor) -> Tensor:
    grey = luminance(linear_to_srgb(light.clamp(0, 1)))
    across = torch.zeros_like(grey)
    across[..., :, 1:] += (grey[..., :, 1:] - grey[..., :, :-1]).abs()
    across[..., 1:, :] += (grey[..., 1:, :] - grey[..., :-1, :]).abs()
    return torch.nn.functional.max_pool2d(across, 5, stride=1, padding=2)


def series_shots(scene_size: Sequence[int], depth: Depth | None) -> tuple[Shot, ...]:
    """Shots at `SERIES_LEVELS`, without targets."""
    if depth is None:
        return ()
    low, high = torch.aminmax(depth.disparity)
    span = float(high - low) if depth.is_metric else 1.0
    scale = max(scene_size) / SERIES_EDGE / max(span, 1e-9)
    return tuple(Shot(f"level{level:g}", level=level * scale) for level in SERIES_LEVELS)


def _pairs(dataset: Dataset, options: Options) -> list[Pair]:
    source = open_dataset(dataset.layout, options.folder, dataset.split)
    pairs = list(records_of(source))
    incomplete = [pair for pair in pairs if pair.all_in_focus is None or pair.bokeh is None]
    if incomplete:
        raise FileError(
            str(options.folder),
            f"{incomplete[0].name} without its sharp or its blurred picture",
            "Give both, all_in_focus/ and bokeh/.",
        )
    return pairs


def _pictures(pair: Pair, dataset: Dataset) -> tuple[Tensor, Tensor]:
    """Sharp and blurred, linear light, of one size."""
    assert pair.all_in_focus is not None
    assert pair.bokeh is not None
    sharp, blurred = (light_of(picture) for picture in (pair.all_in_focus, pair.bokeh))
    if sharp.shape != blurred.shape:
        sizes = " and ".join(
            f"{picture.shape[-1]}×{picture.shape[-2]}" for picture in (sharp, blurred)
        )
        raise FileError(
            str(pair.bokeh.place), f"pictures of {sizes} px", "Both must have the same size."
        )
    return _cropped(sharp, dataset.crop), _cropped(blurred, dataset.crop)


def _cropped(picture: Tensor, edge: int | None) -> Tensor:
    if edge is None:
        return picture
    height, width = picture.shape[-2:]
    rows, columns = min(edge, height), min(edge, width)
    top, left = (height - rows) // 2, (width - columns) // 2
    return picture[..., top : top + rows, left : left + columns].contiguous()


def _deblur_scene(pair: Pair, dataset: Dataset) -> Scene:
    sharp, blurred = _pictures(pair, dataset)
    return Scene(plain(pair.name), blurred, (Shot("sharp", sharp),))


def _bokeh_scene(pair: Pair, dataset: Dataset, depth_folder: Path | None) -> Scene:
    sharp, blurred = _pictures(pair, dataset)
    if dataset.aligns_exposure:
        sharp = _with_mean_of(sharp, blurred)
    depth, focus = _geometry(pair, sharp, blurred, depth_folder)
    shots = (Shot("bokeh", blurred),)
    if dataset.has_series:
        shots += series_shots(sharp.shape[-2:], depth)
    return Scene(plain(pair.name), sharp, shots, depth, focus)


def _refocus_scene(
    name: str, source: Pair, target: Pair, dataset: Dataset, depth_folder: Path | None
) -> Scene:
    sharp, wanted = _pictures(target, dataset)
    _, given = _pictures(source, dataset)
    depth, focus = _geometry(replace(target, mask=None), sharp, wanted, depth_folder)
    return Scene(name, given, (Shot("refocused", wanted),), depth, focus)


def _geometry(
    pair: Pair, sharp: Tensor, blurred: Tensor, depth_folder: Path | None
) -> tuple[Depth | None, Focus | None]:
    """Depth and focus of a photograph, as far as they are known."""
    stem = Path(pair.name).name
    depth = pair.depth.depth() if pair.depth else depth_beside(stem, depth_folder)
    if depth is None:
        return None, None
    depth = depth.resized(*sharp.shape[-2:])
    if pair.mask is not None:
        return depth, focus_on_mask(depth, pair.mask.grey()[None])
    if pair.blur is not None and pair.blur.is_metric == depth.is_metric:
        return depth, Focus.at_disparity(pair.blur.focus_disparity, depth.is_metric)
    return depth, focus_from_sharpness(sharp, blurred, depth)


def _with_mean_of(sharp: Tensor, blurred: Tensor) -> Tensor:
    """The sharp picture with the other's mean, of coded values."""
    coded, wanted = linear_to_srgb(sharp), linear_to_srgb(blurred)
    ratio = wanted.mean((2, 3), keepdim=True) / coded.mean((2, 3), keepdim=True).clamp(min=1e-6)
    return srgb_to_linear((coded * ratio).clamp(0, 1))
