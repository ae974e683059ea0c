"""VST's decoder: two task tokens learn what is salient, and tokens become pixels again."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from torch import Tensor, nn

from .backbone import COARSE, FINE, BackboneTokens, Split, as_map
from .blocks import Block, Performer, projection
from .sizes import VstSizes


class TaskTokens(NamedTuple):
    """The tokens of a scale, and those of the two tasks.

    Args:
        saliency: `[B,1,C]`.
        patches: `[B,N,C]`.
        contour: `[B,1,C]`.
    """

    saliency: Tensor
    patches: Tensor
    contour: Tensor


class Tasks(NamedTuple):
    """One tensor for each task."""

    saliency: Tensor
    contour: Tensor


class TaskEncoder(nn.Module):
    """Transformer layers over patches and task tokens together."""

    def __init__(self, sizes: VstSizes, heads: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            Block(sizes.width, heads, sizes.mlp_ratio) for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(sizes.width)

    def forward(self, tokens: TaskTokens) -> TaskTokens:
        """The same tokens, after they have looked at each other."""
        sequence = torch.cat(tokens, dim=1)
        for block in self.blocks:
            sequence = block(sequence)
        return TaskTokens(*self.norm(sequence).split([1, tokens.patches.shape[1], 1], dim=1))


class TokenInference(nn.Module):
    """Patch-task attention: how much each patch answers to a task's token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.q = nn.Linear(width, width, bias=False)
        self.k = nn.Linear(width, width, bias=False)
        self.v = nn.Linear(width, width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, patches: Tensor, token: Tensor) -> Tensor:
        """Patches `[B,N,C]` and a task's token `[B,1,C]` to patches `[B,N,C]`."""
        task = self.norm(token)
        similarity = self.q(self.norm(patches)) @ self.k(task).mT * token.shape[-1] ** -0.5
        # A single key needs no softmax: each patch decides for itself.
        gate = torch.sigmoid(similarity)  # [B,N,1]
        return patches + self.proj(gate * self.v(task))


class TokenTransformer(nn.Module):
    """The decoder's first layers, at 1/16: image and depth become one, tasks get their tokens."""

    def __init__(self, sizes: VstSizes) -> None:
        super().__init__()
        width = sizes.width
        self.norm = nn.LayerNorm(2 * width)
        self.mlp_s = projection(2 * width, width, width)
        self.saliency_token = nn.Parameter(torch.zeros(1, 1, width))
        self.contour_token = nn.Parameter(torch.zeros(1, 1, width))
        self.encoderlayer = TaskEncoder(sizes, sizes.heads, sizes.token_blocks)
        self.saliency_token_pre = TokenInference(width)
        self.contour_token_pre = TokenInference(width)

    def forward(self, rgb: Tensor, depth: Tensor) -> tuple[TaskTokens, Tasks]:
        """Tokens `[B,N,C]` of image and depth to the decoder's, and each task's view of them."""
        merged = self.mlp_s(self.norm(torch.cat([rgb, depth], dim=-1)))
        batch = len(rgb)
        saliency = self.saliency_token.expand(batch, -1, -1)
        contour = self.contour_token.expand(batch, -1, -1)
        tokens = self.encoderlayer(TaskTokens(saliency, merged, contour))
        views = Tasks(
            self.saliency_token_pre(tokens.patches, tokens.saliency),
            self.contour_token_pre(tokens.patches, tokens.contour),
        )
        return tokens, views


class ScaleTransformer(nn.Module):
    """The same at 1/8 and 1/4, where patches come and go with narrow tokens."""

    def __init__(self, sizes: VstSizes) -> None:
        super().__init__()
        width, narrow = sizes.width, sizes.token_width
        self.norm = nn.LayerNorm(narrow)
        self.mlp = projection(narrow, width, width)
        self.encoderlayer = TaskEncoder(sizes, 1, sizes.decoder_blocks)
        self.saliency_token_pre = TokenInference(width)
        self.contour_token_pre = TokenInference(width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp2 = projection(width, narrow, narrow)
        self.norm2_c = nn.LayerNorm(width)
        self.mlp2_c = projection(width, narrow, narrow)

    def forward(self, features: Tensor, coarser: TaskTokens) -> tuple[TaskTokens, Tasks]:
        """Features `[B,N,c]`, with the task tokens of the coarser scale."""
        patches = self.mlp(self.norm(features))
        tokens = self.encoderlayer(coarser._replace(patches=patches))
        saliency = self.saliency_token_pre(tokens.patches, tokens.saliency)
        contour = self.contour_token_pre(tokens.patches, tokens.contour)
        views = Tasks(self.mlp2(self.norm2(saliency)), self.mlp2_c(self.norm2_c(contour)))
        return tokens, views


class ReverseT2T(nn.Module):
    """Every token becomes an overlapping patch of a larger map."""

    def __init__(self, token_width: int, split: Split, side: int) -> None:
        super().__init__()
        self.split, self.side = split, side
        self.project = nn.Linear(token_width, token_width * split.kernel_size**2)

    def enlarged(self, tokens: Tensor) -> Tensor:
        """Tokens `[B,N,c]` to more of them, `[B,side²,c]`."""
        return self._folded(self.project(tokens)).flatten(2).mT

    def predicted(self, tokens: Tensor, head: nn.Linear) -> Tensor:
        """`head(enlarged(tokens))` as a map `[B,1,side,side]`, for a head with one output.

        Both are linear, so that they are made one layer first: the wide features of all pixels,
        a seventh of the network's time, are never computed.
        """
        pixels = self.split.kernel_size**2
        mixing = head.weight[0].to(tokens)
        weight = rearrange(self.project.weight.to(tokens), "(c k) d -> c k d", k=pixels)
        bias = rearrange(self.project.bias.to(tokens), "(c k) -> c k", k=pixels)
        mixed = F.linear(
            tokens,
            einsum(mixing, weight, "c, c k d -> k d"),
            einsum(mixing, bias, "c, c k -> k"),
        )
        return self._folded(mixed) + head.bias.to(tokens)

    def _folded(self, pieces: Tensor) -> Tensor:
        """`[B,N,c·kernel²]` to `[B,c,side,side]`: overlapping patches add up."""
        return F.fold(pieces.mT, (self.side, self.side), **self.split._asdict())


class FusingReverseT2T(ReverseT2T):
    """Enlarges the decoder's tokens and merges them with those of the image's backbone."""

    def __init__(self, sizes: VstSizes, side: int) -> None:
        super().__init__(sizes.token_width, FINE, side)
        width, narrow = sizes.width, sizes.token_width
        self.concatFuse = projection(2 * narrow, narrow, narrow)
        self.att = Performer(narrow)
        self.norm = nn.LayerNorm(width)
        self.mlp = projection(width, narrow, narrow)

    def forward(self, patches: Tensor, image_tokens: Tensor) -> Tensor:
        """`[B,N,C]` and `[B,4N,c]` to `[B,4N,c]`."""
        enlarged = self.enlarged(self.mlp(self.norm(patches)))
        return self.att(self.concatFuse(torch.cat([enlarged, image_tokens], dim=-1)))


class VstOutput(NamedTuple):
    """Everything that VST predicts, from coarse to fine.

    Args:
        saliency: logits `[B,1,h,w]` at 1/16, 1/8, 1/4 and the full size.
        contour: likewise, of the salient things' outlines.
        tokens: the decoder's tokens at 1/16, 1/8 and 1/4.
    """

    saliency: tuple[Tensor, Tensor, Tensor, Tensor]
    contour: tuple[Tensor, Tensor, Tensor, Tensor]
    tokens: tuple[TaskTokens, TaskTokens, TaskTokens]


class Decoder(nn.Module):
    """From the first task tokens to maps of the full size."""

    def __init__(self, sizes: VstSizes) -> None:
        super().__init__()
        width, narrow, side = sizes.width, sizes.token_width, sizes.image
        self.side = side
        self.norm = nn.LayerNorm(width)
        self.mlp = projection(width, width, narrow)
        self.norm_c = nn.LayerNorm(width)
        self.mlp_c = projection(width, width, narrow)
        self.decoder1 = FusingReverseT2T(sizes, side // 8)
        self.decoder2 = FusingReverseT2T(sizes, side // 4)
        self.decoder3 = ReverseT2T(narrow, COARSE, side)
        self.decoder3_c = ReverseT2T(narrow, COARSE, side)
        self.token_pre_1_8 = ScaleTransformer(sizes)
        self.token_pre_1_4 = ScaleTransformer(sizes)
        self.pre_1_16 = nn.Linear(narrow, 1)
        self.pre_1_8 = nn.Linear(narrow, 1)
        self.pre_1_4 = nn.Linear(narrow, 1)
        self.pre_1_1 = nn.Linear(narrow, 1)
        self.pre_1_16_c = nn.Linear(narrow, 1)
        self.pre_1_8_c = nn.Linear(narrow, 1)
        self.pre_1_4_c = nn.Linear(narrow, 1)
        self.pre_1_1_c = nn.Linear(narrow, 1)

    def forward(self, sixteenth: TaskTokens, views: Tasks, image: BackboneTokens) -> VstOutput:
        """What the first layers found, and the finer tokens of the image's backbone."""
        eighth, views_8 = self.token_pre_1_8(
            self.decoder1(sixteenth.patches, image.eighth), sixteenth
        )
        quarter, views_4 = self.token_pre_1_4(self.decoder2(eighth.patches, image.quarter), eighth)
        saliency_16 = self.mlp(self.norm(views.saliency))
        contour_16 = self.mlp_c(self.norm_c(views.contour))
        return VstOutput(
            saliency=(
                as_map(self.pre_1_16(saliency_16), self.side // 16),
                as_map(self.pre_1_8(views_8.saliency), self.side // 8),
                as_map(self.pre_1_4(views_4.saliency), self.side // 4),
                self.decoder3.predicted(views_4.saliency, self.pre_1_1),
            ),
            contour=(
                as_map(self.pre_1_16_c(contour_16), self.side // 16),
                as_map(self.pre_1_8_c(views_8.contour), self.side // 8),
                as_map(self.pre_1_4_c(views_4.contour), self.side // 4),
                self.decoder3_c.predicted(views_4.contour, self.pre_1_1_c),
            ),
            tokens=(sixteenth, eighth, quarter),
        )
