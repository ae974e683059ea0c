"""What `verify_model` takes files and folders for that have no published name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import focuspuller as fp
import pytest
import torch
from focuspuller.models.flux.layout import AdapterFile, save_adapter
from focuspuller.models.flux.networks import Kind
from focuspuller.models.sdxl.published import GENERATOR_BASES
from focuspuller.models.state_dict import read_metadata, read_state_dict, write_weights

pytest.importorskip("diffusers", reason="SDXL and FLUX need the extra 'diffusion'")

from oracles.refocus import adapter_for
from oracles.tiny_sdxl import save_diffusers_folder, tiny_networks

NAMES = {
    Kind.DEBLUR: "genfocus-deblur",
    Kind.PRE_DEBLUR: "genfocus-pre-deblur",
    Kind.BOKEH: "genfocus-bokeh",
    Kind.APERTURE: "aperture-shape",
    Kind.DIFFCAMERA: "diffcamera",
}


def save(path: Path, adapter: AdapterFile) -> Path:
    save_adapter(path, adapter.adapter, replace(adapter.info, base_model="tiny"), adapter.camera)
    return path


@pytest.mark.parametrize("kind", Kind)
def test_an_adapter_is_what_its_header_says(kind: Kind, tmp_path: Path) -> None:
    path = save(tmp_path / "mine.safetensors", adapter_for(kind))
    (verdict,) = fp.verify_model(path)
    assert (verdict.weights.name, str(verdict.findings)) == (NAMES[kind], "")


def test_an_adapter_for_something_else_does_not_fit_its_name(tmp_path: Path) -> None:
    path = save(tmp_path / "bokehNet.safetensors", adapter_for(Kind.DIFFCAMERA))
    (verdict,) = fp.verify_model(path)
    assert verdict.weights.name == "genfocus-bokeh"
    assert str(verdict.findings) == "also: it is for 'diffcamera'"


def test_a_camera_projection_tells_diffcamera_and_has_to_fit(tmp_path: Path) -> None:
    path = save(tmp_path / "mine.safetensors", adapter_for(Kind.DIFFCAMERA))
    state = read_state_dict(path)
    state["camera.bias"] = torch.full((5,), torch.nan)
    write_weights(path, state, read_metadata(path) | {"kind": ""})
    (verdict,) = fp.verify_model(path)
    assert verdict.weights.name == "diffcamera"
    assert "bias [5] instead of" in str(verdict.findings)
    assert verdict.findings.not_finite == ("bias",)


def test_diffcamera_without_its_camera_is_incomplete(tmp_path: Path) -> None:
    adapter = replace(adapter_for(Kind.DIFFCAMERA), camera=None)
    (verdict,) = fp.verify_model(save(tmp_path / "mine.safetensors", adapter))
    assert verdict.weights.name == "diffcamera"
    assert verdict.findings.missing == ("weight", "bias")


def test_a_folder_of_sdxl_is_not_called_by_one_of_its_parts(tmp_path: Path) -> None:
    save_diffusers_folder(tiny_networks(), tmp_path / "mine")
    (verdict,) = fp.verify_model(tmp_path / "mine")
    assert verdict.fits
    assert verdict.weights in GENERATOR_BASES


def test_a_part_alone_is_itself(tmp_path: Path) -> None:
    save_diffusers_folder(tiny_networks(), tmp_path / "mine")
    (tmp_path / "mine/text_encoder").rename(tmp_path / "alone")
    (verdict,) = fp.verify_model(tmp_path / "alone")
    assert (verdict.weights.name, verdict.fits) == ("flux-clip-l", True)


def test_a_folder_of_nothing_known(tmp_path: Path) -> None:
    with pytest.raises(fp.FocusPullerError, match="a file or folder of unknown name"):
        fp.verify_model(tmp_path)
