"""The one place where ComfyUI is met.

Inside ComfyUI this is its V3 API and the few of its services that the nodes need; anywhere else
the stand-in takes over, with the same names. Nodes import `io`, `ui` and the functions from here
and never ask which it is.
"""

from __future__ import annotations

import importlib
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from ..models.flux_base.files import install_tokenizers
from ..models.lending import install_lender
from ..models.places import install_model_folders
from .lending import ComfyLender, ModelManagement
from .standin import OutputTarget, VideoFromComponents, VideoFromFile, current_host

# ComfyUI loads its API long before any custom node. A process that has not is not ComfyUI, even
# when it was started in ComfyUI's folder and could import it.
INSIDE_COMFYUI = "comfy_api.latest" in sys.modules

if TYPE_CHECKING or not INSIDE_COMFYUI:
    from .standin import ComfyExtension, io, ui
else:
    from comfy_api.latest import ComfyExtension, io, ui

# Longest side of previews of sampling, px, as those of ComfyUI's own samplers.
PREVIEW_SIDE = 512
# Steps in which fractions are reported.
FRACTION_STEPS = 100

__all__ = [
    "INSIDE_COMFYUI",
    "ComfyExtension",
    "OutputTarget",
    "has_browser",
    "input_files",
    "input_path",
    "intermediate_device",
    "io",
    "make_room",
    "metadata_enabled",
    "model_files",
    "model_folders",
    "model_path",
    "output_target",
    "progress",
    "progress_of_whole",
    "progress_with_latents",
    "progress_with_previews",
    "render_device",
    "serve",
    "shared_folders",
    "stop_if_asked",
    "temp_path",
    "tokenizer_folders",
    "ui",
    "video_from_file",
    "video_in_memory",
]


def input_files(extensions: Sequence[str]) -> list[str]:
    """Names of the files in the input folder (not below it), sorted.

    Args:
        extensions: in lower case with the dot, such as ".png".
    """
    if not INSIDE_COMFYUI:
        return current_host().input_files(extensions)
    folder = Path(_comfy("folder_paths").get_input_directory())
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.suffix.lower() in extensions and path.is_file()
    )


def input_path(name: str) -> Path:
    """The file that an input means: in the input folder, or where "[output]" or "[temp]" says.

    The file need not exist.
    """
    if not INSIDE_COMFYUI:
        return current_host().input_path(name)
    return Path(_comfy("folder_paths").get_annotated_filepath(name))


def model_folders(kind: str) -> list[Path]:
    """The folders of a kind of weights, in the order of search.

    Args:
        kind: such as "bokehme".
    """
    if not INSIDE_COMFYUI:
        return current_host().model_folders(kind)
    return [Path(folder) for folder in _folders_with_models(kind).get_folder_paths(kind)]


def model_files(folder: str, extensions: Sequence[str]) -> list[str]:
    """Names of the weights in and below one of the folders of models, sorted.

    Args:
        folder: such as "bokehme".
        extensions: in lower case with the dot, such as ".pth".
    """
    if not INSIDE_COMFYUI:
        return current_host().model_files(folder, extensions)
    names = _folders_with_models(folder).get_filename_list(folder)
    return sorted(name for name in names if Path(name).suffix.lower() in extensions)


def model_path(folder: str, name: str) -> Path:
    """The file that `model_files` calls `name`. The file need not exist."""
    if not INSIDE_COMFYUI:
        return current_host().model_path(folder, name)
    return Path(_folders_with_models(folder).get_full_path(folder, name) or name)


def _folders_with_models(folder: str) -> Any:
    """ComfyUI's `folder_paths`, to which our folder of models is known."""
    paths = _comfy("folder_paths")
    paths.add_model_folder_path(folder, str(Path(paths.models_dir) / folder))
    return paths


def output_target(filename_prefix: str, width: int, height: int) -> OutputTarget:
    """Where the next picture called `filename_prefix` goes; makes the folder.

    Args:
        filename_prefix: may hold a subfolder, `%width%`, `%height%` and `%year%`, `%month%` ….
        width: px.
        height: px.

    Returns:
        (folder, stem, counter, subfolder); a PNG is `folder / f"{stem}_{counter:05}_.png"`.
    """
    if not INSIDE_COMFYUI:
        return current_host().output_target(filename_prefix, width, height)
    paths = _comfy("folder_paths")
    folder, stem, counter, subfolder, _ = paths.get_save_image_path(
        filename_prefix, paths.get_output_directory(), width, height
    )
    return OutputTarget(Path(folder), stem, counter, subfolder)


def shared_folders() -> list[Path]:
    """The folders whose files a browser may see: input, output and temp."""
    if not INSIDE_COMFYUI:
        host = current_host()
        return [*host.input_dirs, host.output_dir, host.temp_dir]
    paths = _comfy("folder_paths")
    folders = ("input", "output", "temp")
    return [Path(getattr(paths, f"get_{folder}_directory")()) for folder in folders]


def serve(path: str, handler: Callable[[Any], Any]) -> None:
    """Let ComfyUI's server answer `GET path` with an aiohttp handler; nothing without ComfyUI."""
    if INSIDE_COMFYUI:
        _comfy("server").PromptServer.instance.routes.get(path)(handler)


def temp_path(suffix: str) -> Path:
    """A new file name in the folder for what is handed on but not kept."""
    folder = Path(
        _comfy("folder_paths").get_temp_directory() if INSIDE_COMFYUI else current_host().temp_dir
    )
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"focus_puller_{secrets.token_hex(8)}{suffix}"


def video_from_file(path: Path) -> Any:
    """What goes along a VIDEO link for a video file."""
    if not INSIDE_COMFYUI:
        return VideoFromFile(path)
    return _comfy("comfy_api.latest").InputImpl.VideoFromFile(str(path))


def video_in_memory(video: Any) -> Any | None:
    """The components (images, frame rate, audio) of a video that was never a file, else None."""
    kind = VideoFromComponents
    if INSIDE_COMFYUI:
        kind = _comfy("comfy_api.latest").InputImpl.VideoFromComponents
    return video.get_components() if isinstance(video, kind) else None


def render_device() -> torch.device:
    """Where to compute."""
    if not INSIDE_COMFYUI:
        return current_host().render_device()
    return _comfy("comfy.model_management").get_torch_device()


def intermediate_device() -> torch.device:
    """Where tensors between nodes live."""
    if not INSIDE_COMFYUI:
        return torch.device("cpu")
    return _comfy("comfy.model_management").intermediate_device()


def make_room(n_bytes: int) -> None:
    """Let ComfyUI unload models until `n_bytes` are free where `render_device` computes."""
    if INSIDE_COMFYUI:
        _comfy("comfy.model_management").free_memory(n_bytes, render_device())


def progress(total: int) -> Callable[[int], None]:
    """A function that reports how many of `total` steps are done.

    Inside ComfyUI it raises when the user has asked to stop.
    """
    if not INSIDE_COMFYUI:
        host = current_host()
        return lambda done: host.step(done, total)
    bar = _comfy("comfy.utils").ProgressBar(total)

    def report(done: int) -> None:
        stop_if_asked()
        bar.update_absolute(done)

    return report


def progress_of_whole() -> Callable[[float], None]:
    """As `progress`, for work that tells which fraction of it is done, 0..1."""
    report = progress(FRACTION_STEPS)
    return lambda fraction: report(round(FRACTION_STEPS * fraction))


def has_browser() -> bool:
    """Whether a browser shows what nodes put into their `ui`."""
    return INSIDE_COMFYUI or current_host().has_browser


def progress_with_previews() -> Callable[[int, int, Callable[[], Tensor]], None]:
    """A function that reports (steps done, steps in all, what makes a small picture of them).

    The picture `[1,3,H,W]` in 0..1 is made and shown on the node where the user has ComfyUI show
    previews of sampling. Inside ComfyUI the function raises when the user has asked to stop.
    """
    if not INSIDE_COMFYUI:
        host = current_host()
        return lambda done, total, preview: host.step(done, total)
    bar = _comfy("comfy.utils").ProgressBar(1)

    def report(done: int, total: int, preview: Callable[[], Tensor]) -> None:
        stop_if_asked()
        cli = _comfy("comfy.cli_args")
        is_shown = cli.args.preview_method != cli.LatentPreviewMethod.NoPreviews
        bar.update_absolute(done, total, _as_preview(preview()) if is_shown else None)

    return report


def progress_with_latents(total: int) -> Callable[[int, Tensor], None]:
    """As `progress`, with the clean latents of SDXL that there are so far, `[B,4,h,w]`.

    Inside ComfyUI the first picture of them is shown as ComfyUI shows those of its own samplers.
    """
    if not INSIDE_COMFYUI:
        host = current_host()
        return lambda done, latents: host.step(done, total)
    bar = _comfy("comfy.utils").ProgressBar(total)
    sdxl = _comfy("comfy.latent_formats").SDXL()
    previewer = _comfy("latent_preview").get_previewer(render_device(), sdxl)

    def report(done: int, latents: Tensor) -> None:
        stop_if_asked()
        preview = previewer and previewer.decode_latent_to_preview_image("JPEG", latents[:1])
        bar.update_absolute(done, preview=preview)

    return report


def stop_if_asked() -> None:
    """Raises when the user has asked ComfyUI to stop."""
    if INSIDE_COMFYUI:
        _comfy("comfy.model_management").throw_exception_if_processing_interrupted()


def _as_preview(picture: Tensor) -> tuple[str, Image.Image, int]:
    """A small picture as ComfyUI's progress bar takes it: format, picture, longest side."""
    pixels = (picture[0].movedim(0, -1) * 255.0).round().to("cpu", torch.uint8)
    return "JPEG", Image.fromarray(pixels.numpy()), PREVIEW_SIDE


def tokenizer_folders() -> list[Path]:
    """Folders with CLIP's vocabulary that the host brings."""
    if not INSIDE_COMFYUI:
        return []
    return [_comfy_folder() / "sd1_tokenizer"]


def metadata_enabled() -> bool:
    """Whether saved files may carry the workflow."""
    return not (INSIDE_COMFYUI and _comfy("comfy.cli_args").args.disable_metadata)


def _comfy(module: str) -> Any:
    return importlib.import_module(module)


def _comfy_folder() -> Path:
    """ComfyUI's package, in which the tokenizers of its text encoders lie."""
    return Path(str(_comfy("comfy.sd1_clip").__file__)).parent


def _tokenizers() -> tuple[Path, Path] | None:
    """The tokenizers of CLIP-L and T5 that ComfyUI brings."""
    folder = _comfy_folder()
    folders = folder / "sd1_tokenizer", folder / "text_encoders" / "t5_tokenizer"
    return folders if all(one.is_dir() for one in folders) else None


def _model_management() -> ModelManagement:
    return ModelManagement(
        _comfy("comfy.model_management"), _comfy("comfy.model_patcher"), _comfy("comfy.ops")
    )


install_model_folders(model_folders)
if INSIDE_COMFYUI:
    install_lender(ComfyLender(_model_management))
    install_tokenizers(_tokenizers)
