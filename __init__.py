"""Focus Puller: a real camera's focus and aperture for images.

As a ComfyUI custom node this file is all that ComfyUI imports. As a Python package it is the
public API, loaded when first used:

    import focuspuller as fp

    photo = fp.load_photo("portrait.jpg")
    camera = fp.Camera(focal_length_mm=50, f_number=1.8)
    sharp_eyes = fp.render(photo.image, photo.depth, focus_point=(0.4, 0.3), camera=camera)
    fp.save_photo("refocused.jpg", sharp_eyes, exif=photo.exif, f_number=1.8)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import FocusPullerError
    from .headless.aperture_command import bokeh_preview
    from .headless.depth import estimate_depth, refine_depth, repair_depth
    from .headless.evaluate import evaluate
    from .headless.find_focus import FoundFocus, find_focus
    from .headless.fit import fit_bokeh_level, fit_camera
    from .headless.frames import render_frames
    from .headless.generate import GeneratedScene, generate, generate_image
    from .headless.highlights import compress_highlights, recover_highlights
    from .headless.mask import refine_mask, subject_mask
    from .headless.refocus import deblur, diffcamera, refocus_photo
    from .headless.refocus_model import load_refocus_model
    from .headless.render import render
    from .headless.runner import run_workflow
    from .headless.server import submit_workflow
    from .headless.weights import fetch_model, list_models, verify_model
    from .lens.aperture import Aperture
    from .lens.bokehme import BokehMeOptions
    from .lens.depth import Depth
    from .lens.depth_sequence import DepthStabilizer
    from .lens.drbokeh import DrBokehOptions
    from .lens.fitting.fitted_lens import FittedLens
    from .lens.focus import Focus, pull_focus
    from .lens.focus_path import FocusPath
    from .lens.highlights import Highlights
    from .lens.optics import Camera
    from .lens.rack_focus import RackFocus
    from .lens.render import LENSES, Lens
    from .lens.scene_layers import SceneLayer
    from .lens.sequence import strength_pull
    from .models.bokehdiff.handle import bokehdiff_lens
    from .models.bokehme.handle import bokehme_lens
    from .models.exif_generator.handle import Generator, Sampling, open_generator
    from .models.loaded import free_models
    from .nodes import FocusPullerExtension
    from .photo.contact_sheet import contact_sheet
    from .photo.depth_files import load_depth, save_depth
    from .photo.photo import Photo, load_photo
    from .photo.saving import save_photo

WEB_DIRECTORY = "./web"

_HOMES = {
    "LENSES": "lens.render",
    "Aperture": "lens.aperture",
    "BokehMeOptions": "lens.bokehme",
    "Camera": "lens.optics",
    "Depth": "lens.depth",
    "DepthStabilizer": "lens.depth_sequence",
    "DrBokehOptions": "lens.drbokeh",
    "FittedLens": "lens.fitting.fitted_lens",
    "Focus": "lens.focus",
    "FocusPath": "lens.focus_path",
    "FocusPullerError": "errors",
    "FoundFocus": "headless.find_focus",
    "GeneratedScene": "headless.generate",
    "Generator": "models.exif_generator.handle",
    "Highlights": "lens.highlights",
    "Lens": "lens.render",
    "Photo": "photo.photo",
    "RackFocus": "lens.rack_focus",
    "Sampling": "models.exif_generator.handle",
    "SceneLayer": "lens.scene_layers",
    "bokeh_preview": "headless.aperture_command",
    "bokehdiff_lens": "models.bokehdiff.handle",
    "bokehme_lens": "models.bokehme.handle",
    "compress_highlights": "headless.highlights",
    "contact_sheet": "photo.contact_sheet",
    "deblur": "headless.refocus",
    "diffcamera": "headless.refocus",
    "estimate_depth": "headless.depth",
    "evaluate": "headless.evaluate",
    "fetch_model": "headless.weights",
    "find_focus": "headless.find_focus",
    "fit_bokeh_level": "headless.fit",
    "fit_camera": "headless.fit",
    "free_models": "models.loaded",
    "generate": "headless.generate",
    "generate_image": "headless.generate",
    "list_models": "headless.weights",
    "load_depth": "photo.depth_files",
    "load_photo": "photo.photo",
    "load_refocus_model": "headless.refocus_model",
    "open_generator": "models.exif_generator.handle",
    "pull_focus": "lens.focus",
    "recover_highlights": "headless.highlights",
    "refine_depth": "headless.depth",
    "refine_mask": "headless.mask",
    "refocus_photo": "headless.refocus",
    "render": "headless.render",
    "render_frames": "headless.frames",
    "repair_depth": "headless.depth",
    "run_workflow": "headless.runner",
    "save_depth": "photo.depth_files",
    "save_photo": "photo.saving",
    "strength_pull": "lens.sequence",
    "subject_mask": "headless.mask",
    "submit_workflow": "headless.server",
    "verify_model": "headless.weights",
}

__all__ = [
    "LENSES",
    "WEB_DIRECTORY",
    "Aperture",
    "BokehMeOptions",
    "Camera",
    "Depth",
    "DepthStabilizer",
    "DrBokehOptions",
    "FittedLens",
    "Focus",
    "FocusPath",
    "FocusPullerError",
    "FoundFocus",
    "GeneratedScene",
    "Generator",
    "Highlights",
    "Lens",
    "Photo",
    "RackFocus",
    "Sampling",
    "SceneLayer",
    "bokeh_preview",
    "bokehdiff_lens",
    "bokehme_lens",
    "comfy_entrypoint",
    "compress_highlights",
    "contact_sheet",
    "deblur",
    "diffcamera",
    "estimate_depth",
    "evaluate",
    "fetch_model",
    "find_focus",
    "fit_bokeh_level",
    "fit_camera",
    "free_models",
    "generate",
    "generate_image",
    "list_models",
    "load_depth",
    "load_photo",
    "load_refocus_model",
    "open_generator",
    "pull_focus",
    "recover_highlights",
    "refine_depth",
    "refine_mask",
    "refocus_photo",
    "render",
    "render_frames",
    "repair_depth",
    "run_workflow",
    "save_depth",
    "save_photo",
    "strength_pull",
    "subject_mask",
    "submit_workflow",
    "verify_model",
]


async def comfy_entrypoint() -> FocusPullerExtension:
    """Called by ComfyUI to load the nodes."""
    from .nodes import FocusPullerExtension
    from .nodes.routes import register_routes

    register_routes()
    return FocusPullerExtension()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
