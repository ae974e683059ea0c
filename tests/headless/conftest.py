"""Small nodes and small pictures that the tests of headless runs share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.headless.cli import main
from focuspuller.lens.depth import Depth
from focuspuller.nodes.comfy import io, progress, ui
from focuspuller.photo.embedded_depth import embed_depth
from oracles.photo_folder import names, save_photo_folder, save_with_exif
from PIL import Image

Lens = io.Custom("TEST_LENS")


class MakeLens(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TestMakeLens",
            inputs=[
                io.Float.Input("f_number", default=2.8, min=0.5, max=64.0, step=0.1),
                io.Int.Input("blades", default=0, min=0, max=20),
                io.Combo.Input("kind", options=["taf", "bokehme"], default="taf"),
                io.Boolean.Input("linear", default=True, optional=True),
            ],
            outputs=[Lens.Output("lens")],
        )

    @classmethod
    def execute(cls, f_number, blades, kind, linear=True):
        return io.NodeOutput((f_number, blades, kind, linear))


class Render(io.ComfyNode):
    runs = 0

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TestRender",
            inputs=[
                io.Image.Input("image"),
                Lens.Input("lens"),
                io.String.Input("note", default="", optional=True),
            ],
            outputs=[io.Image.Output("result"), io.String.Output("summary")],
        )

    @classmethod
    def execute(cls, image, lens, note=""):
        Render.runs += 1
        if note == "refuse":
            raise InputError("note", "'refuse'", "Write something else.")
        if note == "crash":
            raise RuntimeError("the shutter is stuck")
        report = progress(2)
        report(1)
        report(2)
        return io.NodeOutput(1.0 - image, f"f/{lens[0]} {note}".strip())


class Show(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TestShow",
            inputs=[io.Image.Input("image"), io.String.Input("text", optional=True)],
            outputs=[io.Image.Output("same")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, image, text="nothing to say"):
        shown = ui.PreviewImage(image, cls=cls).as_dict() | ui.PreviewText(text).as_dict()
        return io.NodeOutput(image, ui=shown)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other cost more than small pictures, on a busy machine tenfold."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def nodes():
    Render.runs = 0
    return [MakeLens, Render, Show]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture in a folder of its own, the input folder of most tests."""
    folder = tmp_path / "photos"
    folder.mkdir()
    pixels = np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "photo.png")
    return folder / "photo.png"


@pytest.fixture
def workflow():
    """Load, render, save: the shape of most workflows."""
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": "photo.png"}},
        "2": {
            "class_type": "TestMakeLens",
            "inputs": {"f_number": 1.4, "blades": 7, "kind": "taf"},
            "_meta": {"title": "My Lens"},
        },
        "3": {
            "class_type": "TestRender",
            "inputs": {"image": ["1", 0], "lens": ["2", 0]},
            "_meta": {"title": "Render Bokeh"},
        },
        "4": {
            "class_type": "SaveImage",
            "inputs": {"images": ["3", 0], "filename_prefix": "refocused"},
        },
    }


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(1, 6, 8, 3, generator=torch.Generator().manual_seed(0))


class Run(NamedTuple):
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Run]:
    """Runs `focuspuller` with these arguments."""

    def run(*arguments: object) -> Run:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as leaving:  # argparse
            code = int(leaving.code or 0)
        captured = capsys.readouterr()
        return Run(code, captured.out, captured.err)

    return run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with photo.png, depth.npy (metres) and disparity.png; the current one."""
    save_photo_folder(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def photo_with_exif(folder: Path) -> Path:
    path = folder / "photo.jpg"
    save_with_exif(folder / "photo.png", path)
    return path


@pytest.fixture
def portrait(photo_with_exif: Path, folder: Path) -> Path:
    """A photo with EXIF and depth inside."""
    depth = Depth.from_metres(torch.from_numpy(np.load(folder / "depth.npy"))[None, None])
    photo_with_exif.write_bytes(embed_depth(photo_with_exif.read_bytes(), depth))
    return photo_with_exif


@pytest.fixture
def refused(cli: Callable[..., Run], folder: Path) -> Callable[..., str]:
    """stderr of a command that fails without rendering and without leaving a trace."""

    def check(*arguments: object, code: int = 1) -> str:
        before = names(folder)
        done = cli(*arguments)
        assert done.code == code
        assert done.stdout == ""
        assert names(folder) == before
        return done.stderr

    return check
