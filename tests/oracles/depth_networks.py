"""Depth networks as their own repositories publish them: names and shapes of all parameters."""

from __future__ import annotations

from collections.abc import Sequence

from oracles.weights import weights_by_name
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]


def by_name(shapes: Shapes) -> dict[str, Tensor]:
    """Weights that follow from their names."""
    return {name: weights_by_name(name, shape) for name, shape in shapes.items()}


def dinov2(
    prefix: str, width: int, blocks: int, patch: int, side: int, gated: bool = False
) -> Shapes:
    """DINOv2 for pictures of `side` px, without its mask token."""
    shapes: Shapes = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, 1 + (side // patch) ** 2, width),
        "patch_embed.proj.weight": (width, 3, patch, patch),
        "patch_embed.proj.bias": (width,),
        **_affine("norm", width),
    }
    for index in range(blocks):
        block = f"blocks.{index}"
        shapes |= _affine(f"{block}.norm1", width) | _affine(f"{block}.norm2", width)
        shapes |= _linear(f"{block}.attn.qkv", width, 3 * width)
        shapes |= _linear(f"{block}.attn.proj", width, width)
        shapes |= {f"{block}.ls{number}.gamma": (width,) for number in (1, 2)}
        if gated:
            hidden = (int(4 * width * 2 / 3) + 7) // 8 * 8
            shapes |= _linear(f"{block}.mlp.w12", width, 2 * hidden)
            shapes |= _linear(f"{block}.mlp.w3", hidden, width)
        else:
            shapes |= _linear(f"{block}.mlp.fc1", width, 4 * width)
            shapes |= _linear(f"{block}.mlp.fc2", 4 * width, width)
    return {prefix + name: shape for name, shape in shapes.items()}


def depth_anything(
    width: int,
    blocks: int,
    features: int,
    channels: Sequence[int],
    side: int = 518,
    head: int = 32,
    gated: bool = False,
) -> Shapes:
    """Depth Anything V2: `pretrained.*` and `depth_head.*`."""
    shapes = dinov2("pretrained.", width, blocks, 14, side, gated)
    shapes["pretrained.mask_token"] = (1, width)
    scratch = "depth_head.scratch."
    for level, own in enumerate(channels):
        shapes |= _convolution(f"depth_head.projects.{level}", width, own, 1)
        shapes[f"{scratch}layer{level + 1}_rn.weight"] = (features, own, 3, 3)
        fusion = f"{scratch}refinenet{level + 1}."
        shapes |= _convolution(f"{fusion}out_conv", features, features, 1)
        for unit in (1, 2):
            for number in (1, 2):
                name = f"{fusion}resConfUnit{unit}.conv{number}"
                shapes |= _convolution(name, features, features, 3)
    for level, size in ((0, 4), (1, 2), (3, 3)):
        own = channels[level]
        shapes |= _convolution(f"depth_head.resize_layers.{level}", own, own, size)
    shapes |= _convolution(f"{scratch}output_conv1", features, features // 2, 3)
    shapes |= _convolution(f"{scratch}output_conv2.0", features // 2, head, 3)
    return shapes | _convolution(f"{scratch}output_conv2.2", head, 1, 1)


def depth_pro(
    width: int, blocks: int, features: int, channels: Sequence[int], side: int = 384
) -> Shapes:
    """Depth Pro; `channels` of its encoder from the finest level to the coarsest.

    The published network has patches of 384 px.
    """
    finest, fine, middle, coarse = channels
    shapes: Shapes = {}
    for prefix in ("encoder.patch_encoder.", "encoder.image_encoder.", "fov.encoder.0."):
        shapes |= dinov2(prefix, width, blocks, 16, side)
    # Each begins with a projection, and doubles the size with every further layer.
    for name, inner, own, doublings in (
        ("upsample_latent0", finest, features, 3),
        ("upsample_latent1", finest, finest, 2),
        ("upsample0", fine, fine, 1),
        ("upsample1", middle, middle, 1),
        ("upsample2", coarse, coarse, 1),
    ):
        shapes[f"encoder.{name}.0.weight"] = (inner, width, 1, 1)
        for layer in range(1, doublings + 1):
            shapes[f"encoder.{name}.{layer}.weight"] = (inner if layer == 1 else own, own, 2, 2)
    shapes |= _transposed("encoder.upsample_lowres", width, coarse)
    shapes |= _convolution("encoder.fuse_lowres", 2 * coarse, coarse, 1)
    for level, own in enumerate(channels, start=1):
        shapes[f"decoder.convs.{level}.weight"] = (features, own, 3, 3)
    for level in range(5):
        fusion = f"decoder.fusions.{level}."
        for unit in (1, 2):
            for layer in (1, 3):
                name = f"{fusion}resnet{unit}.residual.{layer}"
                shapes |= _convolution(name, features, features, 3)
        if level > 0:
            shapes[f"{fusion}deconv.weight"] = (features, features, 2, 2)
        shapes |= _convolution(f"{fusion}out_conv", features, features, 1)
    half = features // 2
    shapes |= _convolution("head.0", features, half, 3) | _transposed("head.1", half, half)
    shapes |= _convolution("head.2", half, 32, 3) | _convolution("head.4", 32, 1, 1)
    shapes |= _linear("fov.encoder.1", width, half) | _convolution(
        "fov.downsample.0", features, half, 3
    )
    shapes |= _convolution("fov.head.0", half, half // 2, 3)
    shapes |= _convolution("fov.head.2", half // 2, half // 4, 3)
    # As much as is left of a patch's side: 6 of the published 24.
    return shapes | _convolution("fov.head.4", half // 4, 1, (side // 16 - 1) // 4 + 1)


def _affine(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _linear(name: str, inputs: int, outputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _convolution(name: str, inputs: int, outputs: int, size: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs, size, size), f"{name}.bias": (outputs,)}


def _transposed(name: str, inputs: int, outputs: int) -> Shapes:
    return {f"{name}.weight": (inputs, outputs, 2, 2), f"{name}.bias": (outputs,)}


TINY_DEPTH_ANYTHING = depth_anything(64, 4, 16, (8, 16, 24, 32), side=56, head=4)
TINY_DEPTH_PRO = depth_pro(64, 4, 16, (16, 12, 20, 24), side=96)
