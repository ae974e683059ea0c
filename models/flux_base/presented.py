"""A FLUX transformer built like the original code, as ComfyUI has it, that looks like diffusers'.

Nothing is copied: every layer is called where it is, so that quantized layers, patches to weights
and layers that bring their weights to the device keep working. Layers that are several of
diffusers' are computed once and their results shared out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import InputError

TIME_CHANNELS, LONGEST_PERIOD = 256, 10000
ADVICE = "Load FLUX.1-dev, in any precision."


class PresentedFlux(nn.Module):
    """What `ConditionedFlux` uses of diffusers' transformer.

    Args:
        flux: ComfyUI's `comfy.ldm.flux.model.Flux`.

    Raises:
        InputError: it is another network, or a FLUX of another kind.
    """

    def __init__(self, flux: Any) -> None:
        super().__init__()
        _check(flux)
        params = flux.params
        self.config = {
            "in_channels": flux.in_channels,
            "num_layers": len(flux.double_blocks),
            "num_single_layers": len(flux.single_blocks),
            "attention_head_dim": flux.hidden_size // flux.num_heads,
            "num_attention_heads": flux.num_heads,
            "guidance_embeds": bool(params.guidance_embed),
        }
        last = LastResult()
        self.pos_embed = PositionEmbedding(params.axes_dim, params.theta)
        self.time_text_embed = TimeTextEmbedding(flux)
        self.context_embedder = flux.txt_in
        self.x_embedder = flux.img_in
        self.transformer_blocks = nn.ModuleList(
            presented_double(block, last) for block in flux.double_blocks
        )
        self.single_transformer_blocks = nn.ModuleList(
            presented_single(block, last) for block in flux.single_blocks
        )
        self.norm_out = LastNorm(flux.final_layer)
        self.proj_out = flux.final_layer.linear


class LastResult:
    """The last result of a joined layer, as long as its parts are asked for with the same input."""

    def __init__(self) -> None:
        self._known: tuple[nn.Module, Tensor, Tensor] | None = None

    def of(self, layer: nn.Module, tokens: Tensor, is_last: bool) -> Tensor:
        """What a layer makes of tokens; with `is_last` nobody asks for it again."""
        if self._known is None or self._known[0] is not layer or self._known[1] is not tokens:
            self._known = layer, tokens, layer(tokens)
        result = self._known[2]
        if is_last:
            self._known = None
        return result


class PartOfLayer(nn.Module):
    """Some of the output channels of a layer.

    Args:
        joined: the layer.
        channels: which of its output.
        last: shared by all parts.
        is_last: whether it is the last part that a block asks for.
    """

    def __init__(self, joined: nn.Module, channels: slice, last: LastResult, is_last: bool) -> None:
        super().__init__()
        self.joined = joined
        self.channels = channels
        self.last = last
        self.is_last = is_last

    def forward(self, tokens: Tensor) -> Tensor:
        """`[…,in]` to those channels of `[…,out]`."""
        return self.last.of(self.joined, tokens, self.is_last)[..., self.channels]


class PositionEmbedding(nn.Module):
    """Rotary embedding of places with several coordinates, as cosines and sines.

    Args:
        channels: of a head, for each coordinate.
        theta: base of the frequencies.
    """

    def __init__(self, channels: Sequence[int], theta: float) -> None:
        super().__init__()
        self.axes = tuple(channels)
        self.theta = theta

    def forward(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """`[T,coordinates]` to `[T,C]` twice, both channels of a pair alike."""
        angles = []
        for axis, channels in enumerate(self.axes):
            steps = torch.arange(0, channels, 2, dtype=torch.float64) / channels
            frequencies = self.theta**-steps
            places = positions[:, axis].to("cpu", torch.float64)
            angles.append(places[:, None] * frequencies)
        turns = torch.cat(angles, dim=1).repeat_interleave(2, dim=1)
        return turns.cos().float().to(positions.device), turns.sin().float().to(positions.device)


class TimeTextEmbedding(nn.Module):
    """The embedding of timestep, guidance and pooled prompt."""

    def __init__(self, flux: Any) -> None:
        super().__init__()
        self.time_in, self.vector_in = flux.time_in, flux.vector_in
        self.guidance_in = flux.guidance_in

    def forward(self, timestep: Tensor, *guidance_and_pooled: Tensor) -> Tensor:
        """Timesteps and guidance in thousandths `[B]`, pooled prompt `[B,C]`, to `[B,width]`."""
        *guidance, pooled = guidance_and_pooled
        embedding = self.time_in(_waves(timestep).to(pooled))
        for scale in guidance:
            embedding = embedding + self.guidance_in(_waves(scale).to(pooled))
        return embedding + self.vector_in(pooled)


class LastNorm(nn.Module):
    """The modulated normalization before the last layer."""

    def __init__(self, final: Any) -> None:
        super().__init__()
        self.norm_final, self.adaLN_modulation = final.norm_final, final.adaLN_modulation

    def forward(self, tokens: Tensor, embedding: Tensor) -> Tensor:
        """Tokens `[B,T,C]`, embedding `[B,C]`."""
        shift, scale = self.adaLN_modulation(embedding[:, None]).chunk(2, dim=-1)
        return torch.addcmul(shift, self.norm_final(tokens), 1 + scale)


def presented_double(block: Any, last: LastResult) -> nn.Module:
    """A block with weights of its own for the prompt, as diffusers' `FluxTransformerBlock`."""
    image, text = block.img_attn, block.txt_attn
    to_q, to_k, to_v = _thirds(image.qkv, block.hidden_size, last)
    add_q, add_k, add_v = _thirds(text.qkv, block.hidden_size, last)
    attn = tree(
        to_q=to_q,
        to_k=to_k,
        to_v=to_v,
        add_q_proj=add_q,
        add_k_proj=add_k,
        add_v_proj=add_v,
        norm_q=image.norm.query_norm,
        norm_k=image.norm.key_norm,
        norm_added_q=text.norm.query_norm,
        norm_added_k=text.norm.key_norm,
        to_out=nn.ModuleList([image.proj]),
        to_add_out=text.proj,
    )
    attn.heads = block.num_heads
    first, activation, second = block.img_mlp
    return tree(
        norm1=tree(norm=block.img_norm1, linear=block.img_mod.lin),
        norm1_context=tree(norm=block.txt_norm1, linear=block.txt_mod.lin),
        norm2=block.img_norm2,
        norm2_context=block.txt_norm2,
        attn=attn,
        ff=tree(net=nn.ModuleList([nn.Sequential(first, activation), nn.Identity(), second])),
        ff_context=block.txt_mlp,
    )


def presented_single(block: Any, last: LastResult) -> nn.Module:
    """A block that treats the prompt like the picture, as `FluxSingleTransformerBlock`."""
    width = block.hidden_size
    to_q, to_k, to_v = (
        PartOfLayer(block.linear1, _third(index, width), last, False) for index in range(3)
    )
    norms = {"norm_q": block.norm.query_norm, "norm_k": block.norm.key_norm}
    attn = tree(to_q=to_q, to_k=to_k, to_v=to_v, **norms)
    attn.heads = block.num_heads
    return tree(
        norm=tree(norm=block.pre_norm, linear=block.modulation.lin),
        attn=attn,
        proj_mlp=PartOfLayer(block.linear1, slice(3 * width, None), last, True),
        act_mlp=block.mlp_act,
        proj_out=block.linear2,
    )


def tree(**children: nn.Module) -> Any:
    """A module that does nothing but hold others under names."""
    module = nn.Module()
    for name, child in children.items():
        module.add_module(name, child)
    return module


def _thirds(layer: nn.Module, width: int, last: LastResult) -> list[nn.Module]:
    return [PartOfLayer(layer, _third(index, width), last, index == 2) for index in range(3)]


def _third(index: int, width: int) -> slice:
    return slice(index * width, (index + 1) * width)


def _waves(steps: Tensor) -> Tensor:
    """`[B]` to cosines and sines `[B,256]` of falling frequencies, float32."""
    half = TIME_CHANNELS // 2
    falling = torch.arange(half, dtype=torch.float32, device=steps.device) / half
    angles = steps.float()[:, None] * LONGEST_PERIOD**-falling
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def _check(flux: Any) -> None:
    """Refuse what is not FLUX.1 for pictures."""
    params = getattr(flux, "params", None)
    parts = ("double_blocks", "single_blocks", "vector_in", "img_in", "txt_in", "final_layer")
    if params is None or any(getattr(flux, part, None) is None for part in parts):
        raise InputError("model", f"a {type(flux).__name__}, which is no FLUX.1", ADVICE)
    others = ("global_modulation", "mlp_silu_act", "yak_mlp", "txt_norm")
    if any(getattr(params, other, False) for other in others):
        raise InputError("model", "a FLUX.2 or another relative of FLUX.1", ADVICE)
    if params.in_channels > params.out_channels:
        received = (
            f"a FLUX that reads {params.in_channels} channels instead of {params.out_channels}, "
            "as Fill, Depth and Canny do"
        )
        raise InputError("model", received, ADVICE)
