"""FLUX' autoencoder between pixels and latents, from a file or folder."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import MissingDependencyError
from ..layout import Findings
from ..lending import lent
from .original import autoencoder_in
from .reading import findings_between, fitted, other_model, read_weights
from .stored import fill, true_shape

ADVICE = "Give FLUX' autoencoder, such as ae.safetensors."
# Latents as the transformer takes them are (latent − SHIFT) · SCALE.
SHIFT, SCALE = 0.1159, 0.3611
GROUPS = 32
# Pictures with a longer side are worked on in tiles of this size, px, a quarter of it overlapping.
TILE = 1024
# Feature maps of the highest resolution, with the copies that a residual block makes of them.
CHANNELS_AT_ONCE = 128 * 6
_BLOCK = re.compile(r"^encoder\.down_blocks\.(\d+)\.resnets\.(\d+)\.conv1\.weight$")


@dataclass(frozen=True, eq=False)
class FluxAutoencoder:
    """diffusers' `AutoencoderKL`, on its device only while it computes.

    Args:
        network: the autoencoder.
        device: where it computes.
        dtype: in which type.
    """

    network: Any
    device: torch.device
    dtype: torch.dtype

    @torch.no_grad()
    def encode(self, pixels: Tensor, generator: torch.Generator | None) -> Tensor:
        """Latents `[B,C,H/8,W/8]` of pixels `[B,3,H,W]` in -1..1; their means without generator."""
        with self._lent(pixels.shape[-2:]):
            latents = [
                self._encoded(picture[None].to(self.device, self.dtype), generator)
                for picture in pixels
            ]
        return (torch.cat(latents) - SHIFT) * SCALE

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Pixels of latents."""
        height, width = latents.shape[-2:]
        with self._lent(torch.Size((8 * height, 8 * width))):
            given = latents.to(self.device, torch.float32) / SCALE + SHIFT
            pixels = [self.network.decode(one[None].to(self.dtype)).sample for one in given]
        return torch.cat(pixels).float()

    def _encoded(self, picture: Tensor, generator: torch.Generator | None) -> Tensor:
        distribution = self.network.encode(picture).latent_dist
        mean = distribution.mean.float()
        if generator is None:
            return mean
        noise = torch.randn(mean.shape, generator=generator, device=generator.device)
        return mean + distribution.std.float() * noise.to(mean)

    def _lent(self, size: torch.Size) -> AbstractContextManager[None]:
        height, width = (min(side, TILE) for side in size)
        return lent(
            self.network, self.device, CHANNELS_AT_ONCE * height * width * self.dtype.itemsize
        )


def load_autoencoder(path: Path, dtype: torch.dtype) -> nn.Module:
    """diffusers' `AutoencoderKL` on the CPU.

    Args:
        path: `.safetensors` in diffusers' or the original names, alone or among other models; or
            diffusers' folder.
        dtype: that it computes in.

    Raises:
        FileError: the file is missing, damaged, or of another model.
        MissingDependencyError: without the libraries of the extra "diffusion".
    """
    state = _autoencoder_state(path)
    network: Any = fitted(path, state, lambda: _made(path, state), "FLUX' autoencoder", ADVICE)
    fill(network, state, dtype)
    network.enable_tiling()
    return network


def check_autoencoder(path: Path) -> Findings:
    """What does not fit in a file or folder of FLUX' autoencoder."""
    state = _autoencoder_state(path)
    with torch.device("meta"):
        return findings_between(state, _made(path, state))


def has_autoencoder(path: Path) -> bool:
    """Whether a file holds an autoencoder, perhaps beside other models."""
    return path.suffix.lower() == ".safetensors" and autoencoder_in(read_weights(path)) is not None


def _autoencoder_state(path: Path) -> dict[str, Tensor]:
    own = path / "vae" if (path / "vae").is_dir() else path
    everything = read_weights(own)
    state = autoencoder_in(everything)
    # Four times the channels of older latents.
    if state is None or "quant_conv.weight" in state:
        raise other_model(own, everything, "FLUX' autoencoder", ADVICE)
    return state


def _config(state: dict[str, Tensor]) -> dict[str, Any]:
    """diffusers' configuration, from the shapes alone."""
    widths: dict[int, int] = {}
    blocks = 1
    for name, tensor in state.items():
        match = _BLOCK.match(name)
        if match:
            widths[int(match[1])] = len(tensor)
            blocks = max(blocks, int(match[2]) + 1)
    levels = len(widths) or 1
    decoder = state.get("decoder.conv_in.weight")
    return {
        "block_out_channels": [widths.get(level, GROUPS) for level in range(levels)],
        "layers_per_block": blocks,
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "latent_channels": 16 if decoder is None else true_shape(decoder)[1],
        "norm_num_groups": GROUPS,
        "sample_size": TILE,
        "use_quant_conv": False,
        "use_post_quant_conv": False,
    }


def _made(path: Path, state: dict[str, Tensor]) -> Any:
    try:
        from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    except ImportError as error:
        raise MissingDependencyError(
            str(path),
            "an autoencoder, and the library diffusers is not installed",
            "Run `pip install focuspuller[diffusion]`.",
        ) from error
    return AutoencoderKL(**_config(state))
