"""`focuspuller run`: a workflow from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import focuspuller as fp
import numpy as np
import pytest
from focuspuller.photo.photo import load_photo
from oracles.photo_folder import WIDTH

pytestmark = pytest.mark.usefixtures("folder")


class TestRun:
    @pytest.fixture
    def workflow(self, folder: Path, portrait: Path) -> Path:
        def node(class_type: str, **inputs: object) -> dict[str, object]:
            return {"class_type": f"FocusPuller{class_type}", "inputs": inputs}

        nodes = {
            "1": node("LoadPhoto", photo=portrait.name),
            "2": node(
                "Camera",
                f_number=1.4,
                focal_length_mm=50.0,
                sensor_width_mm=36.0,
                photo=["1", 4],
            ),
            "3": node("FocusPoint", depth=["1", 2], x=0.1, y=0.5, focus_range=0.0),
            "4": node(
                "DefocusMap",
                depth=["1", 2],
                focus=["3", 0],
                bokeh_level=20.0,
                focus_scale=1.0,
                camera=["2", 0],
                image=["1", 0],
            ),
            "5": node("TafLens"),
            "6": node("RenderBokeh", image=["1", 0], defocus=["4", 0], lens=["5", 0]),
            "7": node(
                "SavePhoto",
                images=["6", 0],
                filename_prefix="refocused",
                format="PNG",
                quality=95,
                photo=["1", 4],
                camera=["2", 0],
                focus=["3", 0],
            ),
        }
        path = folder / "refocus.json"
        path.write_text(json.dumps(nodes))
        return path

    def test_it_saves_the_picture_and_prints_its_path(self, cli, folder, workflow, portrait):
        done = cli("run", workflow, "--set", "FocusPullerCamera.f_number=0.2", "--out", "pictures")
        saved = Path("pictures") / "refocused_00001_.png"
        assert (done.code, done.stdout) == (0, f"{saved}\n")
        photo = load_photo(portrait)
        expected = fp.render(
            photo.image,
            photo.depth,
            focus_point=(0.1, 0.5),
            camera=fp.Camera(50.0, 0.2, 24.0),
            lens="taf",
        )
        result = load_photo(folder / saved)
        np.testing.assert_allclose(result.image, expected.clip(0, 1), atol=0.6 / 255)
        assert result.camera_data.f_number == pytest.approx(0.2)
        assert result.camera_data.make == "Sony"

    def test_settings_change_the_picture(self, cli, folder, workflow):
        cli("run", workflow, "--set", "2.f_number=0.2", "--out", "pictures")
        cli("run", workflow, "--set", "2.f_number=0.2", "--set", "3.x=0.9", "--out", "pictures")
        near, far = (
            load_photo(folder / "pictures" / f"refocused_0000{number}_.png").image
            for number in (1, 2)
        )
        sharp = load_photo(folder / "photo.jpg").image
        left, right = int(0.1 * WIDTH), int(0.9 * WIDTH)
        for picture, in_focus, out_of_focus in ((near, left, right), (far, right, left)):
            change = np.abs(picture - sharp).mean(axis=(0, 2))
            assert change[in_focus] < 2 / 255
            assert change[out_of_focus] > 0.1

    def test_a_refusal_of_a_node_is_code_1_and_names_the_node(self, cli, folder, workflow):
        done = cli("run", workflow, "--set", "2.f_number=0", "--set", "3.x=1", "--out", "pictures")
        assert done.code == 0  # 0 means: as in the EXIF
        text = json.loads(workflow.read_text())
        text["2"]["inputs"]["photo"] = ["1", 3]  # a camera is no photo
        workflow.write_text(json.dumps(text))
        done = cli("run", workflow, "--out", "none")
        assert (done.code, done.stdout) == (1, "")
        assert "photo" in done.stderr
        assert "CAMERA" in done.stderr
        assert not (folder / "none").exists()

    def test_every_photo_of_a_folder_is_run_and_one_that_fails_stops_none(
        self, cli, folder, workflow, portrait
    ):
        batch = folder / "batch"
        batch.mkdir()
        for name in ("one", "two"):
            (batch / f"{name}{portrait.suffix}").write_bytes(portrait.read_bytes())
        (batch / "broken.jpg").write_bytes(b"no photo")
        (batch / "notes.txt").write_text("no photo either")
        words = ("--set", "7.filename_prefix={name}", "--out", "pictures")
        done = cli("run", workflow, "--each", "1.photo=batch", *words)
        assert done.code == 1
        assert [Path(line).name.split("_")[0] for line in done.stdout.split()] == ["one", "two"]
        assert "broken.jpg: " in done.stderr
        assert "1 of 3 photos" in done.stderr
        done = cli("run", workflow, "--each", "1.photo=batch/t*.*", *words)
        assert done.code == 0
        assert len(done.stdout.split()) == 1
        done = cli("run", workflow, "--each", "1.photo=empty", *words)
        assert done.code == 1
        assert "no photos" in done.stderr

    @pytest.mark.parametrize("words", [("--each", "Foto.photo=b"), ("--set", "2.aperture=2")])
    def test_what_is_wrong_for_every_photo_is_said_once(
        self, cli, folder, workflow, portrait, words
    ):
        (folder / "b").mkdir()
        for name in ("one", "two"):
            (folder / "b" / f"{name}{portrait.suffix}").write_bytes(portrait.read_bytes())
        done = cli("run", workflow, "--each", "1.photo=b", *words, "--out", "pictures")
        assert (done.code, done.stdout) == (1, "")
        assert done.stderr.count("  - setting ") == 1
        assert not (folder / "pictures").exists()

    def test_a_folder_of_inputs_that_is_not_there_is_named(self, cli, workflow):
        done = cli("run", workflow, "--input", "gone")
        assert (done.code, done.stdout) == (1, "")
        assert done.stderr.startswith("focuspuller: --input: received gone, which is no folder.")

    def test_a_folder_that_cannot_be_made_is_named(self, cli, workflow):
        Path("file").touch()
        done = cli("run", workflow, "--out", "file/pictures")
        assert (done.code, done.stdout) == (1, "")
        assert "file/pictures: received a folder that cannot be made" in done.stderr

    def test_a_node_that_fails_leaves_no_picture(self, cli, folder, workflow):
        text = json.loads(workflow.read_text())
        text["7"]["inputs"]["depth"] = ["1", 2]  # into a PNG
        workflow.write_text(json.dumps(text))
        done = cli("run", workflow, "--out", "pictures")
        assert (done.code, done.stdout) == (1, "")
        assert "node 7" in done.stderr
        assert "Only JPEG and EXR can hold depth." in done.stderr
        assert list((folder / "pictures").glob("*")) == []

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ("{", "not JSON"),
            ("{}", "instead of nodes by id"),
            ('{"1": {"class_type": "FocusPullerTafLense", "inputs": {}}}', "FocusPullerTafLens'"),
            (
                '{"1": {"class_type": "PreviewImage", "inputs": {"images": ["9", 0]}}}',
                "node 1 PreviewImage",
            ),
        ],
        ids=["no JSON", "empty", "unknown node", "missing link"],
    )
    def test_a_broken_workflow_is_code_1(self, cli, folder, content, said):
        (folder / "broken.json").write_text(content)
        done = cli("run", "broken.json", "--out", "pictures")
        assert (done.code, done.stdout) == (1, "")
        assert said in done.stderr
        assert not (folder / "pictures").exists()

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--set", "f_number=2"], "NODE.input=value"),
            (["--set", "9.f_number=2"], "there is no node '9'"),
            (["--set", "2.f_number=fast"], "'fast' is no number"),
            (["--set", "2.f_number=500"], "f_number"),
            (["--device", "abacus"], "device: received abacus"),
        ],
    )
    def test_a_setting_that_does_not_fit_is_code_1(self, cli, folder, workflow, words, said):
        done = cli("run", workflow, *words, "--out", "pictures")
        assert (done.code, done.stdout) == (1, "")
        assert said in done.stderr
        assert not (folder / "pictures").exists()
