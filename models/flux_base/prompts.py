"""Prompts: encoded once for a text, and kept in small files for those who lack the encoders."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from ...errors import FileError, InputError
from ..flux.conditions import Prompt
from ..layout import Findings
from ..state_dict import read_metadata, read_state_dict, write_weights

FORMAT, FORMAT_VERSION = "focus-puller/flux-prompts", "1"


class Prompts:
    """Encodes a text when it is asked for first.

    Args:
        known: prompts that are encoded already.
        make_encoder: makes what encodes all others; called at the first of them. None: nothing can.
    """

    def __init__(
        self,
        known: Mapping[str, Prompt],
        make_encoder: Callable[[], Callable[[str], Prompt]] | None,
    ) -> None:
        self._known = dict(known)
        self._make_encoder = make_encoder

    def __call__(self, text: str) -> Prompt:
        """The encoded prompt, batch 1, float32 on the CPU.

        Raises:
            FocusPullerError: it is not among the known ones, and the encoders are missing.
        """
        if text not in self._known:
            if self._make_encoder is None:
                there = ", ".join(map(repr, self._known)) or "none"
                received = f"{text!r}, which is not among the stored prompts ({there})"
                raise InputError("prompt", received, "Give the text encoders as well.")
            self._known[text] = self._make_encoder()(text)
        return self._known[text]


def save_prompts(path: Path, prompts: Mapping[str, Prompt]) -> None:
    """Write encoded prompts, in bfloat16.

    Args:
        path: `.safetensors`; an older file is replaced whole.
        prompts: by their texts.

    Raises:
        FileError: another suffix, or the operating system refused.
    """
    import torch

    tensors = {}
    for index, prompt in enumerate(prompts.values()):
        for name, tensor in (("tokens", prompt.tokens), ("pooled", prompt.pooled)):
            tensors[f"{index}.{name}"] = tensor.to("cpu", torch.bfloat16)
    metadata = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "texts": json.dumps(list(prompts)),
    }
    write_weights(path, tensors, metadata)


def load_prompts(path: Path) -> dict[str, Prompt]:
    """Encoded prompts of a file by their texts, float32 on the CPU.

    Raises:
        FileError: it is missing, damaged, or something else.
    """
    state = read_state_dict(path)
    metadata = read_metadata(path)
    if metadata.get("format") != FORMAT or metadata.get("format_version") != FORMAT_VERSION:
        advice = "Give one that `focuspuller flux-prompts` has written."
        raise FileError(str(path), "a file of something else than encoded prompts", advice)
    try:
        texts = json.loads(metadata["texts"])
        return {
            text: Prompt(state[f"{index}.tokens"].float(), state[f"{index}.pooled"].float())
            for index, text in enumerate(texts)
        }
    except (KeyError, ValueError, TypeError) as error:
        received = f"encoded prompts of which some are missing ({error})"
        raise FileError(str(path), received, "Write the file again.") from error


def check_prompts(path: Path) -> Findings:
    """What does not fit in a file of encoded prompts."""
    load_prompts(path)
    return Findings()
