"""FLUX with condition tokens: one forward for DeblurNet, BokehNet and DiffCamera.

Method: GenRefocus (arXiv 2512.16923) after OminiControl (arXiv 2411.15098). The prompt, the noisy
picture and every condition pass the same base weights; each condition has a timestep, a place and a
low-rank adapter of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...errors import InputError
from .adapters import EMBEDDER, Adapter, FluxShape
from .arrangement import Arrangement, arranged
from .attention import ConditionCache, rotations
from .blocks import DoubleBlock, Pass, SingleBlock
from .conditions import Condition, Prompt, Visibility
from .tokens import text_positions

# Timesteps and guidance are embedded in thousandths.
EMBEDDING_SCALE = 1000


class ConditionedFlux(nn.Module):
    """The forward pass, over the modules of a FLUX transformer that it shares.

    For training enable gradients and, to save memory, `gradient_checkpointing`; only adapters that
    require gradients get any.

    Args:
        base: diffusers' `FluxTransformer2DModel`.

    Attributes:
        adapters: by the name that conditions use.
        shape: sizes of the base model.
    """

    streamed_blocks = ("transformer_blocks", "single_transformer_blocks")

    def __init__(self, base: Any) -> None:
        super().__init__()
        self.shape = FluxShape.of(base.config)
        self.has_guidance: bool = base.config["guidance_embeds"]
        self.pos_embed = base.pos_embed
        self.time_text_embed = base.time_text_embed
        self.context_embedder = base.context_embedder
        self.x_embedder = base.x_embedder
        doubles = base.transformer_blocks
        self.transformer_blocks = nn.ModuleList(
            DoubleBlock(block, index) for index, block in enumerate(doubles)
        )
        self.single_transformer_blocks = nn.ModuleList(
            SingleBlock(block, index, len(doubles))
            for index, block in enumerate(base.single_transformer_blocks)
        )
        self.norm_out = base.norm_out
        self.proj_out = base.proj_out
        self.adapters = nn.ModuleDict()
        self.gradient_checkpointing = False

    def forward(
        self,
        picture: Tensor,
        positions: Tensor,
        timestep: Tensor,
        guidance: float,
        prompt: Prompt,
        conditions: Sequence[Condition] = (),
        visibility: Visibility = Visibility.PUBLISHED,
        caches: Sequence[ConditionCache] = (),
        record: ConditionCache | None = None,
    ) -> Tensor:
        """The velocity of the picture, noise minus clean.

        All tensors in the precision and on the device that the base model computes in.

        Args:
            picture: noisy tokens, `[B,T,C]`; none with `encode`.
            positions: their places, `[T,3]`.
            timestep: 0 (clean) to 1 (noise), `[B]` or `[1]`.
            guidance: guidance scale of text and picture.
            prompt: batch B or 1.
            conditions: batch B or 1 each.
            visibility: what conditions attend to.
            caches: keys and values of conditions instead of conditions.
            record: filled with keys and values of the conditions.

        Returns:
            `[B,T,C]`.

        Raises:
            InputError: a condition asks for an adapter that is not there, or there are conditions
                as well as caches.
        """
        if caches and conditions:
            raise InputError("conditions", "conditions and a cache of them", "Give one of the two.")
        arrangement = self._arranged(prompt.tokens.shape[1], picture, conditions, visibility)
        embedding = self._embedding(arrangement, prompt, timestep, guidance, len(picture))
        step = Pass(
            arrangement,
            nn.functional.silu(embedding),
            self._turns(arrangement, positions, picture.device),
            caches,
            record,
        )
        image = self._embedded(arrangement, picture)
        text = self.context_embedder(prompt.tokens).expand(len(picture), -1, -1)
        if not arrangement.picture:
            self._through_blocks(image, None, step)
            return picture
        tokens = self._through_blocks(image, text, step)
        return self.proj_out(self.norm_out(tokens, embedding[:, 0]))

    def encode(self, conditions: Sequence[Condition], pooled: Tensor) -> ConditionCache:
        """Keys and values of independent conditions, once for all steps.

        Args:
            conditions: batch B or 1 each.
            pooled: of the prompt, `[B,C]`.

        Raises:
            InputError: a condition asks for an adapter that is not there.
        """
        batch = max(len(pooled), *(len(condition.tokens) for condition in conditions))
        record = ConditionCache()
        self(
            pooled.new_zeros(batch, 0, self.shape.channels),
            torch.zeros(0, 3),
            pooled.new_zeros(1),
            1.0,
            Prompt(pooled.new_zeros(1, 0, self.context_embedder.in_features), pooled),
            conditions,
            Visibility.INDEPENDENT,
            record=record,
        )
        return record

    def _adapters(self) -> dict[str, Adapter]:
        return {name: one for name, one in self.adapters.items() if isinstance(one, Adapter)}

    def _arranged(
        self, text: int, picture: Tensor, conditions: Sequence[Condition], visibility: Visibility
    ) -> Arrangement:
        adapters = self._adapters()
        for condition in conditions:
            if condition.adapter is not None and condition.adapter not in adapters:
                there = ", ".join(adapters) or "none"
                received = f"a condition for the adapter '{condition.adapter}' (loaded: {there})"
                raise InputError("conditions", received, "Load that adapter first.")
        return arranged(text, picture.shape[1], conditions, visibility, adapters)

    def _embedding(
        self,
        arrangement: Arrangement,
        prompt: Prompt,
        timestep: Tensor,
        guidance: float,
        batch: int,
    ) -> Tensor:
        """Of timestep, guidance and pooled prompt, `[B,rows,C]`."""
        pooled = prompt.pooled.expand(batch, -1)
        timesteps, guidances = [], []
        for row in arrangement.modulations:
            time = timestep.to(pooled) if row.timestep is None else row.timestep
            scale = guidance if row.guidance is None else row.guidance
            timesteps.append(pooled.new_ones(batch) * time)
            guidances.append(pooled.new_full((batch,), scale))
        inputs = [torch.cat(timesteps) * EMBEDDING_SCALE]
        if self.has_guidance:
            inputs.append(torch.cat(guidances) * EMBEDDING_SCALE)
        rows = len(arrangement.modulations)
        embedding = self.time_text_embed(*inputs, pooled.repeat(rows, 1))
        return embedding.unflatten(0, (rows, batch)).transpose(0, 1)

    def _turns(self, arrangement: Arrangement, positions: Tensor, device: torch.device) -> Tensor:
        places = [
            *(condition.positions for condition in arrangement.before),
            text_positions(arrangement.text),
            positions,
            *(condition.positions for condition in arrangement.after),
        ]
        return rotations(*self.pos_embed(torch.cat([place.to(device) for place in places])))

    def _embedded(self, arrangement: Arrangement, picture: Tensor) -> Tensor:
        """Picture and conditions at the transformer's width, `[B,T,C]`."""

        def embedded(condition: Condition) -> Tensor:
            tokens = condition.tokens
            if not condition.embedded:
                tokens = self._adapted_embedding(tokens, condition.adapter)
            return tokens.expand(len(picture), -1, -1)

        return torch.cat(
            [
                *map(embedded, arrangement.before),
                self.x_embedder(picture),
                *map(embedded, arrangement.after),
            ],
            dim=1,
        )

    def _adapted_embedding(self, tokens: Tensor, adapter: str | None) -> Tensor:
        result = self.x_embedder(tokens)
        if adapter is not None:
            self._adapters()[adapter].add_updates([EMBEDDER], tokens, [result])
        return result

    def _through_blocks(self, image: Tensor, text: Tensor | None, step: Pass) -> Tensor:
        """The picture behind the last block, or all conditions if there is no picture."""
        for block in self.transformer_blocks:
            image, text = self._run(block, image, text, step)
        place = step.arrangement.text_start
        tokens = image
        if text is not None:
            tokens = torch.cat([image[:, :place], text, image[:, place:]], dim=1)
        has_picture = step.arrangement.picture > 0
        last = len(self.single_transformer_blocks) - 1
        for index, block in enumerate(self.single_transformer_blocks):
            tokens = self._run(block, tokens, step, has_picture and index == last)
        return tokens

    def _run(self, block: nn.Module, *inputs: Any) -> Any:
        if self.gradient_checkpointing and torch.is_grad_enabled():
            return checkpoint(block, *inputs, use_reentrant=False)
        return block(*inputs)
