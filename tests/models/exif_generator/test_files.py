"""The EXIF-conditioned generator: files of its weights, what they say, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from focuspuller.errors import FileError
from focuspuller.lens.optics import Camera
from focuspuller.models.exif_generator.check import check
from focuspuller.models.exif_generator.exif import (
    Exif,
)
from focuspuller.models.exif_generator.files import (
    ExifMetadata,
    exif_metadata,
    load_projection,
    save_exif_generator,
)
from focuspuller.models.exif_generator.student import (
    load_student,
)
from focuspuller.models.layout import Findings
from oracles.tiny_generator import (
    METADATA,
    METADATA_OF_STUDENT,
    TIME_EMBEDDING,
    lora_by_name,
    trained_projection,
)
from oracles.tiny_sdxl import contiguous
from safetensors.torch import save_file
from torch import Tensor

pytest.importorskip("diffusers")
pytest.importorskip("transformers")


CAMERA = Camera(50.0, 2.8)


class TestFiles:
    def test_what_is_saved_is_loaded(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.safetensors"
        metadata = replace(METADATA, timesteps=(999, 499))
        save_exif_generator(path, trained_projection(), metadata)
        assert exif_metadata(path) == metadata
        assert not check(path)
        exif = Exif.of(CAMERA)
        found = load_projection(path, TIME_EMBEDDING)
        assert torch.equal(found(exif), trained_projection()(exif))
        assert not any(one.requires_grad for one in found.parameters())

    def test_a_student_can_be_in_it(self, tmp_path: Path, base: Path, networks, prompt) -> None:
        path = tmp_path / "whole.safetensors"
        changed = {name: one + 0.01 for name, one in networks["unet"].state_dict().items()}
        save_exif_generator(path, trained_projection(), METADATA_OF_STUDENT, changed)
        assert not check(path)
        found = load_student(path, base, torch.float32).state_dict()
        assert all(torch.equal(found[name], one) for name, one in changed.items())

    @pytest.mark.parametrize("is_adapter", [False, True])
    def test_its_student_is_checked(self, tmp_path: Path, networks, is_adapter: bool) -> None:
        path, projection = tmp_path / "whole.safetensors", trained_projection()
        unet = networks["unet"]
        good = lora_by_name(unet) if is_adapter else contiguous(unet.state_dict())
        name = next(name for name in good if "to_q" in name)

        def found(student: dict[str, Tensor], metadata: ExifMetadata) -> Findings:
            save_exif_generator(path, projection, metadata, student)
            return check(path)

        assert not found(good, METADATA_OF_STUDENT)
        assert found(good, METADATA).misshaped  # It is none for SDXL.
        lacking = {key: one for key, one in good.items() if key != name}
        assert found(lacking, METADATA_OF_STUDENT).missing == (name,)
        cut = {**good, name: good[name][:, :-1]}
        assert name.rpartition(".lora")[0] in found(cut, METADATA_OF_STUDENT).misshaped[0]
        spoiled = {**good, name: torch.full_like(good[name], torch.nan)}
        assert found(spoiled, METADATA_OF_STUDENT).not_finite == (name,)
        more = {**good, "more": torch.zeros(1)}
        assert found(more, METADATA_OF_STUDENT).unexpected == ("more",)

    def test_cameras_beyond_training_are_told(self) -> None:
        assert METADATA.outside(CAMERA) == ""
        assert METADATA.outside(Camera(300, 0.9)) == (
            "Not seen in training: f/ 0.9 (seen: 1.4 to 22), "
            "focal length in mm 300 (seen: 24 to 200)."
        )

    def test_files_of_other_kinds_are_refused(self, tmp_path: Path, lora: Path) -> None:
        with pytest.raises(FileError, match="do not say that its format"):
            load_projection(lora)
        assert "format" in str(check(lora))
        later = tmp_path / "later.safetensors"
        state = {"exif_projection.linear_1.weight": torch.zeros(24, 32)}
        said = {"format": "focus-puller/exif-generator", "format_version": "9"}
        save_file(state, later, said)
        with pytest.raises(FileError, match="unknown format version '9'"):
            load_projection(later)
        save_file(state, later, said | {"format_version": "1", "f_numbers": "1.4, x"})
        with pytest.raises(FileError, match=r"f_numbers is '1\.4, x'"):
            load_projection(later)
        numbers = {"f_numbers": "1, 2", "focal_lengths_mm": "3, 4", "timesteps": "999"}
        save_file(state, later, said | numbers | {"format_version": "1", "unet": "[1"})
        with pytest.raises(FileError, match=r"unet is '\[1'"):
            load_projection(later)

    def test_a_projection_for_another_unet_is_refused(self, root: Path) -> None:
        path = root / "exif_generator" / "trained.safetensors"
        with pytest.raises(FileError, match="for a UNet that wants 1280"):
            load_projection(path, 1280)

    def test_damage_is_found(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.safetensors"
        broken = trained_projection()
        broken.linear_1.bias[0] = torch.nan
        save_exif_generator(path, broken, METADATA, {"more": torch.zeros(1)})
        assert check(path).not_finite == ("linear_1.bias",)
        with pytest.raises(FileError, match="not finite"):
            load_projection(path)

    def test_a_file_needs_the_suffix(self, tmp_path: Path) -> None:
        with pytest.raises(FileError, match=r"Give it \.safetensors"):
            save_exif_generator(tmp_path / "mine.pt", trained_projection(), METADATA)
