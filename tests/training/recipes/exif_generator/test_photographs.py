"""The photographs that the EXIF-conditioned generator learns from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("accelerate", reason="training needs the extra 'training'")
pytest.importorskip("diffusers", reason="SDXL needs the extra 'diffusion'")
pytest.importorskip("transformers", reason="SDXL needs the extra 'diffusion'")
pytest.importorskip("peft", reason="adapters need the extra 'diffusion'")

from focuspuller.errors import FileError
from focuspuller.lens.optics import Camera
from focuspuller.training.dmd2.photographs import ProceduralPhotographs, RecordedPhotographs
from focuspuller.training.dmd2.settings import (
    PhotographFolder,
)
from PIL import Image

from .tasks import DEEP, SMALL, batch_of, task_of, trainee_of


class TestPhotographs:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> PhotographFolder:
        """Two wide open and a broken one, of which the list does not tell all."""
        lines = []
        for number, camera in enumerate(
            ({"f_number": 1.8, "focal_length_mm": 85.0, "sensor_width_mm": 23.5}, {}, {})
        ):
            file = tmp_path / "album" / f"{number}.png"
            file.parent.mkdir(exist_ok=True)
            pixels = np.zeros((64, 96, 3), np.uint8)
            pixels[:, 32:64] = 200
            Image.fromarray(pixels).save(file)
            file.with_suffix(".txt").write_text(" a dog \n")
            told = {"f_number": 4.0, "focal_length_mm": 35.0} if number == 1 else camera
            name = f"{number}.png"
            lines.append(json.dumps({"file": name, "bytes": 1, "kept": True, **told}))
        lines.append(json.dumps({"file": "gone.png", "bytes": 1, "kept": False, "f_number": 2.0}))
        curated = tmp_path / "list.jsonl"
        curated.write_text("\n".join(lines))
        return PhotographFolder(str(tmp_path / "album"), str(curated))

    def test_they_have_caption_and_camera(self, folder: PhotographFolder) -> None:
        photographs = RecordedPhotographs([folder], "deep", 32)
        assert photographs.cameras == [(1.8, 85.0), (4.0, 35.0)]
        drawn = [photographs.draw(np.random.default_rng(seed)) for seed in range(8)]
        cameras = {one.camera for one in drawn}
        # Where the sensor is not known it is full frame.
        assert cameras == {Camera(85.0, 1.8, 23.5), Camera(35.0, 4.0, 36.0)}
        assert {one.caption for one in drawn} == {"a dog"}
        # The middle: half of the picture's thirds on both sides are cut off.
        assert drawn[0].image.shape == (3, 32, 32)
        dark = drawn[0].image[0, 0] < 0.4
        assert int(dark.sum()) == 16
        assert bool(dark[:8].all()) and bool(dark[-8:].all())

    def test_what_is_missing_is_named(self, folder: PhotographFolder) -> None:
        (Path(folder.folder) / "1.txt").unlink()
        with pytest.raises(FileError, match=r"1 photographs without caption, such as 1\.png"):
            RecordedPhotographs([folder], "deep", 32)
        Path(folder.curated).write_text(json.dumps({"file": "0.png", "bytes": 1, "kept": True}))
        with pytest.raises(FileError, match="f-number and focal length"):
            RecordedPhotographs([folder], "deep", 32)

    def test_examples_say_it_in_clips_words(self, folder: PhotographFolder, base: Path) -> None:
        task = task_of(SMALL, procedural_scenes=0, deep=(folder,), base=str(base))
        examples = [task.example(DEEP, np.random.default_rng(seed)) for seed in range(8)]
        by_length = {float(one["focal_length_mm"]): one for one in examples}
        assert float(by_length[85.0]["px_per_mm"]) == pytest.approx(64 / 23.5)
        tokens = by_length[85.0]["tokens"]
        assert tokens.shape == (2, 77)
        assert tokens[0, 0] == 49406 and int((tokens[0] == 49407).sum()) == 77 - 5
        assert int((tokens[1] == 0).sum()) == 77 - 6
        trainee = trainee_of(task)
        said, nothing = (trainee.prompt_of(batch_of(one, DEEP)) for one in (task, task_of(SMALL)))
        assert not torch.equal(said.tokens, nothing.tokens)
        assert not torch.equal(said.pooled, nothing.pooled)

    def test_procedural_ones_are_blurred_where_the_aperture_is_open(self) -> None:
        source = ProceduralPhotographs(64, 12, is_shallow=True)
        drawn = [source.draw(np.random.default_rng(seed)) for seed in range(24)]
        sharp = ProceduralPhotographs(64, 12, is_shallow=False)
        scenes = [sharp.draw(np.random.default_rng(seed)) for seed in range(24)]
        detail, most = (
            [float(one.image.diff(dim=-1).square().mean()) for one in every]
            for every in (drawn, scenes)
        )
        assert all(1.8 <= one.camera.f_number <= 5.41 for one in drawn)
        assert all(one.camera.f_number >= 11 for one in scenes)
        assert np.mean(detail) < 0.5 * np.mean(most)
