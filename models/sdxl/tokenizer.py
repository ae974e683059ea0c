"""Words of prompts as CLIP counts them, with a vocabulary that is on this machine.

It is OpenAI's, and does not come with Focus Puller. Whoever has a folder of SDXL in diffusers'
layout has it, and so has everybody with ComfyUI.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...errors import FileError
from ..layout import Findings
from ..loaded import loaded
from ..places import found, missing
from .base import require_transformers
from .published import CLIP_TOKENIZER
from .text import END, START

# In a folder of SDXL in diffusers' layout.
FOLDER = "tokenizer"


def tokenizer_for(base: Path, given: Path | None = None, others: Iterable[Path] = ()) -> Path:
    """The folder with the vocabulary.

    Args:
        base: SDXL checkpoint; a folder of diffusers brings its own.
        given: the folder, if the user has said it.
        others: where else it may be; after the folders of models and the Hugging Face cache.

    Raises:
        FileError: there is none. Says how to get it.
    """
    if given is not None:
        if not is_tokenizer(given):
            received = f"a folder without {' and '.join(CLIP_TOKENIZER.files)}"
            raise FileError(str(given), received, "Give the folder of CLIP's tokenizer.")
        return given
    places = (base / FOLDER, found(CLIP_TOKENIZER), *others)
    place = next((place for place in places if place and is_tokenizer(place)), None)
    if place is None:
        raise missing(CLIP_TOKENIZER)
    return place


def is_tokenizer(folder: Path) -> bool:
    """Whether a folder has the files of a vocabulary."""
    return all((folder / file).is_file() for file in CLIP_TOKENIZER.files)


def words_of(prompt: str, folder: Path) -> list[int]:
    """The numbers of a prompt's words in CLIP's vocabulary, without start and end.

    Raises:
        FileError: the folder holds no tokenizer, or another one.
        MissingDependencyError: transformers is not installed.
    """
    tokenizer = loaded(_load, folder)
    return list(tokenizer(prompt, add_special_tokens=False).input_ids)


def check(folder: Path) -> Findings:
    """What does not fit in a folder of a tokenizer."""
    try:
        _load(folder)
    except FileError as error:
        return Findings(other=(error.received,))
    return Findings()


def _load(folder: Path) -> Any:
    transformers = require_transformers()
    try:
        tokenizer = transformers.CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)
        ends = tokenizer.bos_token_id, tokenizer.eos_token_id
    except Exception as error:  # Damaged files can make it raise anything.
        reason = str(error).partition("\n")[0] or type(error).__name__
        received = f"a tokenizer that cannot be read ({reason})"
        raise FileError(str(folder), received, "Copy or download it again.") from error
    if ends != (START, END):
        received = f"a tokenizer whose texts start and end with {ends}, not {(START, END)}"
        raise FileError(str(folder), received, "Give that of CLIP.")
    return tokenizer
