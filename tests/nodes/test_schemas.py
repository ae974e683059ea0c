"""What every node promises: ids that never change, help everywhere, defaults within their range."""

from __future__ import annotations

import asyncio
import inspect
import re
from dataclasses import fields, make_dataclass
from pathlib import Path
from typing import Any

import focuspuller
import pytest
from focuspuller.models.refocus.sampling import Sampling
from focuspuller.nodes import NODE_CLASSES
from focuspuller.nodes.comfy import io

ROOT = Path(focuspuller.__file__).parent
HELP_PAGES = ROOT / "web" / "docs"
# Inputs whose choices are the files of the machine.
FILE_LISTS = {
    *["photo", "file", "base", "student", "exif_projection", "model", "depth_model", "weights"],
    *["arnet", "iunet", "deblur", "bokeh", "aperture", "diffcamera"],
    *["autoencoder", "clip_l", "t5xxl"],
}

# Workflows hold these. An id may be added here, never changed or taken away.
NODE_IDS = [
    "FocusPullerAlignDepth",
    "FocusPullerAperture",
    "FocusPullerApertureSweep",
    "FocusPullerBokehDiffLens",
    "FocusPullerBokehMeLens",
    "FocusPullerBokehNet",
    "FocusPullerBokehPreview",
    "FocusPullerCamera",
    "FocusPullerCompare",
    "FocusPullerCompressHighlights",
    "FocusPullerDeblurNet",
    "FocusPullerDefocusMap",
    "FocusPullerDepthFromImage",
    "FocusPullerDiffCameraRefocus",
    "FocusPullerDrBokehLens",
    "FocusPullerEstimateDepth",
    "FocusPullerFindFocus",
    "FocusPullerFitLens",
    "FocusPullerFocusDistance",
    "FocusPullerFocusFromMask",
    "FocusPullerFocusPoint",
    "FocusPullerFocusPull",
    "FocusPullerGenerateAllInFocus",
    "FocusPullerLayeredLens",
    "FocusPullerLoadDepth",
    "FocusPullerLoadPhoto",
    "FocusPullerLoadRefocusModel",
    "FocusPullerRackFocusTimeline",
    "FocusPullerRecoverHighlights",
    "FocusPullerRefineDepth",
    "FocusPullerRefineMask",
    "FocusPullerRefocusPhoto",
    "FocusPullerRenderBokeh",
    "FocusPullerRenderBokehVideo",
    "FocusPullerRepairDepth",
    "FocusPullerSamplePhoto",
    "FocusPullerSavePhoto",
    "FocusPullerStabilizeDepth",
    "FocusPullerSubjectMask",
    "FocusPullerTafLens",
]
# So do these: the inputs of each node, in the order of their widgets.
INPUT_IDS = {
    "FocusPullerEstimateDepth": ["image", "model", "resolution", "camera"],
    "FocusPullerSubjectMask": ["image", "model", "resolution"],
    "FocusPullerAlignDepth": ["depth", "image", "radius", "edge_threshold"],
    "FocusPullerAperture": [
        *["blades", "rotation_degrees", "roundness", "shape", "squeeze", "obstruction"],
        *["spherical_aberration", "cats_eye", "swirl", "axial_chromatism"],
    ],
    "FocusPullerApertureSweep": [
        *["image", "defocus", "f_numbers", "f_number", "columns", "captions", "camera", "lens"],
        "aperture",
    ],
    "FocusPullerBokehDiffLens": ["strength", "weights", "base"],
    "FocusPullerBokehMeLens": [
        *["light", "gamma", "weighting", "method", "highlights", "arnet", "iunet"],
    ],
    "FocusPullerBokehNet": [
        *["model", "image", "defocus", "steps", "seed", "keep_in_focus", "tile", "tiles_at_once"],
        *["refresh_every", "keep_colors", "aperture"],
    ],
    "FocusPullerBokehPreview": ["aperture", "radius", "width", "height"],
    "FocusPullerRackFocusTimeline": ["keyframes", "frames", "camera"],
    "FocusPullerCamera": ["f_number", "focal_length_mm", "sensor_width_mm", "photo"],
    "FocusPullerCompare": ["before", "after", "defocus"],
    "FocusPullerCompressHighlights": ["image", "highlights", "linear"],
    "FocusPullerDeblurNet": [
        *["model", "image", "steps", "seed", "tile", "tiles_at_once", "refresh_every"],
        *["keep_colors", "pre_deblurred"],
    ],
    "FocusPullerDefocusMap": ["depth", "focus", "bokeh_level", "focus_scale", "camera", "image"],
    "FocusPullerDepthFromImage": [
        *["image", "mask", "encoding", "near_is_white", "near_m", "far_m"],
    ],
    "FocusPullerDiffCameraRefocus": [
        *["model", "image", "x", "y", "bokeh_level", "steps", "seed", "refresh_every"],
        *["keep_colors", "depth"],
    ],
    "FocusPullerDrBokehLens": ["layers", "kernel", "foreground", "background", "linear"],
    "FocusPullerFindFocus": [
        *["image", "depth", "weights", "focus_range", "distance_override", "mask"],
    ],
    "FocusPullerFitLens": [
        *["all_in_focus", "bokeh", "depth", "camera", "focus", "lens", "linear"],
    ],
    "FocusPullerFocusDistance": ["distance", "unit", "focus_range"],
    "FocusPullerFocusFromMask": ["depth", "mask", "focus_range"],
    "FocusPullerFocusPoint": ["depth", "x", "y", "focus_range", "also_sharp", "region"],
    "FocusPullerFocusPull": ["start", "end", "frames", "easing"],
    "FocusPullerGenerateAllInFocus": [
        *["prompt", "width", "height", "seed", "batch", "steps", "guidance", "conditioning"],
        *["student", "exif_projection", "base", "camera", "positive", "negative"],
    ],
    "FocusPullerLayeredLens": ["repair_depth"],
    "FocusPullerLoadDepth": ["file", "encoding", "near_is_white", "near_m", "far_m"],
    "FocusPullerLoadPhoto": ["photo"],
    "FocusPullerLoadRefocusModel": [
        *["base", "deblur", "bokeh", "aperture", "diffcamera", "autoencoder", "clip_l", "t5xxl"],
        *["precision", "save_memory", "model", "vae", "clip"],
    ],
    "FocusPullerRecoverHighlights": ["image", "stops", "threshold", "halo_color", "linear"],
    "FocusPullerRefineDepth": ["depth", "image"],
    "FocusPullerRefineMask": ["mask", "image", "radius"],
    "FocusPullerRefocusPhoto": [
        *["model", "image", "x", "y", "bokeh_level", "deblur", "steps", "seed", "depth_model"],
        *["keep_in_focus", "tile", "tiles_at_once", "refresh_every", "keep_colors", "depth"],
        *["focus", "mask", "camera", "lens", "aperture"],
    ],
    "FocusPullerRenderBokeh": ["image", "defocus", "lens", "aperture", "linear"],
    "FocusPullerRenderBokehVideo": [
        *["video", "x", "y", "bokeh_level", "highlight_stops", "near_is_white"],
        *[
            "near_m",
            "far_m",
            "depth_smoothing",
            "crf",
            "depth_video",
            "depth",
            "focus",
            "camera",
            "lens",
        ],
        "aperture",
    ],
    "FocusPullerRepairDepth": ["depth", "flying_pixels", "image", "holes"],
    "FocusPullerSamplePhoto": ["sample"],
    "FocusPullerSavePhoto": [
        *["images", "filename_prefix", "format", "quality", "photo", "camera", "focus", "depth"],
        "linear",
    ],
    "FocusPullerStabilizeDepth": ["depth", "smoothing", "images"],
    "FocusPullerTafLens": [],
}

every_node = pytest.mark.parametrize("node", NODE_CLASSES, ids=lambda node: node.__name__)


def inputs_of(*kinds: type) -> list[Any]:
    return [
        pytest.param(port, id=f"{node.__name__}.{port.id}")
        for node in NODE_CLASSES
        for port in node.GET_SCHEMA().inputs
        if isinstance(port, kinds)
    ]


def test_the_ids_of_all_nodes_stay_as_they_are():
    assert sorted(node.GET_SCHEMA().node_id for node in NODE_CLASSES) == NODE_IDS


def test_comfyui_gets_all_of_them():
    extension = asyncio.run(focuspuller.comfy_entrypoint())
    assert asyncio.run(extension.get_node_list()) == list(NODE_CLASSES)


@every_node
def test_names_of_inputs_stay_as_they_are(node):
    schema = node.GET_SCHEMA()
    assert [port.id for port in schema.inputs] == INPUT_IDS[schema.node_id]


@every_node
def test_a_node_is_found_under_focus_puller_and_described(node):
    schema = node.GET_SCHEMA()
    assert schema.node_id.startswith("FocusPuller")
    assert re.match(r"Focus Puller(/|$)", schema.category)
    assert schema.display_name
    assert schema.description.endswith(".")


def test_no_two_nodes_share_a_name():
    names = [node.GET_SCHEMA().display_name for node in NODE_CLASSES]
    assert len(set(names)) == len(names)


@every_node
def test_a_node_is_found_by_other_words_than_its_name(node):
    schema = node.GET_SCHEMA()
    words = schema.search_aliases
    assert len(set(words)) == len(words) >= 2
    assert all(word == word.lower().strip() for word in words)
    assert schema.display_name.lower() not in words


def test_no_two_nodes_are_found_by_the_same_word():
    words = [word for node in NODE_CLASSES for word in node.GET_SCHEMA().search_aliases]
    assert sorted(set(words)) == sorted(words)


def test_a_comfyui_that_knows_no_such_words_is_not_troubled(monkeypatch):
    older = make_dataclass(
        "Schema", [(f.name, f.type, f) for f in fields(io.Schema) if f.name != "search_aliases"]
    )
    monkeypatch.setattr(io, "Schema", older)
    with pytest.raises(TypeError):
        io.Schema("Node", search_aliases=["word"])
    for node in NODE_CLASSES:
        assert node.define_schema().node_id in NODE_IDS


@every_node
def test_every_input_has_a_tooltip(node):
    for port in node.GET_SCHEMA().inputs:
        assert port.tooltip, port.id
        assert port.tooltip.endswith((".", "…")), port.id


@every_node
def test_every_output_has_a_name_and_execute_takes_every_input(node):
    schema = node.GET_SCHEMA()
    assert all(output.display_name for output in schema.outputs)
    parameters = dict(inspect.signature(node.execute).parameters)
    named = {port.id for port in schema.inputs}
    if parameters.pop("passes", None) is not None:  # settings of `Sampling` by their names
        settings = inspect.signature(Sampling).parameters
        parameters |= {name: settings[name] for name in named & set(settings) - set(parameters)}
    assert set(parameters) == named
    for port in schema.inputs:
        is_needed = parameters[port.id].default is inspect.Parameter.empty
        assert is_needed != port.optional, port.id


@pytest.mark.parametrize("port", inputs_of(io.Float.Input, io.Int.Input))
def test_numbers_have_a_range_and_a_default_within(port):
    assert port.min is not None
    assert port.max is not None
    assert port.min <= port.default <= port.max
    assert port.min < port.max


@pytest.mark.parametrize("port", inputs_of(io.Combo.Input))
def test_choices_start_with_one_that_exists(port):
    if port.upload is None:
        assert port.options
        assert port.default in port.options


@every_node
def test_every_node_has_a_help_page_that_explains_every_input(node):
    schema = node.GET_SCHEMA()
    page = HELP_PAGES / f"{schema.node_id}.md"
    assert page.is_file()
    text = page.read_text(encoding="utf-8")
    missing = [port.id for port in schema.inputs if not re.search(rf"\b{port.id}\b", text)]
    assert missing == []


@every_node
def test_help_pages_explain_every_output_and_every_choice(node):
    schema = node.GET_SCHEMA()
    text = (HELP_PAGES / f"{schema.node_id}.md").read_text(encoding="utf-8")
    lists = [port for port in schema.inputs if isinstance(port, io.Combo.Input)]
    choices = [name for port in lists if port.id not in FILE_LISTS for name in port.options or ()]
    outputs = [port.display_name for port in schema.outputs]
    assert [name for name in (*outputs, *choices) if f"`{name}`" not in text] == []


def test_there_are_no_help_pages_of_nodes_that_do_not_exist():
    assert {page.stem for page in HELP_PAGES.glob("*.md")} <= set(NODE_IDS)
