"""FLUX' transformer in modules as the original code has them: names and layers, no forward."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from torch import Tensor, nn

from .flux_base import BASE_CONFIG


class RmsNorm(nn.RMSNorm):
    """With the original's epsilon."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)


class Embedder(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.in_layer, self.out_layer = nn.Linear(inputs, width), nn.Linear(width, width)

    def forward(self, values: Tensor) -> Tensor:
        return self.out_layer(nn.functional.silu(self.in_layer(values)))


def norms(channels: int) -> nn.Module:
    return holder(query_norm=RmsNorm(channels), key_norm=RmsNorm(channels))


def holder(**children: nn.Module) -> Any:
    module = nn.Module()
    for name, child in children.items():
        module.add_module(name, child)
    return module


def plain_norm(width: int) -> nn.Module:
    return nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)


def double_block(width: int, heads: int) -> nn.Module:
    block = nn.Module()
    for stream in ("img", "txt"):
        attn = holder(
            qkv=nn.Linear(width, 3 * width),
            norm=norms(width // heads),
            proj=nn.Linear(width, width),
        )
        inner = nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width)
        block.add_module(f"{stream}_mod", holder(lin=nn.Linear(width, 6 * width)))
        block.add_module(f"{stream}_attn", attn)
        block.add_module(f"{stream}_mlp", nn.Sequential(*inner))
        block.add_module(f"{stream}_norm1", plain_norm(width))
        block.add_module(f"{stream}_norm2", plain_norm(width))
    return numbered(block, width, heads)


def single_block(width: int, heads: int) -> nn.Module:
    block = holder(
        linear1=nn.Linear(width, 7 * width),
        linear2=nn.Linear(5 * width, width),
        norm=norms(width // heads),
        pre_norm=plain_norm(width),
        mlp_act=nn.GELU("tanh"),
        modulation=holder(lin=nn.Linear(width, 3 * width)),
    )
    return numbered(block, width, heads)


def numbered(block: Any, width: int, heads: int) -> nn.Module:
    block.hidden_size, block.num_heads = width, heads
    return block


def original_flux(state: dict[str, Tensor], **params: Any) -> Any:
    """Filled with the tensors of a file that has the original names."""
    heads = BASE_CONFIG["num_attention_heads"]
    width = heads * BASE_CONFIG["attention_head_dim"]
    flux = holder(
        img_in=nn.Linear(64, width),
        txt_in=nn.Linear(BASE_CONFIG["joint_attention_dim"], width),
        time_in=Embedder(256, width),
        guidance_in=Embedder(256, width),
        vector_in=Embedder(BASE_CONFIG["pooled_projection_dim"], width),
        double_blocks=nn.ModuleList(
            double_block(width, heads) for _ in range(BASE_CONFIG["num_layers"])
        ),
        single_blocks=nn.ModuleList(
            single_block(width, heads) for _ in range(BASE_CONFIG["num_single_layers"])
        ),
        final_layer=holder(
            norm_final=plain_norm(width),
            linear=nn.Linear(width, 64),
            adaLN_modulation=nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width)),
        ),
    )
    numbered(flux, width, heads)
    flux.in_channels = 64
    known = {"in_channels": 16, "out_channels": 16, "guidance_embed": True, "theta": 10000}
    axes = {"axes_dim": list(BASE_CONFIG["axes_dims_rope"])}
    flux.params = SimpleNamespace(**{**known, **axes, **params})
    flux.load_state_dict(
        {name.replace("norm.scale", "norm.weight"): one for name, one in state.items()}
    )
    return flux.eval().requires_grad_(False)
