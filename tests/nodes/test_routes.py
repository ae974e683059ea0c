"""The server's routes: what they answer, and what they keep to themselves."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from focuspuller.nodes import routes
from focuspuller.nodes.photo import SAMPLES
from focuspuller.nodes.standin import installed_host
from focuspuller.photo.photo import load_photo
from PIL import Image


class Answer:
    def __init__(self, status: int, headers, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def pixels(self) -> np.ndarray:
        with Image.open(BytesIO(self.body)) as picture:
            return np.asarray(picture.convert("RGB"), np.float64)


@pytest.fixture
def ask(host):
    """`ask("sample", "depth", "still_life")` asks a server that runs in the test's host."""

    # By default it is the system's, in which all folders of this test are.
    served = replace(host, temp_dir=host.output_dir.parent / "temp")

    async def answered(request: web.Request) -> web.Response:
        with installed_host(served):
            return await routes.photo_part(request)

    async def asked(source: str, part: str, name: str, method: str) -> Answer:
        app = web.Application()
        app.router.add_get(routes.PATH, answered)
        async with TestClient(TestServer(app)) as client:
            path = f"/focuspuller/photos/{source}/{part}"
            response = await client.request(method, path, params={"name": name})
            return Answer(response.status, response.headers, await response.read())

    return lambda source, part, name, method="GET": asyncio.run(asked(source, part, name, method))


def test_the_depth_of_a_photo_is_that_of_its_file(ask):
    answer = ask("sample", "depth", "still_life")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/png")
    coding = json.loads(answer.headers[routes.CODING_HEADER])
    red, green, _ = np.moveaxis(answer.pixels(), -1, 0)
    found = coding["low"] + (256 * red + green) / 65535 * (coding["high"] - coding["low"])
    depth = load_photo(SAMPLES / "still_life.jpg").depth
    assert coding["is_metric"] is depth.is_metric is True
    expected = depth.resized(*found.shape).disparity[0, 0].numpy()
    assert np.median(np.abs(found - expected)) < 1e-3


def test_the_picture_of_a_photo_is_upright(ask, jpeg):
    jpeg("turned.jpg", orientation=6)
    answer = ask("input", "picture", "turned.jpg")
    assert answer.headers["Content-Type"] == "image/jpeg"
    pixels = answer.pixels()
    assert pixels.shape == (64, 48, 3)
    assert pixels[-1].mean() > pixels[0].mean() + 200  # the ramp runs down


def test_a_large_picture_is_sent_smaller(ask, inputs):
    Image.new("RGB", (3200, 1200)).save(inputs / "large.jpg")
    assert ask("input", "picture", "large.jpg").pixels().shape == (600, 1600, 3)


def test_pictures_of_the_output_folder_may_be_seen(ask, outputs):
    outputs.mkdir(exist_ok=True)
    Image.new("RGB", (6, 4)).save(outputs / "made.png")
    assert ask("input", "picture", "made.png [output]").status == 200


@pytest.mark.parametrize(
    ("source", "part", "name"),
    [
        ("input", "picture", "absent.jpg"),
        ("input", "picture", "../secret.jpg"),
        ("input", "picture", "../secret.jpg [output]"),
        ("input", "picture", "link.jpg"),
        ("input", "picture", "notes.txt"),
        ("input", "picture", "broken.jpg"),
        ("input", "picture", "zero\0.jpg"),
        ("input", "picture", ""),
        ("input", "exif", "photo.jpg"),
        ("input", "camera", "photo.jpg"),
        ("sample", "picture", "../secret"),
        ("sample", "picture", ""),
        ("elsewhere", "picture", "photo.jpg"),
    ],
)
def test_everything_else_is_not_found(ask, jpeg, inputs, tmp_path, source, part, name):
    jpeg()
    Image.new("RGB", (6, 4)).save(tmp_path / "secret.jpg")
    (inputs / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (inputs / "notes.txt").write_text("private")
    (inputs / "broken.jpg").write_bytes(b"no picture")
    assert ask(source, part, name).status == 404


def test_absolute_paths_outside_the_folders_are_not_found(ask, tmp_path):
    Image.new("RGB", (6, 4)).save(tmp_path / "secret.jpg")
    assert ask("input", "picture", str(Path(tmp_path / "secret.jpg"))).status == 404


def test_a_photo_without_depth_has_no_content(ask, jpeg):
    jpeg()
    answer = ask("input", "depth", "photo.jpg")
    assert (answer.status, answer.body) == (204, b"")


def test_asking_is_all_that_can_be_done(ask):
    assert ask("sample", "picture", "still_life", method="POST").status == 405


def test_the_facts_of_a_photo_are_its_camera_and_sizes(ask, inputs):
    answer = ask("sample", "facts", "still_life")
    assert answer.headers["Content-Type"].startswith("application/json")
    assert json.loads(answer.body) == {
        "longest_edge": 1080,
        "depth_longest_edge": 1080,
        "focal_length_mm": 50.0,
        "f_number": 22.0,
        "sensor_width_mm": 36.0,
    }
    Image.new("RGB", (30, 40)).save(inputs / "plain.png")
    plain = json.loads(ask("input", "facts", "plain.png").body)
    assert plain["longest_edge"] == 40
    assert {value for key, value in plain.items() if key != "longest_edge"} == {None}
