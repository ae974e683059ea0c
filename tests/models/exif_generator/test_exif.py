"""The EXIF-conditioned generator: what it is told of the camera, by numbers and in words."""

from __future__ import annotations

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.optics import Camera
from focuspuller.models.exif_generator.conditioning import prompt_for
from focuspuller.models.exif_generator.exif import (
    Exif,
    ExifProjection,
    exif_conditioned,
    sinusoids,
    stops,
)
from oracles.tiny_generator import (
    TIME_EMBEDDING,
    seen_by,
    trained_projection,
)

pytest.importorskip("diffusers")
pytest.importorskip("transformers")


CAMERA = Camera(50.0, 2.8)


class TestExif:
    def test_a_stop_is_a_step_of_one_and_doubling_is_two(self) -> None:
        apertures = torch.tensor([1.0, 2**0.5, 2.0, 22.627417])
        torch.testing.assert_close(stops(apertures), torch.tensor([0.0, 1.0, 2.0, 9.0]))

    def test_sinusoids_are_those_of_their_wavelengths(self) -> None:
        found = sinusoids(torch.tensor([3.25]), 4)
        phases = 2 * torch.pi * 3.25 / torch.tensor([1.0, 64.0])
        torch.testing.assert_close(found, torch.cat([phases.sin(), phases.cos()])[None])

    def test_apertures_a_third_of_a_stop_apart_look_different(self) -> None:
        rows = sinusoids(torch.arange(0, 14, 1 / 3), 256)
        distances = torch.cdist(rows, rows) + 10 * torch.eye(len(rows))
        assert distances.min() > 2.0

    def test_an_untrained_projection_changes_nothing(self, networks, prompt) -> None:
        unet, projection = networks["unet"], ExifProjection(16, 24, TIME_EMBEDDING)
        before = seen_by(unet, prompt)
        with exif_conditioned(unet, projection, Exif.of(CAMERA)):
            assert torch.equal(seen_by(unet, prompt), before)

    def test_a_trained_one_does_and_nothing_is_left_behind(self, networks, prompt) -> None:
        unet = networks["unet"]
        before = seen_by(unet, prompt)
        with exif_conditioned(unet, trained_projection(), Exif.of(CAMERA)):
            wide = seen_by(unet, prompt)
        with exif_conditioned(unet, trained_projection(), Exif.of(Camera(50, 8))):
            narrow = seen_by(unet, prompt)
        assert (wide - before).abs().max() > 1e-3
        assert (wide - narrow).abs().max() > 1e-3
        assert torch.equal(seen_by(unet, prompt), before)

    def test_it_is_what_is_added_to_the_time_embedding(self, networks, prompt) -> None:
        unet, projection = networks["unet"], trained_projection()
        embedding = unet.time_embedding
        plain = embedding.linear_2.bias.clone()
        with exif_conditioned(unet, projection, Exif.of(CAMERA)):
            told = seen_by(unet, prompt)
        embedding.linear_2.bias += projection(Exif.of(CAMERA))[0]
        expected = seen_by(unet, prompt)
        embedding.linear_2.bias.copy_(plain)
        torch.testing.assert_close(told, expected)

    def test_each_picture_is_told_its_own(self, networks, prompt) -> None:
        unet, projection = networks["unet"], trained_projection()
        several = Exif(torch.tensor([2.8, 8.0]), torch.tensor([50.0, 50.0]))
        with exif_conditioned(unet, projection, several):
            both = seen_by(unet, prompt)
        for index, f_number in enumerate((2.8, 8.0)):
            with exif_conditioned(unet, projection, Exif.of(Camera(50, f_number))):
                alone = seen_by(unet, prompt)
            torch.testing.assert_close(both[index], alone[index])

    def test_gradients_reach_the_projection_and_the_numbers(self, networks, prompt) -> None:
        projection = ExifProjection(16, 24, TIME_EMBEDDING)
        with exif_conditioned(networks["unet"], projection, Exif.of(CAMERA)):
            seen_by(networks["unet"], prompt).square().sum().backward()
        # Of a zero last layer, only that one learns in the first step.
        assert projection.linear_2.weight.grad.abs().max() > 0
        assert projection.linear_1.weight.grad.abs().max() == 0
        trained = trained_projection().requires_grad_(True)
        numbers = [torch.tensor([value], requires_grad=True) for value in (2.8, 50.0)]
        trained(Exif(*numbers)).sum().backward()
        assert all(number.grad.abs().max() > 0 for number in numbers)
        assert trained.linear_1.weight.grad.abs().max() > 0


class TestWords:
    def test_of_the_camera(self) -> None:
        text = prompt_for("a dog, ", "exif_text", CAMERA)
        assert text == "a dog, Aperture: f/2.8, Focal Length: 50 mm"

    @pytest.mark.parametrize(
        ("f_number", "depth"), [(1.8, "Shallow"), (8.0, "Shallow"), (11.0, "Deep"), (22.0, "Deep")]
    )
    def test_of_the_depth_of_field(self, f_number: float, depth: str) -> None:
        text = prompt_for("a dog", "dof_text", Camera(50, f_number))
        assert text == f"a dog, {depth} Depth-of-Field"

    def test_fixed_ones_are_the_same_for_all_apertures(self) -> None:
        texts = {prompt_for("a dog", "exif_fixed", Camera(50, one)) for one in (1.8, 4.0, 22.0)}
        assert texts == {prompt_for("a dog", "exif_text", Camera(50, 22))}

    @pytest.mark.parametrize("conditioning", ["automatic", "none"])
    def test_without_words_the_prompt_stays(self, conditioning) -> None:
        assert prompt_for(" a dog, ", conditioning, CAMERA) == " a dog, "

    def test_they_need_a_camera_and_a_known_name(self) -> None:
        with pytest.raises(InputError, match="camera: received none"):
            prompt_for("a dog", "dof_text", None)
        with pytest.raises(InputError, match="Give one of automatic, none"):
            prompt_for("a dog", "iso_text", CAMERA)  # pyright: ignore
