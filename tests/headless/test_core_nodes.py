"""Core nodes: hand-worked pixels. Equality with ComfyUI's own is checked against a real one."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from focuspuller.errors import FileError, InputError
from focuspuller.headless import core_nodes
from focuspuller.nodes.standin import Host, installed_host
from PIL import Image


def run(node_id: str, **inputs):
    """Outputs of a core node."""
    nodes = {node.GET_SCHEMA().node_id: node for node in core_nodes.CORE_NODES}
    return nodes[node_id].execute(**inputs).args


@pytest.fixture
def folder(tmp_path: Path):
    with installed_host(Host([tmp_path], tmp_path / "out")):
        yield tmp_path


def test_a_picture_is_loaded_as_coded_values_with_an_empty_mask(folder: Path):
    Image.new("RGB", (3, 2), (255, 51, 0)).save(folder / "a.png")
    image, mask = run("LoadImage", image="a.png")
    assert image.shape == (1, 2, 3, 3)
    assert torch.equal(image[0, 0, 0], torch.tensor([255, 51, 0]).float() / 255)
    assert mask.shape == (1, 64, 64)
    assert not mask.any()


def test_transparency_becomes_the_mask(folder: Path):
    Image.new("RGBA", (3, 2), (0, 0, 0, 51)).save(folder / "a.png")
    _, mask = run("LoadImage", image="a.png")
    assert torch.allclose(mask, torch.full((1, 2, 3), 0.8))
    (alpha,) = run("LoadImageMask", image="a.png", channel="alpha")
    assert torch.equal(alpha, mask)


def test_a_photo_is_turned_upright(folder: Path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn clockwise
    Image.new("RGB", (3, 2)).save(folder / "a.jpg", exif=exif)
    image, _ = run("LoadImage", image="a.jpg")
    assert image.shape == (1, 3, 2, 3)


def test_an_animation_is_a_batch_of_its_equally_large_frames(folder: Path):
    frames = [Image.new("RGB", (3, 2), (index, 0, 0)) for index in range(3)]
    other = Image.new("RGB", (5, 5))
    frames[0].save(folder / "a.tif", save_all=True, append_images=[frames[1], other, frames[2]])
    image, mask = run("LoadImage", image="a.tif")
    assert (image[:, 0, 0, 0] * 255).tolist() == [0, 1, 2]
    assert mask.shape[0] == 3


@pytest.mark.parametrize("channel", ["red", "green", "blue"])
def test_a_channel_of_a_file_is_a_mask(folder: Path, channel: str):
    color = {"red": (51, 0, 0), "green": (0, 51, 0), "blue": (0, 0, 51)}[channel]
    Image.new("RGB", (3, 2), color).save(folder / "a.png")
    (mask,) = run("LoadImageMask", image="a.png", channel=channel)
    assert torch.allclose(mask, torch.full((1, 2, 3), 0.2))


def truncated_png(folder: Path) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(folder / "whole.png")
    return (folder / "whole.png").read_bytes()[:5000]


@pytest.mark.parametrize("content", [b"", b"not a picture", truncated_png], ids=str)
@pytest.mark.parametrize("node_id", ["LoadImage", "LoadImageMask"])
def test_damaged_files_are_named(folder: Path, node_id: str, content):
    (folder / "bad.png").write_bytes(content(folder) if callable(content) else content)
    inputs = {"channel": "red"} if node_id == "LoadImageMask" else {}
    with pytest.raises(FileError, match=r"bad\.png: received no readable picture"):
        run(node_id, image="bad.png", **inputs)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((4, 3), (3, 4)), ((0, 3), (3, 4)), ((4, 0), (3, 4)), ((0, 0), (6, 8)), ((1, 0), (1, 1))],
)
@pytest.mark.parametrize("method", core_nodes.UPSCALE_METHODS)
def test_scaling_keeps_the_aspect_of_a_side_of_zero(image, method: str, size, expected):
    options = {"width": size[0], "height": size[1], "crop": "disabled", "upscale_method": method}
    (scaled,) = run("ImageScale", image=image, **options)
    assert scaled.shape[1:3] == expected


def test_cropping_keeps_the_middle():
    image = torch.arange(8.0).expand(1, 2, 8)[..., None].expand(-1, -1, -1, 3)
    options = {"upscale_method": "nearest-exact", "crop": "center"}
    (cropped,) = run("ImageScale", image=image, width=4, height=2, **options)
    assert cropped[0, 0, :, 0].tolist() == [2, 3, 4, 5]


def test_scaling_by_a_factor_and_to_a_number_of_pixels(image):
    (half,) = run("ImageScaleBy", image=image, upscale_method="area", scale_by=0.5)
    expected = image.reshape(1, 3, 2, 4, 2, 3).mean((2, 4))
    assert torch.allclose(half, expected)
    options = {"upscale_method": "bilinear", "megapixels": 0.01}
    (large,) = run("ImageScaleToTotalPixels", image=image, **options)
    assert math.isclose(large.shape[1] * large.shape[2], 0.01 * 1024 * 1024, rel_tol=0.01)
    (stepped,) = run("ImageScaleToTotalPixels", image=image, **options, resolution_steps=16)
    assert stepped.shape[1] % 16 == stepped.shape[2] % 16 == 0


def test_lanczos_goes_through_eight_bits(image):
    (same,) = run("ImageScaleBy", image=image, upscale_method="lanczos", scale_by=1.0)
    assert torch.equal(same, (image * 255).to(torch.uint8).float() / 255)


def test_a_batch_is_repeated_whole(image):
    (repeated,) = run("RepeatImageBatch", image=torch.cat([image, 1 - image]), amount=3)
    assert torch.equal(repeated, torch.cat([image, 1 - image] * 3))


def test_negatives_and_masks(image):
    assert torch.equal(run("ImageInvert", image=image)[0], 1 - image)
    (green,) = run("ImageToMask", image=image, channel="green")
    assert torch.equal(green, image[..., 1])
    assert torch.equal(run("InvertMask", mask=green)[0], 1 - green)
    (grey,) = run("MaskToImage", mask=green[0])
    assert torch.equal(grey, green[..., None].expand(-1, -1, -1, 3))
    assert torch.equal(
        run("SolidMask", value=0.5, width=3, height=2)[0], torch.full((1, 2, 3), 0.5)
    )


def test_a_picture_without_alpha_has_no_alpha_mask(image):
    with pytest.raises(InputError, match="alpha of an image without it"):
        run("ImageToMask", image=image, channel="alpha")


def test_masks_grow_and_shrink():
    mask = torch.zeros(5, 5)
    mask[2, 2] = 1.0
    (cross,) = run("GrowMask", mask=mask, expand=1, tapered_corners=True)
    (square,) = run("GrowMask", mask=mask, expand=1, tapered_corners=False)
    assert (cross.sum(), square.sum()) == (5, 9)
    (back,) = run("GrowMask", mask=square, expand=-1, tapered_corners=False)
    assert torch.equal(back[0], mask)


@pytest.mark.parametrize(
    ("node_id", "value"),
    [
        ("PrimitiveFloat", 0.5),
        ("PrimitiveInt", 3),
        ("PrimitiveBoolean", True),
        ("PrimitiveString", "text"),
    ],
)
def test_primitives_hand_on_their_value(node_id: str, value):
    assert run(node_id, value=value) == (value,)


def test_files_are_offered_and_others_accepted(folder: Path):
    (folder / "sub").mkdir()
    for name in ("a.png", "b.txt", "sub/c.png"):
        Image.new("RGB", (1, 1)).save(folder / name, "PNG")
    assert core_nodes.LoadImage.GET_SCHEMA().inputs[0].options == ["a.png"]
    assert core_nodes.LoadImage.validate_inputs("sub/c.png") is True
    assert "no file" in str(core_nodes.LoadImage.validate_inputs("sub/d.png"))
