"""SDXL's networks from a base checkpoint: a single file, or a folder in diffusers' layout.

Nothing is downloaded: what a single file does not say is in `config`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...errors import FileError, MissingDependencyError
from ..layout import Findings, compared, shapes_of
from ..state_dict import StateDict, load_network, read_state_dict
from ..weights import Weights
from .config import SDXL, Config, SdxlConfig
from .published import SDXL_BASE

# Names of the files in a diffusers folder, best first; half precision has half the size.
DIFFUSION_FILES = (
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.fp16.safetensors",
)
TEXT_FILES = ("model.safetensors", "model.fp16.safetensors")
# Tables of positions that old files hold: 0, 1, 2 ….
POSITION_IDS = "embeddings.position_ids"


@dataclass(frozen=True)
class Part:
    """One of SDXL's networks.

    Args:
        folder: in diffusers' layout.
        files: there, best first.
        prefix: of its tensors in a single file.
        config: of its shapes in a single file.
        make: makes it from a config.
        rename: from the names in a single file to the network's own.
    """

    folder: str
    files: tuple[str, ...]
    prefix: str
    config: Config
    make: Callable[[Config], nn.Module]
    rename: Callable[[StateDict], StateDict]


def base_of(path: Path) -> Path:
    """The checkpoint that a path means: a single file, or the folder that a network's file is in.

    So a folder in diffusers' layout can be chosen by any of its files, as in lists of files.

    Raises:
        FileError: it is no checkpoint.
    """
    for folder in (path, *path.parents[:2]):
        if (folder / "unet" / "config.json").is_file():
            return folder
    if path.is_file():
        return path
    received = "a folder without unet/config.json" if path.is_dir() else "a file that is not there"
    advice = "Give an SDXL checkpoint: a .safetensors file, or a folder in diffusers' layout."
    raise FileError(str(path), received, advice)


def load_unet(base: Path, dtype: torch.dtype, config: SdxlConfig = SDXL) -> Any:
    """SDXL's `UNet2DConditionModel`, on the CPU.

    Args:
        base: see `base_of`.
        dtype: of its weights.
        config: of a single file.

    Raises:
        FileError: the checkpoint has none, or one of another layout.
        MissingDependencyError: diffusers is not installed.
    """
    return _load(base, unet_part(config), dtype)


def load_other_unet(
    path: Path,
    base: Path,
    weights: Weights,
    dtype: torch.dtype,
    config: SdxlConfig = SDXL,
    extract: Callable[[StateDict], StateDict] = dict,
) -> Any:
    """A UNet with the shapes of a base checkpoint's, from a file of its own, on the CPU.

    Args:
        path: the file, with diffusers' names or those of a single-file checkpoint.
        base: see `base_of`.
        weights: what the file should be, for errors.
        dtype: of its weights.
        config: of a single-file base.
        extract: the UNet's tensors out of the file's.

    Raises:
        FileError: it is missing, unreadable, or for another network.
        MissingDependencyError: diffusers is not installed.
    """
    part = unet_part(replace(config, unet=_config_and_file(base, unet_part(config))[0]))
    return load_network(
        lambda: part.make(part.config),
        path,
        weights,
        dtype,
        convert=lambda state: unet_names(extract(state), part),
    )


def unet_names(state: StateDict, part: Part) -> StateDict:
    """A UNet's tensors under diffusers' names, whatever a file of it calls them."""
    for prefix in (part.prefix, part.prefix.removeprefix("model.")):
        own = {name: one for name, one in state.items() if name.startswith(prefix)}
        if own:
            return part.rename(
                {part.prefix + name.removeprefix(prefix): one for name, one in own.items()}
            )
    return {name.removeprefix("unet."): one for name, one in state.items()}


def load_vae(base: Path, config: SdxlConfig = SDXL) -> Any:
    """SDXL's `AutoencoderKL`, on the CPU, in float32: in float16 its activations overflow.

    Large pictures go through it in tiles.

    Raises:
        FileError: as `load_unet`.
        MissingDependencyError: diffusers is not installed.
    """
    vae = _load(base, vae_part(config), torch.float32)
    vae.enable_tiling()
    return vae


def load_text_encoders(
    base: Path, dtype: torch.dtype = torch.float32, config: SdxlConfig = SDXL
) -> tuple[Any, Any]:
    """SDXL's `CLIPTextModel` and `CLIPTextModelWithProjection`, on the CPU.

    Raises:
        FileError: as `load_unet`.
        MissingDependencyError: diffusers or transformers is not installed.
    """
    first, second = text_parts(config)
    return _load(base, first, dtype), _load(base, second, dtype)


def check(path: Path) -> Findings:
    """What does not fit in a checkpoint of SDXL. Its values are not read."""
    base = base_of(path)
    problems = Findings()
    for part in (unet_part(), vae_part(), *text_parts()):
        config, file = _config_and_file(base, part)
        named = _named(read_state_dict(file), base, part, config)
        problems += compared(shapes_of(named), shapes_of(_empty(part, config)))
    return problems


def unet_part(config: SdxlConfig = SDXL) -> Part:
    """The UNet."""
    make = require_diffusers().UNet2DConditionModel.from_config
    convert = _single_file().convert_ldm_unet_checkpoint
    return Part(
        *("unet", DIFFUSION_FILES, "model.diffusion_model.", config.unet, make),
        lambda state: convert(state, dict(config.unet)),
    )


def vae_part(config: SdxlConfig = SDXL) -> Part:
    """The VAE."""
    make = require_diffusers().AutoencoderKL.from_config
    convert = _single_file().convert_ldm_vae_checkpoint
    return Part(
        *("vae", DIFFUSION_FILES, "first_stage_model.", config.vae, make),
        lambda state: convert(state, dict(config.vae)),
    )


def text_parts(config: SdxlConfig = SDXL) -> tuple[Part, Part]:
    """Both text encoders."""
    transformers, single_file = require_transformers(), _single_file()

    def make(values: Config) -> nn.Module:
        return _with_positions(transformers.CLIPTextModel(transformers.CLIPTextConfig(**values)))

    def make_2(values: Config) -> nn.Module:
        configured = transformers.CLIPTextConfig(**values)
        return _with_positions(transformers.CLIPTextModelWithProjection(configured))

    def rename_2(state: StateDict) -> StateDict:
        with torch.device("meta"):
            model = make_2(config.text_encoder_2)
        return single_file.convert_open_clip_checkpoint(model, state, prefix=second.prefix)

    first = Part(
        *("text_encoder", TEXT_FILES, "conditioner.embedders.0.transformer."),
        *(config.text_encoder, make, single_file.convert_ldm_clip_checkpoint),
    )
    second = Part(
        *("text_encoder_2", TEXT_FILES, "conditioner.embedders.1.model."),
        *(config.text_encoder_2, make_2, rename_2),
    )
    return first, second


def _load(base: Path, part: Part, dtype: torch.dtype) -> Any:
    config, file = _config_and_file(base, part)
    return load_network(
        lambda: part.make(config),
        file,
        SDXL_BASE,
        dtype,
        convert=lambda state: _named(state, base, part, config),
    )


def _config_and_file(base: Path, part: Part) -> tuple[Config, Path]:
    if base.is_file():
        return part.config, base
    folder = base / part.folder
    file = next((folder / name for name in part.files if (folder / name).is_file()), None)
    if file is None:
        received = f"a folder without {part.files[0]}"
        raise FileError(str(folder), received, "Copy or download it whole.")
    return _read_config(folder / "config.json"), file


def _read_config(path: Path) -> Config:
    try:
        values = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FileError(str(path), f"no readable JSON ({error})", "Copy it again.") from error
    return {name: value for name, value in values.items() if not name.startswith("_")}


def _named(state: StateDict, base: Path, part: Part, config: Config) -> StateDict:
    """The tensors of one network under the names that it gives them."""
    if base.is_file():
        state = {name: one for name, one in state.items() if name.startswith(part.prefix)}
        if not state:
            received = f"a file without SDXL's {part.folder} (no tensor is called {part.prefix}…)"
            raise FileError(str(base), received, f"Give a checkpoint such as {SDXL_BASE.file}.")
        state = part.rename(state)
    state = {name: one for name, one in state.items() if not name.endswith(POSITION_IDS)}
    # Files say "text_model." before all names of text encoders, newer versions of transformers do
    # not before those of CLIPTextModel.
    if any(name.startswith("text_model.") for name in _empty(part, config)):
        return state
    return {name.removeprefix("text_model."): one for name, one in state.items()}


def _empty(part: Part, config: Config) -> StateDict:
    """A network's own names and shapes, without memory."""
    with torch.device("meta"):
        return part.make(config).state_dict()


def _with_positions(encoder: nn.Module) -> nn.Module:
    """A text encoder whose table of positions is no meta tensor, whatever device is the default.

    No file holds it, and to compute it anew would take a whole second encoder.
    """
    for module in encoder.modules():
        table = module._buffers.get("position_ids")
        if table is not None:
            module._buffers["position_ids"] = torch.arange(table.shape[-1], device="cpu")[None]
    return encoder


def require_diffusers() -> Any:
    """diffusers, imported when it is needed.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import diffusers
    except ImportError as error:
        raise _missing("diffusers") from error
    return diffusers


def require_transformers() -> Any:
    """transformers, imported when it is needed.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        raise _missing("transformers") from error
    return transformers


def _single_file() -> Any:
    """diffusers' conversion of names from single files."""
    require_diffusers()
    from diffusers.loaders import single_file_utils

    return single_file_utils


def _missing(library: str) -> MissingDependencyError:
    advice = "Install it: pip install 'focuspuller[diffusion]'."
    return MissingDependencyError(library, "a missing library", advice)
