"""Load Video and Save Video without ComfyUI."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from focuspuller.errors import WorkflowError
from focuspuller.headless.runner import run_workflow
from focuspuller.photo.video import VideoFile
from focuspuller.photo.video_format import Frame, VideoFormat
from focuspuller.photo.video_writing import writing_video
from PIL import Image

pytest.importorskip("av", reason="PyAV is not installed")

HEIGHT, WIDTH = 24, 32


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """A folder with shot.mp4 and depth.mp4."""
    folder = tmp_path / "shots"
    folder.mkdir()
    look = VideoFormat(WIDTH, HEIGHT)
    grey = np.linspace(1, 0, WIDTH, dtype=np.float32)[None, :, None].repeat(HEIGHT, 0).repeat(3, 2)
    for name in ("shot", "depth"):
        with writing_video(folder / f"{name}.mp4", look) as video:
            for index in range(3):
                video.write(Frame(grey, Fraction(index, 24)))
    return folder


@pytest.fixture
def workflow() -> dict[str, dict[str, object]]:
    return {
        "1": {"class_type": "LoadVideo", "inputs": {"file": "shot.mp4"}},
        "2": {"class_type": "LoadVideo", "inputs": {"file": "depth.mp4"}},
        "3": {
            "class_type": "FocusPullerRenderBokehVideo",
            "inputs": {
                **{"video": ["1", 0], "depth_video": ["2", 0], "x": 0.5, "y": 0.5},
                **{
                    "bokeh_level": 6.0,
                    "highlight_stops": 0.0,
                    "near_is_white": True,
                    "near_m": 0.0,
                    "far_m": 0.0,
                },
                **{"depth_smoothing": 0.0, "crf": 16},
            },
        },
        "4": {
            "class_type": "SaveVideo",
            "inputs": {
                **{"video": ["3", 0], "filename_prefix": "video/soft"},
                **{"format": "auto", "codec": "auto"},
            },
        },
    }


def test_a_video_workflow_runs_and_leaves_only_its_result(shots, workflow, tmp_path):
    result = run_workflow(workflow, out_dir=tmp_path / "out", input_dirs=[shots])
    assert result.files == [tmp_path / "out" / "video" / "soft_00001_.mp4"]
    saved = VideoFile(result.files[0])
    assert saved.count_frames() == 3
    assert json.loads(saved.format.metadata["prompt"]) == workflow
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert files == result.files


def test_a_second_run_is_numbered_on(shots, workflow, tmp_path):
    for _ in range(2):
        result = run_workflow(workflow, out_dir=tmp_path / "out", input_dirs=[shots])
    assert result.files[0].name == "soft_00002_.mp4"


def test_a_missing_video_is_found_before_anything_runs(shots, workflow, tmp_path):
    workflow["1"]["inputs"] = {"file": "lost.mp4"}
    with pytest.raises(WorkflowError, match=r"lost\.mp4"):
        run_workflow(workflow, out_dir=tmp_path / "out", input_dirs=[shots])


def test_a_video_is_created_of_images(shots, workflow, tmp_path):
    workflow["1"] = {"class_type": "CreateVideo", "inputs": {"images": ["6", 0], "fps": 12.0}}
    workflow["5"] = {"class_type": "LoadImage", "inputs": {"image": "still.png"}}
    workflow["6"] = {"class_type": "RepeatImageBatch", "inputs": {"image": ["5", 0], "amount": 3}}
    grey = np.linspace(0, 255, WIDTH).astype(np.uint8)[None].repeat(HEIGHT, 0)
    Image.fromarray(grey).convert("RGB").save(shots / "still.png")
    result = run_workflow(workflow, out_dir=tmp_path / "out", input_dirs=[shots])
    saved = VideoFile(result.files[0])
    assert (saved.count_frames(), saved.format.rate) == (3, 12)


def test_a_created_video_is_saved_with_its_workflow(shots, workflow, tmp_path):
    still = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    still[:, : WIDTH // 2] = (200, 100, 50)
    Image.fromarray(still).save(shots / "still.png")
    created = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "still.png"}},
        "2": {"class_type": "RepeatImageBatch", "inputs": {"image": ["1", 0], "amount": 5}},
        "3": {"class_type": "CreateVideo", "inputs": {"images": ["2", 0], "fps": 12.5}},
        "4": workflow["4"],
    }
    created["4"]["inputs"]["video"] = ["3", 0]
    result = run_workflow(created, out_dir=tmp_path / "out", input_dirs=[shots])
    saved = VideoFile(result.files[0])
    assert json.loads(saved.format.metadata["prompt"]) == created
    frames = list(saved.frames())
    assert [frame.time for frame in frames] == [Fraction(2 * index, 25) for index in range(5)]
    for frame in frames:
        # Colour has half the resolution in each direction.
        inside = np.s_[:, : WIDTH // 2 - 2]
        np.testing.assert_allclose(frame.pixels[inside], still[inside] / 255, atol=6 / 255)
