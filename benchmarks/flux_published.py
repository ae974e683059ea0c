"""GenRefocus' forward written down plainly: branch by branch, adapters switched at every layer.

What the fast forward is compared with. Adapters are peft's, set to a scale of 1 or 0 around each
layer, as the published code does (Genfocus, 54752a1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.embeddings import apply_rotary_emb
from focuspuller.models.flux.conditions import Condition, Prompt, Visibility
from focuspuller.models.flux.tokens import text_positions
from peft import LoraConfig
from torch import Tensor, nn

Heads = tuple[Tensor, Tensor, Tensor]  # queries, keys, values, each [B,heads,T,C]


@dataclass
class Branch:
    """Tokens with a timestep, places and an adapter of their own."""

    tokens: Tensor
    embedding: Tensor
    rotary: tuple[Tensor, Tensor]
    adapter: str | None
    sees: Sequence[int]


def add_peft_adapter(base: Any, name: str, state: dict[str, Tensor]) -> None:
    """Give diffusers' transformer an adapter from a published file's tensors."""
    layers = sorted({key.removeprefix("transformer.").split(".lora_")[0] for key in state})
    rank = next(len(value) for key, value in state.items() if "lora_A" in key)
    exactly = "|".join(layer.replace(".", r"\.") for layer in layers)
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=f"^({exactly})$")
    base.add_adapter(config, adapter_name=name)
    own = base.state_dict()
    for key, value in state.items():
        inner = key.removeprefix("transformer.").removesuffix(".weight")
        own[f"{inner}.{name}.weight"].copy_(value)


def published_forward(
    base: Any,
    picture: Tensor,
    positions: Tensor,
    timestep: Tensor,
    guidance: float,
    prompt: Prompt,
    conditions: Sequence[Condition] = (),
    visibility: Visibility = Visibility.PUBLISHED,
) -> Tensor:
    """The velocity of the picture. Arguments as those of `ConditionedFlux`."""
    branches = _branches(
        base, picture, positions, timestep, guidance, prompt, conditions, visibility
    )
    for block in base.transformer_blocks:
        _double_block(block, branches)
    for block in base.single_transformer_blocks:
        _single_block(block, branches)
    main = branches[1]
    return base.proj_out(base.norm_out(main.tokens, main.embedding))


def _branches(
    base: Any,
    picture: Tensor,
    positions: Tensor,
    timestep: Tensor,
    guidance: float,
    prompt: Prompt,
    conditions: Sequence[Condition],
    visibility: Visibility,
) -> list[Branch]:
    """Prompt, picture, conditions."""
    everyone = range(2 + len(conditions))
    now = _embedding(base, prompt.pooled, timestep, guidance)
    text_rotary = base.pos_embed(text_positions(prompt.tokens.shape[1]).to(picture.device))
    branches = [
        Branch(base.context_embedder(prompt.tokens), now, text_rotary, None, everyone),
        Branch(
            _embedded(base, picture, None), now, _rotary(base, positions, picture), None, everyone
        ),
    ]
    for index, condition in enumerate(conditions, 2):
        core = (0, 1) if visibility is Visibility.PUBLISHED else ()
        branches.append(
            Branch(
                _embedded(base, condition.tokens, condition.adapter),
                _embedding(
                    base,
                    prompt.pooled,
                    timestep.new_tensor([condition.timestep]),
                    condition.guidance,
                ),
                _rotary(base, condition.positions, picture),
                condition.adapter,
                (*core, index),
            )
        )
    return branches


def _embedded(base: Any, tokens: Tensor, adapter: str | None) -> Tensor:
    with switched([base.x_embedder], adapter):
        return base.x_embedder(tokens)


def _rotary(base: Any, positions: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    return base.pos_embed(positions.to(like.device))


def _embedding(base: Any, pooled: Tensor, timestep: Tensor, guidance: float) -> Tensor:
    scale = pooled.new_tensor([guidance]) * 1000
    return base.time_text_embed(timestep.to(pooled) * 1000, scale, pooled)


def _double_block(block: Any, branches: list[Branch]) -> None:
    text, images = branches[0], branches[1:]
    modulations = [block.norm1_context(text.tokens, emb=text.embedding)]
    for image in images:
        with switched([block.norm1.linear], image.adapter):
            modulations.append(block.norm1(image.tokens, emb=image.embedding))
    heads = [_text_heads(block.attn, modulations[0][0], text)]
    heads += [
        _heads(block.attn, modulation[0], image)
        for modulation, image in zip(modulations[1:], images, strict=True)
    ]
    attended = _attention(heads, branches)
    _advance(
        text,
        block.attn.to_add_out(attended[0]),
        modulations[0],
        block.norm2_context,
        block.ff_context,
    )
    for image, modulation, own in zip(images, modulations[1:], attended[1:], strict=True):
        with switched([block.attn.to_out[0]], image.adapter):
            change = block.attn.to_out[0](own)
        with switched([block.ff.net[2]], image.adapter):
            _advance(image, change, modulation, block.norm2, block.ff)


def _advance(branch: Branch, change: Tensor, modulation: Any, norm: Any, mlp: Any) -> None:
    _, gate, shift, scale, mlp_gate = modulation
    tokens = branch.tokens + change * gate.unsqueeze(1)
    normed = norm(tokens) * (1 + scale[:, None]) + shift[:, None]
    branch.tokens = tokens + mlp(normed) * mlp_gate.unsqueeze(1)


def _single_block(block: Any, branches: list[Branch]) -> None:
    heads, inner, gates = [], [], []
    for branch in branches:
        with switched([block.norm.linear, block.proj_mlp], branch.adapter):
            normed, gate = block.norm(branch.tokens, emb=branch.embedding)
            inner.append(block.act_mlp(block.proj_mlp(normed)))
        gates.append(gate)
        heads.append(_heads(block.attn, normed, branch))
    for branch, own, mlp, gate in zip(
        branches, _attention(heads, branches), inner, gates, strict=True
    ):
        with switched([block.proj_out], branch.adapter):
            change = block.proj_out(torch.cat([own, mlp], dim=2))
        branch.tokens = branch.tokens + gate.unsqueeze(1) * change


def _text_heads(attn: Any, normed: Tensor, branch: Branch) -> Heads:
    heads = _split(
        attn, *(layer(normed) for layer in (attn.add_q_proj, attn.add_k_proj, attn.add_v_proj))
    )
    return _turned(heads, attn.norm_added_q, attn.norm_added_k, branch)


def _heads(attn: Any, normed: Tensor, branch: Branch) -> Heads:
    layers = (attn.to_q, attn.to_k, attn.to_v)
    with switched(layers, branch.adapter):
        heads = _split(attn, *(layer(normed) for layer in layers))
    return _turned(heads, attn.norm_q, attn.norm_k, branch)


def _split(attn: Any, *tokens: Tensor) -> Any:
    return tuple(one.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for one in tokens)


def _turned(heads: Heads, norm_q: Any, norm_k: Any, branch: Branch) -> Heads:
    queries, keys, values = heads
    queries = apply_rotary_emb(norm_q(queries), branch.rotary)
    keys = apply_rotary_emb(norm_k(keys), branch.rotary)
    return queries, keys, values


def _attention(heads: Sequence[Heads], branches: Sequence[Branch]) -> list[Tensor]:
    """Each branch attends to those that it sees."""
    results = []
    for (queries, _, _), branch in zip(heads, branches, strict=True):
        keys = torch.cat([heads[seen][1] for seen in branch.sees], dim=2)
        values = torch.cat([heads[seen][2] for seen in branch.sees], dim=2)
        found = F.scaled_dot_product_attention(queries, keys, values)
        results.append(found.transpose(1, 2).flatten(2))
    return results


@contextmanager
def switched(layers: Sequence[nn.Module], adapter: str | None) -> Iterator[None]:
    """The named adapter at full scale, all others at 0; afterwards as before."""
    adapted: list[Any] = [layer for layer in layers if hasattr(layer, "scaling")]
    before = [dict(layer.scaling) for layer in adapted]
    for layer in adapted:
        for name in layer.scaling:
            layer.scaling[name] = 1.0 if name == adapter else 0.0
    try:
        yield
    finally:
        for layer, scaling in zip(adapted, before, strict=True):
            layer.scaling.update(scaling)
