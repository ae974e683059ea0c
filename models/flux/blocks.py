"""FLUX' blocks over all tokens of a pass: base weights once, updates where conditions are.

They use the modules of diffusers' blocks, called as modules, so that quantized layers and the
hooks that bring weights to the device keep working.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .arrangement import Arrangement, Part
from .attention import ConditionCache, KeysValues, attention, rotated, visible_attention

FLOAT16_MAX = 65504.0


@dataclass(frozen=True)
class Pass:
    """What all blocks of one pass share.

    Args:
        arrangement: the order of the tokens.
        embedding: of timestep, guidance and pooled prompt after SiLU, a row for each modulation,
            `[B,rows,C]`.
        turns: rotary embedding of all tokens, `[T,1,C/2]` complex.
        caches: keys and values of conditions that are not among the tokens.
        record: where to put those of conditions that are.
    """

    arrangement: Arrangement
    embedding: Tensor
    turns: Tensor
    caches: Sequence[ConditionCache] = ()
    record: ConditionCache | None = None


class DoubleBlock(nn.Module):
    """A block that has weights of its own for the prompt.

    Args:
        block: diffusers' `FluxTransformerBlock`.
        index: its number.
    """

    def __init__(self, block: Any, index: int) -> None:
        super().__init__()
        self.block = block
        self.index = index
        self.path = f"transformer_blocks.{index}"

    def forward(
        self, image: Tensor, text: Tensor | None, step: Pass
    ) -> tuple[Tensor, Tensor | None]:
        """One block.

        Args:
            image: picture and conditions, `[B,T,C]`.
            text: the prompt, `[B,N,C]`; None if only conditions are encoded.
            step: what the blocks share.
        """
        block, parts = self.block, step.arrangement.image_parts
        rows = self._linear("norm1.linear", step.embedding, step.arrangement.modulation_parts)
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = rows.chunk(6, dim=-1)
        normed = modulated(block.norm1.norm(image), shift, scale, parts)
        if text is None:
            attended = attend(*self._image_heads(normed, parts), step, self.index)
        else:
            attended, text = self._attended_with_text(normed, text, step)
        image = add_gated(image, gate, self._linear("attn.to_out.0", attended, parts), parts)
        inner = block.ff.net[0](modulated(block.norm2(image), mlp_shift, mlp_scale, parts))
        image = add_gated(image, mlp_gate, self._linear("ff.net.2", inner, parts), parts)
        return limited(image), text

    def _attended_with_text(
        self, normed: Tensor, text: Tensor, step: Pass
    ) -> tuple[Tensor, Tensor]:
        """Attention of picture and conditions to all, and the prompt behind the block."""
        block, place = self.block, step.arrangement.text_start
        rows = block.norm1_context.linear(step.embedding[:, :1]).chunk(6, dim=-1)
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = rows
        of_image = self._image_heads(normed, step.arrangement.image_parts)
        of_text = self._text_heads(torch.addcmul(shift, block.norm1_context.norm(text), 1 + scale))
        queries, keys, values = (
            torch.cat([image[:, :place], prompt, image[:, place:]], dim=1)
            for image, prompt in zip(of_image, of_text, strict=True)
        )
        everything = attend(queries, keys, values, step, self.index)
        attended, attended_text = parted(everything, place, text.shape[1])
        text = torch.addcmul(text, gate, block.attn.to_add_out(attended_text))
        normed = torch.addcmul(mlp_shift, block.norm2_context(text), 1 + mlp_scale)
        return attended, limited(torch.addcmul(text, mlp_gate, block.ff_context(normed)))

    def _image_heads(self, normed: Tensor, parts: Sequence[Part]) -> tuple[Tensor, Tensor, Tensor]:
        attn = self.block.attn
        layers = {f"{self.path}.attn.to_{name}": getattr(attn, f"to_{name}") for name in "qkv"}
        queries, keys, values = (
            result.unflatten(-1, (attn.heads, -1)) for result in adapted(layers, normed, parts)
        )
        return attn.norm_q(queries), attn.norm_k(keys), values

    def _text_heads(self, normed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        attn = self.block.attn
        queries, keys, values = (
            linear(normed).unflatten(-1, (attn.heads, -1))
            for linear in (attn.add_q_proj, attn.add_k_proj, attn.add_v_proj)
        )
        return attn.norm_added_q(queries), attn.norm_added_k(keys), values

    def _linear(self, name: str, tokens: Tensor, parts: Sequence[Part]) -> Tensor:
        layer = self.block.get_submodule(name)
        return adapted({f"{self.path}.{name}": layer}, tokens, parts)[0]


class SingleBlock(nn.Module):
    """A block that treats the prompt like the picture.

    Args:
        block: diffusers' `FluxSingleTransformerBlock`.
        index: its number among the single blocks.
        double_blocks: number of double blocks before them.
    """

    def __init__(self, block: Any, index: int, double_blocks: int) -> None:
        super().__init__()
        self.block = block
        self.index = double_blocks + index
        self.path = f"single_transformer_blocks.{index}"

    def forward(self, tokens: Tensor, step: Pass, picture_only: bool = False) -> Tensor:
        """One block.

        Args:
            tokens: all of them, `[B,T,C]`.
            step: what the blocks share.
            picture_only: compute only what becomes of the picture: all that is needed of the last
                block.
        """
        block, arrangement = self.block, step.arrangement
        parts = arrangement.parts
        rows = self._linear("norm.linear", step.embedding, arrangement.modulation_parts)
        shift, scale, gate = rows.chunk(3, dim=-1)
        normed = modulated(block.norm.norm(tokens), shift, scale, parts)
        if picture_only:
            keys, values = self._heads("kv", normed, parts)
            picture = arrangement.picture_tokens
            tokens, normed = tokens[:, picture], normed[:, picture]
            parts = (Part(slice(0, arrangement.picture), 0, None),)
            (queries,) = self._heads("q", normed, parts)
        else:
            queries, keys, values = self._heads("qkv", normed, parts)
        queries, keys = block.attn.norm_q(queries), block.attn.norm_k(keys)
        attended = attend(queries, keys, values, step, self.index, picture_only)
        inner = block.act_mlp(self._linear("proj_mlp", normed, parts))
        change = self._linear("proj_out", torch.cat([attended, inner], dim=-1), parts)
        return limited(add_gated(tokens, gate, change, parts))

    def _heads(self, names: str, normed: Tensor, parts: Sequence[Part]) -> list[Tensor]:
        attn = self.block.attn
        layers = {f"{self.path}.attn.to_{name}": getattr(attn, f"to_{name}") for name in names}
        return [result.unflatten(-1, (attn.heads, -1)) for result in adapted(layers, normed, parts)]

    def _linear(self, name: str, tokens: Tensor, parts: Sequence[Part]) -> Tensor:
        layer = self.block.get_submodule(name)
        return adapted({f"{self.path}.{name}": layer}, tokens, parts)[0]


def adapted(layers: Mapping[str, nn.Module], tokens: Tensor, parts: Sequence[Part]) -> list[Tensor]:
    """Linear layers with the same input, over all tokens, with the updates of parts' adapters.

    Args:
        layers: of the base model, by the names that adapters know.
        tokens: `[B,T,C]`.
        parts: of the tokens.
    """
    results = [layer(tokens) for layer in layers.values()]
    for adapter in dict.fromkeys(part.adapter for part in parts):
        if adapter is not None:
            runs = [part.tokens for part in parts if part.adapter is adapter]
            adapter.add_updates(list(layers), tokens, results, runs)
    return results


def attend(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    step: Pass,
    index: int,
    picture_only: bool = False,
) -> Tensor:
    """Attention of a block with rotary embedding and what is remembered of conditions.

    Args:
        queries: `[B,T,heads,C]`, of the picture alone with `picture_only`.
        keys: `[B,T,heads,C]`, before rotation.
        values: `[B,T,heads,C]`.
        step: what the blocks share.
        index: number of the block.
        picture_only: whether queries are those of the picture alone.

    Returns:
        `[B,T,heads·C]`.
    """
    arrangement = step.arrangement
    keys = rotated(keys, step.turns)
    turns = step.turns[arrangement.picture_tokens] if picture_only else step.turns
    queries = rotated(queries, turns)
    if step.record is not None:
        step.record.blocks[index] = _of_conditions(keys, values, arrangement)
    if step.caches:
        everything = [*(cache.blocks[index] for cache in step.caches), (keys, values)]
        keys, values = (
            torch.cat([one.expand(len(queries), -1, -1, -1) for one in each], dim=1)
            for each in zip(*everything, strict=True)
        )
    if picture_only or step.caches:  # Text and picture see everything.
        return attention(queries, keys, values)
    return visible_attention(queries, keys, values, arrangement.looks)


def _of_conditions(keys: Tensor, values: Tensor, arrangement: Arrangement) -> KeysValues:
    runs = arrangement.condition_runs
    # Copies: nothing shall keep the other tokens in memory.
    return (
        torch.cat([keys[:, run] for run in runs], dim=1),
        torch.cat([values[:, run] for run in runs], dim=1),
    )


def parted(tokens: Tensor, place: int, count: int) -> tuple[Tensor, Tensor]:
    """Tokens without a run of `count` from `place`, and that run."""
    run = tokens[:, place : place + count]
    if place == 0:
        return tokens[:, count:], run
    return torch.cat([tokens[:, :place], tokens[:, place + count :]], dim=1), run


def modulated(tokens: Tensor, shift: Tensor, scale: Tensor, parts: Sequence[Part]) -> Tensor:
    """`shift + tokens · (1 + scale)`, each part with its row.

    Args:
        tokens: `[B,T,C]`, normalized.
        shift: `[B,rows,C]`.
        scale: `[B,rows,C]`.
        parts: of the tokens.
    """
    factor = 1 + scale

    def of(part: Part, out: Tensor | None) -> Tensor:
        row = slice(part.row, part.row + 1)
        return torch.addcmul(shift[:, row], tokens[:, part.tokens], factor[:, row], out=out)

    return _by_part(parts, tokens, of)


def add_gated(tokens: Tensor, gate: Tensor, change: Tensor, parts: Sequence[Part]) -> Tensor:
    """`tokens + gate · change`, each part with its row.

    Args:
        tokens: `[B,T,C]`.
        gate: `[B,rows,C]`.
        change: `[B,T,C]`.
        parts: of the tokens.
    """

    def of(part: Part, out: Tensor | None) -> Tensor:
        own = part.tokens
        row = gate[:, part.row : part.row + 1]
        return torch.addcmul(tokens[:, own], row, change[:, own], out=out)

    return _by_part(parts, tokens, of)


def _by_part(
    parts: Sequence[Part], like: Tensor, compute: Callable[[Part, Tensor | None], Tensor]
) -> Tensor:
    """What is computed for each part, together; without gradients nothing is copied."""
    if torch.is_grad_enabled():
        return torch.cat([compute(part, None) for part in parts], dim=1)
    result = torch.empty_like(like)
    for part in parts:
        compute(part, result[:, part.tokens])
    return result


def limited(tokens: Tensor) -> Tensor:
    """Float16 within its range, as in diffusers; everything else as it is."""
    return tokens.clip(-FLOAT16_MAX, FLOAT16_MAX) if tokens.dtype == torch.float16 else tokens
