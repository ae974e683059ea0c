"""A base model of files: each part loaded when it is used first, shared by all that use it."""

from __future__ import annotations

import torch

from ..flux.base import FluxBase
from ..lending import compute_dtype
from ..loaded import loaded
from .autoencoder import FluxAutoencoder, load_autoencoder
from .files import TOKENIZER_CLASSES, BaseFiles
from .prompts import Prompts, load_prompts
from .text_encoders import TextEncoders, load_clip, load_t5, load_tokenizer
from .transformer import load_transformer

# By the names that users give.
PRECISIONS = {
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float32": torch.float32,
}
SUPPORTED = (torch.bfloat16, torch.float16)
# float16 does not reach as far as T5 and the autoencoder need.
WITHOUT_FLOAT16 = (torch.bfloat16,)


def load_base(
    files: BaseFiles,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    sparing: bool = False,
) -> FluxBase:
    """A base model.

    Args:
        files: see `base_files`.
        device: where it shall compute.
        dtype: in which type; by default the fastest that it computes well in there.
        sparing: have two blocks at a time on the device even where there is room for more.

    Raises:
        FileError: a file is damaged or holds something else.
        MissingDependencyError: a library of the extras "diffusion" or "gguf" is missing.
    """
    place = torch.device(device)
    chosen = dtype or compute_dtype(place, SUPPORTED)
    others = chosen if chosen != torch.float16 else compute_dtype(place, WITHOUT_FLOAT16)
    autoencoder = loaded(load_autoencoder, files.autoencoder, others)
    return FluxBase(
        name=(files.transformer.parent if files.transformer.is_dir() else files.transformer).name,
        transformer=loaded(load_transformer, files.transformer, chosen),
        autoencoder=FluxAutoencoder(autoencoder, place, others),
        prompts=_prompts(files, place, others),
        device=place,
        dtype=chosen,
        sparing=sparing,
    )


def _prompts(files: BaseFiles, device: torch.device, dtype: torch.dtype) -> Prompts:
    def encoders() -> TextEncoders:
        clip, t5, tokenizers = files.require_text_encoders()
        clip_tokenizer, t5_tokenizer = (
            loaded(load_tokenizer, folder, name)
            for folder, name in zip(tokenizers, TOKENIZER_CLASSES, strict=True)
        )
        return TextEncoders(
            loaded(load_clip, clip, dtype),
            loaded(load_t5, t5, dtype),
            clip_tokenizer,
            t5_tokenizer,
            device,
        )

    known = {} if files.prompts is None else loaded(load_prompts, files.prompts)
    return Prompts(known, encoders)
