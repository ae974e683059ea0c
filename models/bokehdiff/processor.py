"""Physics-inspired self-attention in a diffusers network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ...errors import InputError
from .condition import PisaCondition
from .pisa import pisa

# The block of SDXL's UNet whose self-attentions are replaced.
PISA_BLOCK = "down_blocks.1.attentions.0"
SELF_ATTENTION = "attn1"


class PisaProcessor:
    """What a diffusers `Attention` calls instead of its own attention.

    One object serves all layers, under the condition of the picture at hand.
    """

    def __init__(self) -> None:
        self.condition: PisaCondition | None = None

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """Attention among the tokens of a picture; with text as ever.

        Args:
            attn: the diffusers `Attention`.
            hidden_states: `[B,N,channels]`.
            encoder_hidden_states: text, for cross-attention.
            attention_mask: for cross-attention.
            temb: for cross-attention.

        Raises:
            InputError: no condition is set, or it is of another shape.
        """
        if encoder_hidden_states is not None:
            from diffusers.models.attention_processor import AttnProcessor2_0

            return AttnProcessor2_0()(
                attn, hidden_states, encoder_hidden_states, attention_mask, temb
            )
        if self.condition is None:
            raise InputError("condition", "none", "Run the network within `conditioned`.")
        paths = self.condition.for_tokens(hidden_states.shape[1])
        query, key, value = (
            layer(hidden_states).unflatten(2, (attn.heads, -1)).transpose(1, 2)
            for layer in (attn.to_q, attn.to_k, attn.to_v)
        )
        light = pisa(query, key, value, paths).transpose(1, 2).flatten(2)
        to_out, dropout = attn.to_out
        return dropout(to_out(light))


def install_pisa(unet: nn.Module, block: str = PISA_BLOCK) -> PisaProcessor:
    """Replace the self-attentions of one block of a network.

    Returns:
        Their processor, that of all.

    Raises:
        InputError: the block has no self-attention.
    """
    processor = PisaProcessor()
    layers: list[Any] = [
        module
        for name, module in unet.named_modules()
        if name.startswith(f"{block}.") and name.endswith(f".{SELF_ATTENTION}")
    ]
    if not layers:
        advice = f"BokehDiff needs SDXL's network, with attention in {block}."
        raise InputError("unet", "a network of another layout", advice)
    for layer in layers:
        layer.set_processor(processor)
    return processor


@contextmanager
def conditioned(processor: PisaProcessor, condition: PisaCondition) -> Iterator[None]:
    """Have a network see the scene; with gradient checkpointing also around the backward pass."""
    before = processor.condition
    processor.condition = condition
    try:
        yield
    finally:
        processor.condition = before
