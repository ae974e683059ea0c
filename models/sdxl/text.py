"""SDXL's embedding of prompts, and what else it is told of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

# Tokens in a prompt, with its start and end.
LENGTH = 77
START, END = 49406, 49407
# The two encoders were trained with different fillings after the end.
FILLING, FILLING_2 = END, 0


class PromptEmbedding(NamedTuple):
    """What SDXL's UNet is told of the prompt.

    Args:
        tokens: `[B,77,2048]`.
        pooled: `[B,1280]`.
    """

    tokens: Tensor
    pooled: Tensor

    def to(self, like: Tensor, batch: int) -> PromptEmbedding:
        """The same for a batch of pictures, on the device and in the dtype of a tensor."""
        return PromptEmbedding(
            self.tokens.to(like).expand(batch, -1, -1), self.pooled.to(like).expand(batch, -1)
        )


def filled_prompt(words: Sequence[int], filling: int) -> Tensor:
    """A prompt's tokens with start, end and filling, `[1,77]`."""
    inner = list(words)[: LENGTH - 2]
    row = [START, *inner, END]
    return torch.tensor([row + [filling] * (LENGTH - len(row))])


@torch.no_grad()
def embedded_prompt(words: Sequence[int], encoder: Any, encoder_2: Any) -> PromptEmbedding:
    """The embedding of a prompt, given as the numbers of its words in CLIP's vocabulary.

    Args:
        words: without start and end; what exceeds 75 is dropped.
        encoder: the first text encoder.
        encoder_2: the second one, on the same device.

    Returns:
        The hidden states before the last layer of both, side by side, and the second one's pooled
        state, on their device.
    """
    device = next(encoder.parameters()).device
    tokens, tokens_2 = (
        filled_prompt(words, filling).to(device) for filling in (FILLING, FILLING_2)
    )
    return embedded_tokens(tokens, tokens_2, encoder, encoder_2)


@torch.no_grad()
def embedded_tokens(
    tokens: Tensor, tokens_2: Tensor, encoder: Any, encoder_2: Any
) -> PromptEmbedding:
    """The embedding of prompts, given as what the two encoders read.

    Args:
        tokens: of `filled_prompt` with `FILLING`, `[B,77]`.
        tokens_2: the same with `FILLING_2`.
        encoder: the first text encoder.
        encoder_2: the second one.
    """
    first = encoder(tokens, output_hidden_states=True)
    second = encoder_2(tokens_2, output_hidden_states=True)
    states = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
    return PromptEmbedding(states, second.text_embeds)


def time_ids(
    size: tuple[int, int], crop: tuple[int, int], target: tuple[int, int], like: Tensor
) -> Tensor:
    """SDXL's conditions on size, `[1,6]`.

    Args:
        size: height and width of the original picture, px.
        crop: first row and column of what is seen of it.
        target: height and width of the picture to be made, px.
        like: gives device and dtype.
    """
    return torch.tensor([[*size, *crop, *target]], device=like.device, dtype=like.dtype)
