"""Which files make a base model: given ones, and those that are found for the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import FileError
from ..layout import Findings
from ..places import found, located
from .autoencoder import check_autoencoder, has_autoencoder
from .published import (
    FLUX_AUTOENCODER,
    FLUX_BASES,
    FLUX_CLIP,
    FLUX_PROMPTS,
    FLUX_T5,
    FLUX_TOKENIZERS,
)
from .text_encoders import check_clip, check_t5, holds_text_encoders, load_tokenizer
from .transformer import check_transformer

# Folders of the tokenizers of CLIP and T5 in diffusers' layout.
TOKENIZERS = ("tokenizer", "tokenizer_2")
TOKENIZER_CLASSES = ("CLIPTokenizer", "T5TokenizerFast")

# Gives those two folders, if whoever runs us has them.
TokenizerFolders = Callable[[], tuple[Path, Path] | None]
_installed: TokenizerFolders = lambda: None  # noqa: E731


def install_tokenizers(folders: TokenizerFolders) -> None:
    """Say where tokenizers are that come with the program we run in."""
    global _installed
    _installed = folders


@dataclass(frozen=True)
class BaseFiles:
    """The files or folders of a base model.

    Args:
        transformer: one file, or diffusers' folder.
        autoencoder: may be the same.
        clip: may be the same; None if it is nowhere.
        t5: may be the same; None if it is nowhere.
        tokenizers: folders of CLIP's and T5's.
        prompts: of encoded prompts.
    """

    transformer: Path
    autoencoder: Path
    clip: Path | None = None
    t5: Path | None = None
    tokenizers: tuple[Path, Path] | None = None
    prompts: Path | None = None

    def require_text_encoders(self) -> tuple[Path, Path, tuple[Path, Path]]:
        """CLIP, T5 and tokenizers.

        Raises:
            FileError: one of them is nowhere. Names it, its source, its licence and its folder.
        """
        clip = self.clip or located(FLUX_CLIP)
        t5 = self.t5 or located(FLUX_T5)
        return clip, t5, self.tokenizers or _tokenizers_in(located(FLUX_TOKENIZERS))


def base_files(
    transformer: Path | str | None = None,
    autoencoder: Path | str | None = None,
    clip: Path | str | None = None,
    t5: Path | str | None = None,
    tokenizers: Path | str | None = None,
    prompts: Path | str | None = None,
) -> BaseFiles:
    """The files of a base model.

    What is not given is taken from the transformer's file or folder if that has it, else found by
    its published names in the folders of models and the Hugging Face cache.

    Args:
        transformer: a file in diffusers' or the original names, in 16 or 8 bits or GGUF, with or
            without the other parts; or a folder of diffusers.
        autoencoder: a file or folder.
        clip: a file or folder.
        t5: a file or folder.
        tokenizers: a folder with the folders `tokenizer` and `tokenizer_2`, such as diffusers'.
        prompts: a file of encoded prompts, which makes the four last needless for its texts.

    Raises:
        FileError: transformer or autoencoder are nowhere, or a given path does not exist.
    """
    path = located(FLUX_BASES, transformer)
    given = {"autoencoder": autoencoder, "clip": clip, "t5": t5, "prompts": prompts}
    parts: dict[str, Any] = _parts_of_folder(path) if path.is_dir() else _parts_of_file(path)
    parts |= {name: _existing(one) for name, one in given.items() if one is not None}
    if tokenizers is not None:
        parts["tokenizers"] = _tokenizers_in(_existing(tokenizers))
    return BaseFiles(**_completed(parts))


def check_folder(path: Path) -> Findings:
    """What does not fit in a folder of diffusers."""
    return (
        check_transformer(path)
        + check_autoencoder(path)
        + check_clip(path)
        + check_t5(path)
        + check_tokenizers(path)
    )


def check_tokenizers(path: Path) -> Findings:
    """Whether a folder holds both tokenizers."""
    for folder, name in zip(_tokenizers_in(path), TOKENIZER_CLASSES, strict=True):
        load_tokenizer(folder, name)
    return Findings()


def _parts_of_folder(folder: Path) -> dict[str, Any]:
    """What is in a folder: of the whole model, or of its transformer alone."""
    if not (folder / "transformer").is_dir():
        return {"transformer": folder}
    names = {"autoencoder": "vae", "clip": "text_encoder", "t5": "text_encoder_2"}
    parts: dict[str, Any] = {
        part: folder / name for part, name in names.items() if (folder / name).is_dir()
    }
    if all((folder / name).is_dir() for name in TOKENIZERS):
        parts["tokenizers"] = _tokenizers_in(folder)
    return {"transformer": folder / "transformer", **parts}


def _parts_of_file(path: Path) -> dict[str, Any]:
    """What is in a file: the transformer, perhaps with the others."""
    parts = {"transformer": path}
    if has_autoencoder(path):
        parts["autoencoder"] = path
    if holds_text_encoders(path):
        parts |= {"clip": path, "t5": path}
    return parts


def _completed(parts: dict[str, Any]) -> dict[str, Any]:
    """With what is found in the folders of models."""
    parts = dict(parts)
    if "autoencoder" not in parts:
        parts["autoencoder"] = located(FLUX_AUTOENCODER)
    for part, weights in (("clip", FLUX_CLIP), ("t5", FLUX_T5), ("prompts", FLUX_PROMPTS)):
        if part not in parts:
            parts[part] = found(weights)
    if "tokenizers" not in parts:
        folder = found(FLUX_TOKENIZERS)
        parts["tokenizers"] = _tokenizers_in(folder) if folder else _installed()
    return parts


def _tokenizers_in(folder: Path) -> tuple[Path, Path]:
    clip, t5 = (folder / name for name in TOKENIZERS)
    if not (clip.is_dir() and t5.is_dir()):
        received = f"a folder without {' and '.join(TOKENIZERS)}"
        raise FileError(str(folder), received, "Give the folder of FLUX.1-dev that has them.")
    return clip, t5


def _existing(path: Path | str) -> Path:
    if not Path(path).exists():
        raise FileError(str(path), "a file that does not exist", "Check the path.")
    return Path(path)
