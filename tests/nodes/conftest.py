"""Nodes run directly, in a stand-in host with folders of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from focuspuller.errors import FocusPullerError
from focuspuller.lens.depth import Depth
from focuspuller.nodes.standin import Host, installed_host
from PIL import Image
from torch import Tensor

SONY_EXIF = {0x829D: 5.6, 0x920A: 50.0, 0xA405: 75, 0x9206: 3.0}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other cost more than small pictures, on a busy machine tenfold."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def same_noise() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def host(tmp_path: Path) -> Iterator[Host]:
    """Input files come from `tmp_path/input`, pictures go to `tmp_path/output`."""
    (tmp_path / "input").mkdir()
    host = Host([tmp_path / "input"], tmp_path / "output", torch.device("cpu"))
    with installed_host(host):
        yield host


@pytest.fixture
def inputs(host: Host) -> Path:
    return host.input_dirs[0]


@pytest.fixture
def outputs(host: Host) -> Path:
    return host.output_dir


@pytest.fixture
def picture() -> Callable[..., Tensor]:
    """Noise `[B,H,W,C]`, the same every time: `picture(batch, height, width, channels)`."""

    def make(batch: int = 1, height: int = 24, width: int = 36, channels: int = 3) -> Tensor:
        generator = torch.Generator().manual_seed(7)
        return torch.rand(batch, height, width, channels, generator=generator)

    return make


@pytest.fixture
def near_and_far() -> Depth:
    """24×36 px: the left half at 1 m, the right half at 4 m."""
    metres = torch.ones(1, 1, 24, 36)
    metres[..., 18:] = 4.0
    return Depth.from_metres(metres)


@pytest.fixture
def jpeg(inputs: Path) -> Callable[..., Path]:
    """Writes a JPEG with EXIF into the input folder: a grey ramp from left to right."""

    def write(name: str = "photo.jpg", orientation: int = 1) -> Path:
        exif = Image.Exif()
        exif[0x010F] = "Sony"
        exif[0x0112] = orientation
        exif[0x8769] = SONY_EXIF
        ramp = np.repeat(np.linspace(0, 255, 64, dtype=np.uint8)[None], 48, axis=0)
        path = inputs / name
        Image.fromarray(ramp).convert("RGB").save(path, quality=98, exif=exif)
        return path

    return write


@pytest.fixture
def refuses() -> Callable[..., str]:
    """The message with which a node refuses; checks that it says all that it has to."""

    def check(node: type, subject: str, **values: object) -> str:
        with pytest.raises(FocusPullerError) as caught:
            node.execute(**values)
        error = caught.value
        schema = node.GET_SCHEMA()
        assert error.node == schema.display_name
        assert error.subject == subject
        if not Path(subject).is_absolute():
            ids = {port.id for port in schema.inputs}
            assert set(subject.split(", ")) <= ids, "the error names no input of the node"
        assert error.received
        assert error.advice.endswith(".")
        assert str(error) == (
            f"{schema.display_name} › {subject}: received {error.received}. {error.advice}"
        )
        return str(error)

    return check


@pytest.fixture
def preview(outputs: Path) -> Callable[..., np.ndarray]:
    """The one picture that a node's output shows, `[H,W,3]` 0..1."""

    def read(output: object) -> np.ndarray:
        (result,) = output.ui["images"]
        assert result["type"] == "temp"
        with Image.open(outputs / result["filename"]) as file:
            return np.asarray(file.convert("RGB"), np.float64) / 255.0

    return read
