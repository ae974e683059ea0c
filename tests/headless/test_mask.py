"""`subject_mask` and `refine_mask` on arrays, and `focuspuller mask`."""

from __future__ import annotations

from pathlib import Path

import focuspuller as fp
import numpy as np
import pytest
import torch
from focuspuller.headless.cli import main
from focuspuller.models.loaded import forget_models
from oracles.birefnet import tiny_birefnet
from PIL import Image

MASK = np.zeros((40, 50), np.float32)
MASK[10:30, 12:38] = 1.0
IMAGE = np.random.default_rng(0).random((40, 50, 3), np.float32)


def test_arrays_of_every_shape():
    single = fp.refine_mask(MASK, IMAGE, 4)
    assert single.shape == (40, 50)
    batch = fp.refine_mask(np.stack([MASK, MASK]), torch.from_numpy(IMAGE), 4)
    assert torch.equal(batch, torch.stack([single, single]))
    assert not np.array_equal(single.numpy(), MASK)


def test_linear_light_is_seen_as_its_picture():
    light = np.where(IMAGE <= 0.04045, IMAGE / 12.92, ((IMAGE + 0.055) / 1.055) ** 2.4)
    linear = fp.refine_mask(MASK, light.astype(np.float32), 4, linear=True)
    torch.testing.assert_close(linear, fp.refine_mask(MASK, IMAGE, 4), atol=2e-3, rtol=0)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    photo, mask = tmp_path / "photo.png", tmp_path / "mask.png"
    Image.fromarray((IMAGE * 255).round().astype(np.uint8)).save(photo)
    Image.fromarray((MASK * 255).astype(np.uint8)).save(mask)
    return photo, mask


def test_the_command(files, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    photo, mask = files
    out = tmp_path / "masks/soft.png"
    assert main(["mask", str(photo), "--mask", str(mask), "--radius", "4", "-o", str(out)]) == 0
    assert capsys.readouterr().out.split() == [str(out)]
    expected = fp.refine_mask(MASK, fp.load_photo(photo).image, 4)
    found = fp.load_photo(out).image[..., 0]
    assert np.abs(found - expected.numpy()).max() < 0.6 / 255


def test_inputs_are_kept(files, capsys: pytest.CaptureFixture[str]):
    photo, mask = files
    before = mask.read_bytes()
    assert main(["mask", str(photo), "--mask", str(mask), "-o", str(mask)]) == 1
    assert "an input" in capsys.readouterr().err
    assert mask.read_bytes() == before


@pytest.fixture
def weights(tmp_path: Path):
    path = tmp_path / "birefnet.pth"
    torch.save(tiny_birefnet().state_dict(), path)
    yield path
    forget_models()


def test_subjects(weights: Path):
    options = {"resolution": 64, "device": "cpu"}
    single = fp.subject_mask(IMAGE, weights, **options)
    assert single.shape == (40, 50)
    batch = fp.subject_mask(np.stack([IMAGE, IMAGE]), weights, **options)
    assert torch.equal(batch, torch.stack([single, single]))


@pytest.mark.parametrize("radius", [None, 3])
def test_the_command_finds_the_subject(weights: Path, files, tmp_path: Path, radius: int | None):
    out = tmp_path / "subject.png"
    command = ["mask", str(files[0]), "--model", str(weights), "--resolution", "64"]
    more = [] if radius is None else ["--radius", str(radius)]
    assert main([*command, *more, "--device", "cpu", "-o", str(out)]) == 0
    photo = fp.load_photo(files[0]).image
    expected = fp.subject_mask(photo, weights, resolution=64, device="cpu")
    if radius is not None:
        expected = fp.refine_mask(expected, photo, radius)
    assert np.abs(fp.load_photo(out).image[..., 0] - expected.numpy()).max() < 0.6 / 255
