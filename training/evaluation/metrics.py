"""All metrics by name: what they compare, which way is better, and what they need.

Pictures reach a metric coded as a screen shows them, `[1,3,H,W]`, 0..1, without the margin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import InputError
from ...models.lending import lent
from .blur import blur_monotonicity, level_correlation, light_monotonicity
from .consistency import content_consistency
from .fidelity import mean_absolute_error, psnr, ssim
from .frechet import frechet_distance

# "pair": (picture, target) to a figure. "single": (picture) to a figure. "series": (pictures of a
# scene, their levels) to a figure. "set": (picture) to features `[D]`, compared as a whole.
Kind = Literal["pair", "single", "series", "set"]
Measure = Callable[..., Any]

# Px below which the last features of the networks are empty.
LEAST_SIDE = 32


@dataclass(frozen=True)
class Metric:
    """A figure of merit.

    Args:
        name: on the command line.
        title: in tables.
        kind: what it compares.
        higher_is_better: or lower.
        make: what measures, on a device. Raises FileError where weights are missing, and
            MissingDependencyError where a library is.
        summary: one line, with the source.
        digits: after the point.
        least: how many pictures a series or set needs.
    """

    name: str
    title: str
    kind: Kind
    higher_is_better: bool
    make: Callable[[torch.device], Measure]
    summary: str
    digits: int = 4
    least: int = 1

    @property
    def arrow(self) -> str:
        """Which way is better."""
        return "↑" if self.higher_is_better else "↓"


def _always(measure: Measure) -> Callable[[torch.device], Measure]:
    """A metric that needs nothing."""
    return lambda device: measure


def _for_network(picture: Tensor, device: torch.device) -> Tensor:
    """Clipped, on the device.

    Raises:
        InputError: it is too small for convolutional networks.
    """
    if min(picture.shape[-2:]) < LEAST_SIDE:
        received = f"{picture.shape[-1]}×{picture.shape[-2]} px without the margin"
        raise InputError("picture", received, f"Networks need {LEAST_SIDE} px or more.")
    return picture.clamp(0, 1).float().to(device)


def _judged(
    load: Callable[[], nn.Module],
    device: torch.device,
    judge: Callable[..., Tensor] = nn.Module.__call__,
) -> Callable[..., Tensor]:
    """What a network says of one picture, or of a picture and its target, on the CPU.

    Args:
        load: the network.
        device: where it computes.
        judge: how it is asked: of network and pictures; by default by calling it with them.
    """
    network = load()

    def measure(*pictures: Tensor) -> Tensor:
        with torch.no_grad(), lent(network, device):
            return judge(network, *(_for_network(one, device) for one in pictures)).cpu()

    return measure


def _lpips(backbone: Any, device: torch.device) -> Measure:
    from ...models.perceptual.handle import lpips

    return _judged(partial(lpips, backbone), device)


def _dists(device: torch.device) -> Measure:
    from ...models.perceptual.handle import dists

    return _judged(dists, device)


def _lpips_of_neighbours(device: torch.device) -> Measure:
    """Mean LPIPS of neighbours in a series."""
    distance = _lpips("alex", device)

    def measure(pictures: Sequence[Tensor], levels: Sequence[float]) -> float:
        del levels
        return float(np.mean([float(distance(one, other)) for one, other in pairwise(pictures)]))

    return measure


def _inception_features(device: torch.device) -> Measure:
    from ...models.perceptual.handle import fid_inception

    features = _judged(fid_inception, device)
    return lambda picture: features(picture)[0].double().numpy()


def _clip_likeness(device: torch.device) -> Measure:
    from ...models.perceptual.clip import clip_features, clip_vision

    def likeness(network: nn.Module, picture: Tensor, target: Tensor) -> Tensor:
        return torch.cosine_similarity(
            clip_features(network, picture), clip_features(network, target)
        )

    return _judged(clip_vision, device, likeness)


def _clip_quality(device: torch.device) -> Measure:
    from ...models.perceptual.clip_iqa import clip_iqa, quality

    return _judged(clip_iqa, device, quality)


def _maniqa(device: torch.device) -> Measure:
    from ...models.perceptual.maniqa import maniqa

    return _judged(maniqa, device)


def _musiq(device: torch.device) -> Measure:
    from ...models.perceptual.musiq import musiq

    return _judged(musiq, device)


def _content_consistency(device: torch.device) -> Measure:
    from ...models.perceptual.segmentation import segmenter, top_classes

    classes = _judged(segmenter, device, top_classes)

    def measure(pictures: Sequence[Tensor], levels: Sequence[float]) -> float:
        del levels
        return content_consistency([classes(one) for one in pictures])

    return measure


METRICS = {
    metric.name: metric
    for metric in (
        Metric("psnr", "PSNR", "pair", True, _always(psnr), "peak signal-to-noise ratio in dB", 2),
        Metric("ssim", "SSIM", "pair", True, _always(ssim), "structural similarity (Wang et al.)"),
        Metric(
            "mae", "MAE", "pair", False, _always(mean_absolute_error), "mean absolute error, 0..1"
        ),
        Metric(
            "lpips",
            "LPIPS",
            "pair",
            False,
            partial(_lpips, "alex"),
            "perceptual distance on AlexNet, version 0.1 (Zhang et al.)",
        ),
        Metric(
            "lpips-vgg",
            "LPIPS (VGG)",
            "pair",
            False,
            partial(_lpips, "vgg"),
            "the same on VGG16, as BokehDiff trains with",
        ),
        Metric(
            "dists",
            "DISTS",
            "pair",
            False,
            _dists,
            "distance in structure and texture (Ding et al.)",
        ),
        Metric(
            "clip-i",
            "CLIP-I",
            "pair",
            True,
            _clip_likeness,
            "cosine of the CLIP ViT-L/14 embeddings of two pictures (Ruiz et al.)",
        ),
        Metric(
            "clip-iqa",
            "CLIP-IQA",
            "single",
            True,
            _clip_quality,
            "how much CLIP RN50 takes it for a good photo, 0..1 (Wang et al.)",
        ),
        Metric(
            "maniqa",
            "MANIQA",
            "single",
            True,
            _maniqa,
            "opinion score 0..1 as on KonIQ-10k (Yang et al.)",
        ),
        Metric(
            "musiq",
            "MUSIQ",
            "single",
            True,
            _musiq,
            "opinion score 0..100 as on KonIQ-10k (Ke et al.)",
            2,
        ),
        Metric(
            "blur-monotonicity",
            "Blur Monotonicity",
            "series",
            True,
            _always(lambda pictures, levels: blur_monotonicity(pictures)),
            "% of steps to a smaller aperture that sharpen (Fine-grained Defocus 4.1)",
            2,
            least=2,
        ),
        Metric(
            "light-monotonicity",
            "Blur Monotonicity (light)",
            "series",
            True,
            _always(lambda pictures, levels: light_monotonicity(pictures)),
            "the same of linear light, for systems that blur light as lenses do",
            2,
            least=2,
        ),
        Metric(
            "content-consistency",
            "Content Consistency",
            "series",
            True,
            _content_consistency,
            "% of pixels that keep a semantic class (Fine-grained Defocus 4.1, F.2)",
            2,
            least=2,
        ),
        Metric(
            "lpips-neighbours",
            "LPIPS of neighbours",
            "series",
            False,
            _lpips_of_neighbours,
            "mean LPIPS of adjacent apertures (Fine-grained Defocus 4.1)",
            least=2,
        ),
        Metric(
            "lvcorr",
            "LVCorr",
            "series",
            True,
            _always(level_correlation),
            "how evenly blur grows with the bokeh level (DiffCamera 4.2)",
            least=3,
        ),
        Metric(
            "fid",
            "FID",
            "set",
            False,
            _inception_features,
            "Fréchet inception distance to a folder of pictures (Heusel et al.)",
            2,
            least=2,
        ),
    )
}


def metric_called(name: str) -> Metric:
    """A metric.

    Raises:
        InputError: there is none of that name.
    """
    if name not in METRICS:
        raise InputError("metric", repr(name), f"Give one of {', '.join(METRICS)}.")
    return METRICS[name]


# What compares the features of a set of pictures with those of a reference.
COMBINED = {"fid": frechet_distance}
