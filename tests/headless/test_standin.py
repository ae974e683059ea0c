"""The stand-in takes what every supported ComfyUI takes, and keeps house like it."""

from __future__ import annotations

import importlib.util
import inspect
import json
import sys
from enum import Enum
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.models import lending, places
from focuspuller.models.bokehme.published import BOKEHME_ARNET
from focuspuller.models.flux_base import files as flux_files
from focuspuller.nodes import comfy
from focuspuller.nodes.lending import ComfyLender
from focuspuller.nodes.standin import Host, current_host, installed_host, io, ui
from PIL import Image

COMMON = ["id", "display_name", "optional", "tooltip", "lazy"]
# What ComfyUI 0.3.64 takes, in its order; 0.8.0 takes the same and more behind it.
PARAMETERS = {
    io.Image: [*COMMON, "extra_dict"],
    io.Custom("ANY_NAME"): [*COMMON, "extra_dict"],
    io.Boolean: [*COMMON, "default", "label_on", "label_off", "socketless", "force_input"],
    io.Int: [
        *[*COMMON, "default", "min", "max", "step", "control_after_generate", "display_mode"],
        *["socketless", "force_input"],
    ],
    io.Float: [
        *[*COMMON, "default", "min", "max", "step", "round", "display_mode"],
        *["socketless", "force_input"],
    ],
    io.String: [
        *[*COMMON, "multiline", "placeholder", "default", "dynamic_prompts"],
        *["socketless", "force_input"],
    ],
    io.Combo: [
        *["id", "options", *COMMON[1:], "default", "control_after_generate", "upload"],
        *["image_folder", "remote", "socketless"],
    ],
}


@pytest.mark.parametrize("kind", PARAMETERS, ids=lambda kind: kind.io_type)
def test_inputs_take_comfyuis_parameters_in_its_order(kind):
    assert list(inspect.signature(kind.Input).parameters) == PARAMETERS[kind]
    assert kind.Input("x", display_name="X", tooltip="t").id == "x"


@pytest.mark.parametrize("kind", PARAMETERS, ids=lambda kind: kind.io_type)
def test_outputs_take_comfyuis_parameters_and_know_their_type(kind):
    parameters = list(inspect.signature(kind.Output).parameters)
    assert parameters == ["id", "display_name", "tooltip", "is_output_list"]
    assert kind.Output().io_type == kind.Input("x").io_type == kind.io_type


def test_custom_types_do_not_share_their_names():
    lens, focus = io.Custom("LENS"), io.Custom("FOCUS")
    assert (lens.Input("a").io_type, focus.Input("a").io_type) == ("LENS", "FOCUS")


def test_a_combo_takes_an_enum_for_its_options():
    class Shape(Enum):
        DISC = "disc"
        HEART = "heart"

    combo = io.Combo.Input("shape", Shape, default=Shape.HEART)
    assert (combo.options, combo.default) == (["disc", "heart"], "heart")


def test_a_schema_names_outputs_and_gives_output_nodes_the_workflow():
    class Save(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            outputs = [io.Image.Output(), io.Float.Output("distance")]
            return io.Schema("Save", outputs=outputs, is_output_node=True)

    schema = Save.GET_SCHEMA()
    assert [output.id for output in schema.outputs] == ["_0_IMAGE_", "distance"]
    assert schema.hidden == [io.Hidden.prompt, io.Hidden.extra_pnginfo]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"inputs": [io.Image.Input("a"), io.Mask.Input("a")]}, "share the ids"),
        # ComfyUI 0.3.64 refuses this, 0.8.0 does not.
        ({"inputs": [io.Image.Input("a")], "outputs": [io.Image.Output("a")]}, "share the ids"),
        ({"enable_expand": True}, "real ComfyUI"),
        ({"is_input_list": True}, "real ComfyUI"),
        ({"outputs": [io.Image.Output("a", is_output_list=True)]}, "real ComfyUI"),
    ],
)
def test_a_schema_refuses_what_some_comfyui_or_the_runner_cannot_do(fields, reason):
    with pytest.raises(ValueError, match=reason):
        io.Schema("Node", **fields).validate()


def test_results_can_be_read_by_index():
    assert io.NodeOutput("a", "b")[1] == "b"
    assert io.NodeOutput().result is None


def test_without_a_host_the_current_directory_is_used(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").touch()
    assert comfy.input_files((".png",)) == ["a.png"]
    assert comfy.input_path("a.png [input]").is_file()
    assert comfy.output_target("shot", 1, 1).folder.resolve() == tmp_path


def test_input_files_are_looked_up_in_order(tmp_path: Path):
    for name in ("first/a.png", "second/a.png", "second/b.PNG", "second/c.txt", "second/d/e.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    host = Host([tmp_path / "first", tmp_path / "missing", tmp_path / "second"], tmp_path / "out")
    with installed_host(host):
        assert comfy.input_files((".png",)) == ["a.png", "b.PNG"]
        assert comfy.input_path("a.png") == tmp_path / "first" / "a.png"
        assert comfy.input_path("d/e.png") == tmp_path / "second" / "d" / "e.png"
        assert comfy.input_path(str(tmp_path / "second" / "c.txt")).name == "c.txt"
        assert comfy.input_path("x.png [output]") == tmp_path / "out" / "x.png"
        assert comfy.input_path("x.png [temp]") == tmp_path / "out" / "x.png"
        assert comfy.input_path("nowhere.png") == tmp_path / "first" / "nowhere.png"


def test_pictures_are_numbered_on_from_what_is_there(tmp_path: Path):
    for name in ("shot_00007_.png", "shot_00009_.jpg", "shot_b_00020_.png", "shot_x.png"):
        (tmp_path / name).touch()
    host = Host(output_dir=tmp_path)
    assert host.output_target("shot", 1, 1).counter == 10
    assert host.output_target("other", 1, 1).counter == 1


def test_prefixes_may_hold_folders_sizes_and_dates(tmp_path: Path):
    target = Host(output_dir=tmp_path).output_target("a/b/%width%x%height%_%year%_%odd%", 8, 6)
    assert target.folder == tmp_path / "a" / "b"
    assert target.folder.is_dir()
    assert target.subfolder == "a/b"
    assert target.stem.startswith("8x6_20")
    assert target.stem.endswith("_%odd%")


@pytest.mark.parametrize("prefix", ["../escape/x", "/tmp/x", "a/../../x"])
def test_prefixes_cannot_leave_the_output_folder(tmp_path: Path, prefix: str):
    with pytest.raises(InputError, match="outside the output folder"):
        Host(output_dir=tmp_path / "out").output_target(prefix, 1, 1)
    assert not (tmp_path / "out").exists()


def test_a_preview_is_a_png_with_the_workflow_inside(tmp_path: Path, image: torch.Tensor):
    node = type("Node", (io.ComfyNode,), {"hidden": io.HiddenHolder(prompt={"1": {}})})
    with installed_host(Host(output_dir=tmp_path, preview_prefix="preview_depth")):
        shown = ui.PreviewImage(torch.cat([image, image]), cls=node).as_dict()
    names = [result.filename for result in shown["images"]]
    assert names == ["preview_depth_00001_.png", "preview_depth_00002_.png"]
    assert shown["images"][0].type is io.FolderType.temp
    with Image.open(tmp_path / names[0]) as file:
        assert json.loads(file.info["prompt"]) == {"1": {}}
        assert file.size == (8, 6)


def test_an_empty_batch_is_refused_and_nothing_is_written(tmp_path: Path):
    with (
        installed_host(Host(output_dir=tmp_path / "out")),
        pytest.raises(InputError, match="an empty batch"),
    ):
        ui.PreviewImage(torch.zeros(0, 4, 4, 3))
    assert not (tmp_path / "out").exists()


def test_eight_bits_round_down_and_clip_as_in_comfyui():
    values = torch.tensor([[[-1.0, 0.999, 2.0]]])
    assert ui.picture(values).getpixel((0, 0)) == (0, 254, 255)


def test_hosts_are_put_back():
    before = current_host()
    with installed_host(Host(preview_prefix="inner")):
        assert current_host().preview_prefix == "inner"
    assert current_host() == before


def test_steps_reach_the_host_and_devices_have_defaults():
    steps: list[tuple[int, int]] = []
    host = Host(on_step=lambda *step: steps.append(step), device=torch.device("meta"))
    with installed_host(host):
        comfy.progress(5)(3)
        assert comfy.render_device() == torch.device("meta")
    comfy.progress(5)(3)  # nobody listens, nothing happens
    assert steps == [(3, 5)]
    assert comfy.intermediate_device() == torch.device("cpu")
    assert comfy.metadata_enabled()


class StoppedError(Exception):
    pass


@pytest.fixture
def updates() -> list[Any]:
    """What ComfyUI's progress bar was told: steps and previews."""
    return []


@pytest.fixture
def inside_comfyui(tmp_path: Path, monkeypatch, updates: list[Any]) -> ModuleType:
    """`nodes.comfy` as it is when ComfyUI imports it; ComfyUI itself is faked."""
    (tmp_path / "in.png").touch()
    folders: dict[str, str] = {}

    def throw() -> None:
        if updates:
            raise StoppedError

    fakes = {
        "comfy_api": SimpleNamespace(),
        "comfy_api.latest": SimpleNamespace(ComfyExtension=object, io="real io", ui="real ui"),
        "folder_paths": SimpleNamespace(
            get_input_directory=lambda: str(tmp_path),
            get_output_directory=lambda: "/out",
            models_dir="/models",
            add_model_folder_path=lambda name, path: folders.setdefault(name, path),
            get_folder_paths=lambda name: ["/extra/models", folders[name]],
            get_filename_list=lambda name: ["b.pth", "a.safetensors", "a.txt"],
            get_full_path=lambda name, file: f"{folders[name]}/{file}" if "a" in file else None,
            get_annotated_filepath=lambda name: str(tmp_path / name),
            get_save_image_path=lambda prefix, folder, w, h: (
                f"{folder}/s",
                prefix,
                4,
                "s",
                prefix,
            ),
        ),
        "comfy.utils": SimpleNamespace(
            ProgressBar=lambda total: SimpleNamespace(
                update_absolute=lambda done, preview=None: updates.append((done, preview))
            )
        ),
        "comfy.latent_formats": SimpleNamespace(SDXL=lambda: "SDXL's latents"),
        "latent_preview": SimpleNamespace(
            get_previewer=lambda device, latents: SimpleNamespace(
                decode_latent_to_preview_image=lambda form, pictures: (form, len(pictures), latents)
            )
        ),
        "comfy.sd1_clip": SimpleNamespace(__file__="/comfyui/comfy/sd1_clip.py"),
        "comfy.model_management": SimpleNamespace(
            get_torch_device=lambda: torch.device("meta"),
            intermediate_device=lambda: torch.device("cpu"),
            throw_exception_if_processing_interrupted=throw,
        ),
        "comfy.cli_args": SimpleNamespace(args=SimpleNamespace(disable_metadata=True)),
    }
    for name, module in fakes.items():
        monkeypatch.setitem(sys.modules, name, module)
    path = Path(inspect.getfile(comfy))
    spec = importlib.util.spec_from_file_location("focuspuller.nodes.comfy_inside", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # What it installs is taken back afterwards.
    monkeypatch.setattr(places, "_installed", places._installed)
    monkeypatch.setattr(lending, "_lender", lending.current_lender())
    monkeypatch.setattr(flux_files, "_installed", flux_files._installed)
    spec.loader.exec_module(module)
    return module


def test_inside_comfyui_its_own_services_are_used(inside_comfyui, tmp_path: Path):
    assert inside_comfyui.INSIDE_COMFYUI
    assert (inside_comfyui.io, inside_comfyui.ui) == ("real io", "real ui")
    assert inside_comfyui.input_files((".png",)) == ["in.png"]
    assert inside_comfyui.input_path("in.png") == tmp_path / "in.png"
    assert inside_comfyui.output_target("x", 1, 1) == (Path("/out/s"), "x", 4, "s")
    assert inside_comfyui.render_device() == torch.device("meta")
    assert inside_comfyui.intermediate_device() == torch.device("cpu")
    assert not inside_comfyui.metadata_enabled()


def test_inside_comfyui_weights_are_in_its_folder_of_models(inside_comfyui):
    assert inside_comfyui.model_files("bokehme", (".pth", ".safetensors")) == [
        "a.safetensors",
        "b.pth",
    ]
    path = inside_comfyui.model_path("bokehme", "a.safetensors")
    assert path == Path("/models/bokehme/a.safetensors")
    assert inside_comfyui.model_path("bokehme", "gone.pth") == Path("gone.pth")
    assert places.folders_for(BOKEHME_ARNET) == [Path("/extra/models"), Path("/models/bokehme")]


def test_inside_comfyui_its_model_management_lends(inside_comfyui):
    assert isinstance(lending.current_lender(), ComfyLender)


def test_inside_comfyui_latents_are_shown_as_the_user_wants_previews(inside_comfyui, updates):
    inside_comfyui.progress_with_latents(3)(1, torch.zeros(2, 4, 8, 8))
    assert updates == [(1, ("JPEG", 1, "SDXL's latents"))]


def test_inside_comfyui_its_vocabulary_reads_prompts(inside_comfyui):
    assert inside_comfyui.tokenizer_folders() == [Path("/comfyui/comfy/sd1_tokenizer")]


def test_inside_comfyui_progress_stops_when_the_user_asks(inside_comfyui):
    report = inside_comfyui.progress(3)
    report(1)
    with pytest.raises(StoppedError):
        report(2)
